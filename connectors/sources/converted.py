"""Files that a model must turn into text first: sound by a transcription server, scans and layout by docling."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from nacre.errors import SourceError
from nacre.extras import need
from nacre.ingest.source import Item, Source, Unreachable
from nacre.text.language import tr

SOUND = (".mp3", ".mp4", ".mpeg", ".mpga", ".m4a", ".wav", ".webm", ".ogg", ".oga", ".opus", ".flac", ".amr", ".aac")
SCANS = (".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".docx", ".pptx", ".xlsx", ".html")


@dataclass(eq=False, repr=False)
class Converted:
    """Another source whose files go through a converter when they are read; stamps stay, so unchanged files cost
    nothing.
    """

    inner: Source
    kind: str
    endings: tuple[str, ...]
    convert: Callable[[str, bytes], str]

    @property
    def scope(self) -> str:
        """The scope of the inner source with the kind before it."""
        return f"{self.kind}:{self.inner.scope.rstrip('/')}"

    def items(self) -> Iterator[Item | Unreachable]:
        """List the files that can be converted."""
        for item in self.inner.items():
            if isinstance(item, Unreachable):
                yield item
            elif item.uri.lower().endswith(self.endings):
                yield replace(item, read=lambda item=item: self._read(item), mime="text/markdown")  # type: ignore[misc]

    def _read(self, item: Item) -> bytes:
        data = item.read()
        name = PurePosixPath(unquote(urlsplit(item.uri).path)).name
        try:
            return self.convert(name, data if isinstance(data, bytes) else data.encode()).encode()
        except SourceError:
            raise
        except Exception as error:  # a server's or a model's own
            raise SourceError(tr("{kind} failed: {error}", kind=self.kind, error=error), uri=item.uri) from error


def transcription(
    inner: Source,
    *,
    model: str = "whisper-1",
    language: str = "",
    prompt: str = "",
    max_bytes: int = 25 << 20,
    **client: Any,
) -> Converted:
    """Sound as text, by any server that speaks OpenAI's `audio.transcriptions`; a passage begins with its time,
    [01:23]. `language` is "en", "zh", …, found by the server when empty; more than `max_bytes` is refused, by OpenAI
    too.
    """
    openai = need("openai", extra="openai")

    def convert(name: str, data: bytes) -> str:
        if len(data) > max_bytes:
            told = tr(
                "{count} MiB of sound, the server takes {max_bytes}; split it",
                count=len(data) >> 20,
                max_bytes=max_bytes >> 20,
            )
            raise SourceError(told, uri=name)
        asked = {key: value for key, value in (("language", language), ("prompt", prompt)) if value}
        with openai.OpenAI(**client) as server:
            try:
                answer = server.audio.transcriptions.create(
                    model=model, file=(name, data), response_format="verbose_json", **asked
                )
            except openai.BadRequestError:
                # Not every server or model has times.
                answer = server.audio.transcriptions.create(model=model, file=(name, data), **asked)
        return transcript(answer.text, getattr(answer, "segments", None) or [])

    return Converted(inner, "transcription", SOUND, convert)


def transcript(text: str, segments: list[Any]) -> str:
    """Segments gathered into paragraphs of about a minute, each with its time."""
    paragraphs: list[list[str]] = []
    begun = -60.0
    for segment in segments:
        if segment.start - begun >= 60:
            begun = segment.start
            minutes, seconds = divmod(int(begun), 60)
            paragraphs.append([f"[{minutes:02}:{seconds:02}]"])
        paragraphs[-1].append(segment.text.strip())
    return "\n\n".join(" ".join(words) for words in paragraphs) or text


def docling(inner: Source, **options: Any) -> Converted:
    """Layout and OCR by docling: scans, photographed pages, hard tables. Its models must be on this machine."""
    package = need("docling.document_converter", extra="docling")
    stream = need("docling.datamodel.base_models", extra="docling").DocumentStream
    converter = package.DocumentConverter(**options)

    def convert(name: str, data: bytes) -> str:
        return str(converter.convert(stream(name=name, stream=io.BytesIO(data))).document.export_to_markdown())

    return Converted(inner, "docling", SCANS, convert)
