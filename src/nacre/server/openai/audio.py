"""`/v1/audio/transcriptions` and `/translations`: passed through to a server that hears, where one is configured."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect

from nacre.errors import MissingKeyError
from nacre.extras import need
from nacre.server.context import asker_of, request_id, state_of
from nacre.server.observability.spending import unpriced
from nacre.server.openai.errors import Problem, problem_of
from nacre.server.openai.forms import PassedForm, too_large
from nacre.server.openai.sse import HEADERS, event, while_connected
from nacre.server.openai.transcription import refusal_of
from nacre.text.language import tr

if TYPE_CHECKING:
    import httpx

    from nacre.server.settings import AudioSettings, ServerSettings

router = APIRouter(prefix="/v1/audio")
# What an answer may be; nothing that a browser would run.
_TYPES = frozenset(
    {"application/json", "text/plain", "text/event-stream", "text/vtt", "application/x-subrip", "text/srt"}
)
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "model"],
                    "properties": {"file": {"type": "string", "format": "binary"}, "model": {"type": "string"}},
                }
            }
        },
    }
}


class Hearing:
    """The client of the server that hears."""

    def __init__(self, settings: AudioSettings, server: ServerSettings) -> None:
        self.settings = settings
        key = os.environ.get(settings.key_env or "NACRE_AUDIO_KEY", "")
        if settings.key_env and not key:
            raise MissingKeyError(
                tr("audio.key_env names {key_env}, which is not set.", key_env=settings.key_env),
                variable=settings.key_env,
            )
        self._httpx = need("httpx", extra="serve")
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._timeout = self._httpx.Timeout(server.timeout_s, connect=10.0, write=server.patience_s)
        self._client: httpx.AsyncClient | None = None

    async def send(self, path: str, form: PassedForm, body: AsyncGenerator[bytes, None]) -> httpx.Response:
        """Pass a form on. Nothing of the caller's headers goes with it."""
        if self._client is None:  # made where the event loop runs
            self._client = self._httpx.AsyncClient(timeout=self._timeout, follow_redirects=False)
        url = f"{self.settings.base_url.rstrip('/')}/audio/{path}"
        request = self._client.build_request(
            "POST", url, content=body, headers={**self._headers, "content-type": form.content_type}
        )
        try:
            answer = await self._client.send(request, stream=True)
        except self._httpx.TimeoutException as error:
            raise Problem(504, tr("The audio server took too long."), "timeout") from error
        except self._httpx.TransportError as error:
            raise Problem(503, tr("The audio server cannot be reached."), "audio_unavailable") from error
        if answer.status_code != 200:
            async with aclosing(answer):
                raise await refusal_of(answer)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


@router.post("/transcriptions", response_model=None, openapi_extra=_FORM)
async def transcribe(request: Request) -> Response:
    """Write down what is said."""
    return await _passed(request, "transcriptions")


@router.post("/translations", response_model=None, openapi_extra=_FORM)
async def translate(request: Request) -> Response:
    """Write down in English what is said."""
    return await _passed(request, "translations")


async def _passed(request: Request, path: str) -> Response:
    state, asker = state_of(request), asker_of(request)
    began = time.perf_counter()

    def note(status: str) -> None:
        model = f"audio:{path}"
        state.records.log(request_id(request), asker.id, model, [], 0, time.perf_counter() - began, status)

    try:
        answer = await _heard(request, path)
    except Exception as error:
        note(problem_of(error).code or "error")
        raise
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    media = answer.headers["content-type"] if kind in _TYPES else "application/octet-stream"
    return StreamingResponse(_pieces(answer, kind, note), media_type=media, headers=HEADERS)


async def _heard(request: Request, path: str) -> httpx.Response:
    state, asker = state_of(request), asker_of(request)
    if state.hearing is None:
        raise Problem(
            404,
            tr(
                "This server has no audio. Its owner can name an OpenAI-compatible audio server in "
                "nacre.yaml: audio: {base_url: …, model: …}."
            ),
            "audio_not_configured",
        )
    if asker.spend_limit is not None:
        raise unpriced([f"/v1/audio/{path}"])
    most = state.hearing.settings.max_mb << 20
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise too_large(most)
    form, sent = PassedForm(request.headers.get("content-type", ""), state.hearing.settings.model), asyncio.Event()
    body = _until_sent(form.pieces(request.stream(), most), sent)
    return await while_connected(request, state.hearing.send(path, form, body), None, after=sent)


async def _until_sent(pieces: AsyncGenerator[bytes, None], sent: asyncio.Event) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
    except ClientDisconnect as error:
        raise Problem(499, tr("The client has left."), "cancelled") from error
    sent.set()


async def _pieces(answer: httpx.Response, kind: str, note: Any) -> AsyncGenerator[bytes, None]:
    """An answer as it comes; where it breaks, a stream of events says so, and anything else ends short."""
    status = "cancelled"
    try:
        async with aclosing(answer):
            async for piece in answer.aiter_bytes():
                yield piece
        status = "ok"
    except need("httpx", extra="serve").HTTPError as error:
        problem = Problem(502, tr("The audio server broke off."), "audio_error")
        status = problem.code or ""
        if kind != "text/event-stream":
            raise problem from error
        yield event(problem.body)
    finally:
        note(status)
