"""`/v1/audio/transcriptions` and `/translations`: passed on to an audio server, where one is configured."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated

import httpx
from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import Response, StreamingResponse

from nacre.server.dependencies import Reading, RequestContext
from nacre.server.observability.spending import unpriced
from nacre.server.openai.errors import Problem, problem_of
from nacre.server.openai.sse import HEADERS, event, while_connected
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
