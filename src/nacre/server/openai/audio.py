"""`/v1/audio/transcriptions` and `/translations`: passed on to an audio server, where one is configured. A form goes
there, and nothing else of the caller's; its refusals are told as ours.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import PurePosixPath
from typing import Annotated, BinaryIO

import httpx
from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import FormData
from starlette.datastructures import UploadFile as FormFile

from nacre.errors import MissingKeyError
from nacre.server.auth.limits import unpriced
from nacre.server.openai.errors import Problem, problem_of
from nacre.server.openai.output import HEADERS, event, while_connected
from nacre.server.settings import AudioSettings, ServerSettings
from nacre.server.state import Reading, RequestContext
from nacre.system.net import seconds_to_wait
from nacre.text.hygiene import clean_text, masked
from nacre.text.language import tr

router = APIRouter(prefix="/v1/audio")
# What an answer may be; nothing that a browser would run.
_TYPES = frozenset(
    {"application/json", "text/plain", "text/event-stream", "text/vtt", "application/x-subrip", "text/srt"}
)
Model = Annotated[str, Form()]


@router.post("/transcriptions", response_model=None)
async def transcribe(request: Request, context: Reading, file: UploadFile, model: Model = "") -> Response:
    """Write down what is said."""
    return await _passed(request, context, file, "transcriptions")


@router.post("/translations", response_model=None)
async def translate(request: Request, context: Reading, file: UploadFile, model: Model = "") -> Response:
    """Write down in English what is said."""
    return await _passed(request, context, file, "translations")


async def _passed(request: Request, context: RequestContext, file: UploadFile, path: str) -> Response:
    began = time.perf_counter()

    def note(status: str) -> None:
        seconds = time.perf_counter() - began
        context.state.records.log(context.request_id, context.user.id, f"audio:{path}", [], 0, seconds, status)

    try:
        answer = await _answer(request, context, file, path)
    except Exception as error:
        note(problem_of(error).code or "error")
        raise
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    media = answer.headers["content-type"] if kind in _TYPES else "application/octet-stream"
    return StreamingResponse(_pieces(answer, kind, note), media_type=media, headers=HEADERS)


async def _answer(request: Request, context: RequestContext, file: UploadFile, path: str) -> httpx.Response:
    audio = context.state.audio
    if audio is None:
        told = tr(
            "This server has no audio. Its owner can name an OpenAI-compatible audio server in nacre.yaml: audio: "
            "{base_url: …, model: …}."
        )
        raise Problem(404, told, "audio_not_configured")
    if context.user.spend_limit is not None:
        raise unpriced([f"/v1/audio/{path}"])
    if (file.size or 0) > audio.settings.max_mb << 20:
        most = audio.settings.max_mb
        raise Problem(413, tr("The file is larger than {most} MiB.", most=most), "request_too_large", "file")
    return await while_connected(request, audio.send(path, await request.form()), None)


async def _pieces(answer: httpx.Response, kind: str, note: Callable[[str], None]) -> AsyncGenerator[bytes, None]:
    """An answer as it comes; where it breaks, a stream of events says so, and anything else ends short."""
    status = "cancelled"
    try:
        async with aclosing(answer):
            async for piece in answer.aiter_bytes():
                yield piece
        status = "ok"
    except httpx.HTTPError as error:
        problem = Problem(502, tr("The audio server broke off."), "audio_error")
        status = problem.code or ""
        if kind != "text/event-stream":
            raise problem from error
        yield event(problem.body)
    finally:
        note(status)


_NAME = re.compile(r"[\w.-]{1,64}(?:\[\])?", re.ASCII)
_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}", re.ASCII)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}", re.ASCII)
_MOST_PARTS = 64
_READ = 64 << 10
_TOLD = 500
_LONGEST_WAIT_S = 999_999
# The caller's own mistakes stay theirs. That our key or our address is wrong is not one of them.
_CALLERS = frozenset({400, 413, 415, 422, 429})
File = tuple[str, BinaryIO, str]


class AudioClient:
    """Asks the OpenAI-compatible audio server of the settings."""

    def __init__(self, settings: AudioSettings, server: ServerSettings) -> None:
        self.settings = settings
        key = os.environ.get(settings.key_env or "NACRE_AUDIO_KEY", "")
        if settings.key_env and not key:
            told = tr("audio.key_env names {key_env}, which is not set.", key_env=settings.key_env)
            raise MissingKeyError(told, variable=settings.key_env)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(server.timeout_s, connect=10.0),
            headers={"authorization": f"Bearer {key}"} if key else {},
            follow_redirects=False,
        )

    async def send(self, path: str, form: FormData) -> httpx.Response:
        """Pass a form on; its files are read in a thread, a piece at a time."""
        fields, file = passed_on(form, self.settings.model)
        url = f"{self.settings.base_url.rstrip('/')}/audio/{path}"
        whole = self._client.build_request("POST", url, data=fields, files={"file": file})
        assert isinstance(whole.stream, httpx.SyncByteStream)
        pieces = iterate_in_threadpool(whole.stream)
        try:
            request = self._client.build_request("POST", url, content=pieces, headers=whole.headers)
            answer = await self._client.send(request, stream=True)
        except httpx.TimeoutException as error:
            raise Problem(504, tr("The audio server took too long."), "timeout") from error
        except httpx.TransportError as error:
            raise Problem(503, tr("The audio server cannot be reached."), "audio_unavailable") from error
        if answer.status_code != 200:
            async with aclosing(answer):
                raise await _refusal_of(answer)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def passed_on(form: FormData, model: str) -> tuple[dict[str, list[str]], File]:
    """The fields and the file of a form as they go to the audio server, under plain names: "audio" and the suffix, all
    that a decoder looks at. `model` replaces the caller's, where there is one.
    """
    items = form.multi_items()
    if len(items) > _MOST_PARTS or not all(_NAME.fullmatch(name) for name in form):
        raise Problem(400, tr("The body must be a multipart form with the field `file`."), "invalid_form")
    uploads = [(name, value) for name, value in items if isinstance(value, FormFile)]
    if [name for name, _ in uploads] != ["file"]:
        raise Problem(400, tr("The form needs one field `file`."), "missing_required_parameter", "file")
    fields: dict[str, list[str]] = {}
    for name, value in items:
        if isinstance(value, str):
            fields.setdefault(name, []).append(value)
    upload = uploads[0][1]
    suffix, kind = PurePosixPath(upload.filename or "").suffix, upload.content_type or ""
    shown = f"audio{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    told = kind if _TYPE.fullmatch(kind) else "application/octet-stream"
    return {**fields, **({"model": [model]} if model else {})}, (shown, upload.file, told)


async def _refusal_of(answer: httpx.Response) -> Problem:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > _READ:
            break
    status = answer.status_code
    if status in _CALLERS:
        said = _message(bytes(body)) or tr("The audio server refused the file ({status}).", status=status)
        wait = seconds_to_wait(answer.headers.get("retry-after"))
        retry = None if wait is None else math.ceil(min(wait, _LONGEST_WAIT_S))
        return Problem(status, said, "rate_limit_exceeded" if status == 429 else "invalid_audio", retry_after_s=retry)
    told = tr(
        "The audio server failed with status {status}. Its address, model and key are the server owner's to check.",
        status=status,
    )
    return Problem(502, told, "audio_error")


def _message(body: bytes) -> str:
    """What its error object says, plain and short; its other words are not for strangers."""
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return masked(clean_text(str(message)))[:_TOLD]
