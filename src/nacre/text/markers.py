"""The marks `[1]` by which an answer cites its numbered sources: found, and taken out where they point nowhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessageChunk

# Models write [1], [1, 3], 【1】 or ［1］. Two digits at most: [2024] is a year and [0, 1] an interval.
MARKER = re.compile(r"[\[【［]\s*([1-9]\d?(?:\s*[,，、;；]\s*[1-9]\d?)*)\s*[\]】］]")
_NUMBER = re.compile(r"\d+")
# What may still become a marker when more text comes: spaces, and an opened bracket with digits.
_BEGUN = re.compile(r"[\[【［][\s\d,，、;；]{0,30}\Z")
_TICKS = re.compile(r"`+")


def numbers(marker: re.Match[str]) -> list[int]:
    """The source numbers in one marker.

    Returns:
        Numbers from 1 to 99, in the order written.
    """
    return [int(n) for n in _NUMBER.findall(marker[1])]


class DeadMarkers:
    """Takes markers that point to no source out of a text that arrives in pieces. Code between backticks is left
    alone.
    """

    def __init__(self, valid: Sequence[int]) -> None:
        self.valid = frozenset(valid)
        self._held = ""
        self._fence = ""

    def push(self, text: str) -> str:
        """Take a piece in and give out the text that is decided."""
        return self._advance(self._held + text, final=False)

    def close(self) -> str:
        """The text has ended."""
        return self._advance(self._held, final=True)

    def _advance(self, text: str, *, final: bool) -> str:
        out: list[str] = []
        at = 0
        for ticks in _TICKS.finditer(text):
            out.append(self._part(text[at : ticks.start()]))
            at = ticks.start()
            # A run of backticks at the very end may go on in the next piece.
            if ticks.end() == len(text) and not final:
                self._held = text[at:]
                return "".join(out)
            out.append(ticks[0])
            self._fence = "" if self._fence == ticks[0] else self._fence or ticks[0]
            at = ticks.end()
        rest = text[at:]
        keep = len(rest) if final or self._fence else self._decided(rest)
        out.append(self._part(rest[:keep]))
        self._held = rest[keep:]
        return "".join(out)

    @staticmethod
    def _decided(text: str) -> int:
        begun = _BEGUN.search(text, max(0, len(text) - 31))
        return len(text[: begun.start() if begun else len(text)].rstrip(" \t"))

    def _part(self, text: str) -> str:
        if self._fence:
            return text
        pieces, last = [], 0
        for marker in MARKER.finditer(text):
            cited = numbers(marker)
            alive = [n for n in cited if n in self.valid]
            before = text[last : marker.start()]
            if len(alive) == len(cited):
                pieces += [before, marker[0]]
            elif alive:
                pieces += [before, "".join(f"[{n}]" for n in alive)]
            else:
                pieces.append(before.rstrip(" \t"))
            last = marker.end()
        return "".join([*pieces, text[last:]])


class LiveMarkers:
    """`DeadMarkers` for the chunks of a live call (a `ChunkFilter`)."""

    def __init__(self, valid: Sequence[int]) -> None:
        self._text = DeadMarkers(valid)

    def push(self, chunk: AIMessageChunk) -> Sequence[AIMessageChunk]:
        """Filter the text of a chunk; parts that are not text pass unchanged."""
        if isinstance(chunk.content, str):
            return [_as_nacre(chunk, self._text.push(chunk.content))]
        content = [
            {**part, "text": self._text.push(part.get("text", ""))}
            if isinstance(part, dict) and part.get("type") == "text"
            else part
            for part in chunk.content
        ]
        return [_as_nacre(chunk, content)]

    def close(self) -> Sequence[AIMessageChunk]:
        """The stream has ended."""
        rest = self._text.close()
        return [AIMessageChunk(content=rest)] if rest else []


def _as_nacre(chunk: AIMessageChunk, content: object) -> AIMessageChunk:
    return chunk.model_copy(
        update={"content": content, "response_metadata": as_nacre_provider(chunk.response_metadata)}
    )


def as_nacre_provider(metadata: dict[str, object]) -> dict[str, object]:
    """Metadata under which LangChain asks our translator for the content blocks, and we ask the real provider's.

    Returns:
        A copy with `model_provider` "nacre"; the one that stood there is kept under `nacre`.
    """
    provider = metadata.get("model_provider")
    if provider is None or provider == "nacre":
        return metadata
    inside = metadata.get("nacre")
    return {
        **metadata,
        "model_provider": "nacre",
        "nacre": {**(inside if isinstance(inside, dict) else {}), "model_provider": provider},
    }
