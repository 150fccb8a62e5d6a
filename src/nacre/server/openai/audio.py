"""`/v1/audio/transcriptions` and `/translations`: passed on to an audio server, where one is configured."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from nacre.server.dependencies import Reading, RequestContext
from nacre.server.observability.spending import unpriced
from nacre.server.openai.errors import Problem, problem_of
from nacre.server.openai.sse import HEADERS, event, while_connected
from nacre.server.openai.transcription import malformed
from nacre.text.language import tr

router = APIRouter(prefix="/v1/audio")
# What an answer may be; nothing that a browser would run.
_TYPES = frozenset(
    {"application/json", "text/plain", "text/event-stream", "text/vtt", "application/x-subrip", "text/srt"}
)
_MOST_FILES, _MOST_FIELDS = 8, 64
_SCHEMA = {
    "type": "object",
    "required": ["file", "model"],
    "properties": {"file": {"type": "string", "format": "binary"}, "model": {"type": "string"}},
}
_FORM: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}}


@router.post("/transcriptions", response_model=None, openapi_extra=_FORM)
async def transcribe(request: Request, context: Reading) -> Response:
    """Write down what is said."""
    return await _passed(request, context, "transcriptions")


@router.post("/translations", response_model=None, openapi_extra=_FORM)
async def translate(request: Request, context: Reading) -> Response:
    """Write down in English what is said."""
    return await _passed(request, context, "translations")


async def _passed(request: Request, context: RequestContext, path: str) -> Response:
    began = time.perf_counter()

    def note(status: str) -> None:
        seconds = time.perf_counter() - began
        context.state.records.log(context.request_id, context.user.id, f"audio:{path}", [], 0, seconds, status)

    try:
        answer = await _answer(request, context, path)
    except Exception as error:
        note(problem_of(error).code or "error")
        raise
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    media = answer.headers["content-type"] if kind in _TYPES else "application/octet-stream"
    return StreamingResponse(_pieces(answer, kind, note), media_type=media, headers=HEADERS)


async def _answer(request: Request, context: RequestContext, path: str) -> httpx.Response:
    audio = context.state.audio
    if audio is None:
        raise Problem(
            404,
            tr(
                "This server has no audio. Its owner can name an OpenAI-compatible audio server in "
                "nacre.yaml: audio: {base_url: …, model: …}."
            ),
            "audio_not_configured",
        )
    if context.user.spend_limit is not None:
        raise unpriced([f"/v1/audio/{path}"])
    form = await read_form(request, audio.settings.max_mb << 20)
    try:
        return await while_connected(request, audio.send(path, form), None)
    finally:
        await form.close()


async def read_form(request: Request, most: int) -> FormData:
    """The form, its files on the disk where they are large.

    Args:
        most: bytes that it may have.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise malformed()
    parser = MultiPartParser(request.headers, _at_most(request, most), max_files=_MOST_FILES, max_fields=_MOST_FIELDS)
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise malformed() from error
    except ClientDisconnect as error:
        raise Problem(499, tr("The client has left."), "cancelled") from error


async def _at_most(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    got = 0
    async for piece in request.stream():
        got += len(piece)
        if got > most:
            raise _too_large(most)
        yield piece


def _too_large(most: int) -> Problem:
    return Problem(413, tr("The file is larger than {most} MiB.", most=most >> 20), "request_too_large", "file")


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
