"""`/v1/models`, `/v1/chat/completions` and `/v1/embeddings`."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from langchain_core.messages import AIMessageChunk
from pydantic import BaseModel, Field

from nacre.server.openai.answering import Outcome, Question
from nacre.server.openai.errors import Problem, code_of, problem_of, unknown_model
from nacre.server.openai.messages import ChatRequest, tool_calls_of, tool_names, usage_of
from nacre.server.openai.output import DONE, HEADERS, StrictJSON, event, extension, url_citations, while_connected
from nacre.server.records import new_id
from nacre.server.state import Reading
from nacre.text.hygiene import clean_text
from nacre.text.language import tr
from nacre.text.messages import as_chunk

router = APIRouter(prefix="/v1")
_MOST_CHARACTERS = 1_000_000  # of one request: some seconds of work


@router.get("/models")
async def models(context: Reading) -> dict[str, Any]:
    """List the models: every stack of the server is one."""
    served = context.state.served
    return {"object": "list", "data": [_model(name, served.created) for name in served.stacks]}


@router.get("/models/{model}")
async def model(context: Reading, model: str) -> dict[str, Any]:
    """One model."""
    served = context.state.served
    if model not in served.stacks:
        raise unknown_model(model, list(served.stacks))
    return _model(model, served.created)


def _model(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": "nacre"}


@router.post("/chat/completions", response_model=None)
async def chat(request: Request, context: Reading, body: ChatRequest) -> Response:
    """Answer a conversation, whole or as a stream."""
    question = await Question.of(context, body)
    names = tool_names(body.tools)
    timeout = question.state.settings.server.timeout_s
    if body.stream:
        stream = _Stream(question, names, bool(body.stream_options and body.stream_options.include_usage))
        # What fails before the first word is told by the status; only later errors must be told within the stream.
        await while_connected(request, stream.begin(), timeout)
        return StreamingResponse(stream.events(), media_type="text/event-stream", headers=HEADERS)
    reply = await while_connected(request, question.answer(), timeout)
    outcome = Outcome()
    text, thought = outcome.take(as_chunk(reply))
    calls = tool_calls_of(reply, names)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if (not text and calls) or (outcome.refused and text in ("", outcome.refused)) else text,
        "refusal": outcome.refused,
        "annotations": _annotations(question, outcome),
    }
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": outcome.finish_reason(bool(calls))}
    return StrictJSON(
        {
            "id": new_id("chatcmpl"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body.model,
            "choices": [choice],
            "usage": usage_of(outcome.usage),
            "nacre": extension(question.context.base_url, outcome.own, question.store),
        }
    )


def _annotations(question: Question, outcome: Outcome) -> list[dict[str, Any]]:
    cited = url_citations(question.context.base_url, outcome.own, question.store)
    return [{"type": "url_citation", "url_citation": citation} for citation in cited]


class _Stream:
    """The events of one streamed answer."""

    def __init__(self, question: Question, names: frozenset[str], include_usage: bool) -> None:
        self.question, self.names, self.include_usage = question, names, include_usage
        self.outcome = Outcome()
        self._chunks = question.stream()
        self._first: AIMessageChunk | None = None
        self._frame = {
            "id": new_id("chatcmpl"),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": question.model,
        }
        self._calls: dict[int, int] = {}
        """Place of a tool call in the model's stream -> its place in ours."""
        self._argued: dict[int, bool] = {}

    async def begin(self) -> None:
        """Wait for the first chunk."""
        try:
            self._first = await anext(self._chunks, None)
        except BaseException as error:
            self.question.note(self.outcome, code_of(error))
            raise

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The stream."""
        try:
            with self.question.noted(self.outcome, stream=True):
                yield self._event({"role": "assistant", "content": ""})
                async with aclosing(self._all()) as chunks:
                    async for chunk in chunks:
                        for delta in self._deltas(chunk):
                            yield self._event(delta)
                for last in self._ending():
                    yield last
        except Exception as error:
            yield event(problem_of(error).body)

    async def _all(self) -> AsyncGenerator[AIMessageChunk, None]:
        async with aclosing(self._chunks) as chunks:
            if self._first is not None:
                yield self._first
            async for chunk in chunks:
                yield chunk

    def _deltas(self, chunk: AIMessageChunk) -> list[dict[str, Any]]:
        text, thought = self.outcome.take(chunk)
        deltas: list[dict[str, Any]] = []
        if thought:
            deltas.append({"reasoning_content": thought})
        if refused := self.outcome.refusing:
            deltas.append({"refusal": refused})
        if text and text != self.outcome.refused:
            deltas.append({"content": text})
        if calls := self._tool_calls(chunk):
            deltas.append({"tool_calls": calls})
        return deltas

    def _tool_calls(self, chunk: AIMessageChunk) -> list[dict[str, Any]]:
        """Pieces of calls to the caller's tools. Only a first piece has a name; others belong to it by their index."""
        found = []
        for piece in chunk.tool_call_chunks:
            index = piece["index"] if piece["index"] is not None else -1 - len(self._calls)
            if piece["name"] in self.names:
                self._calls[index] = len(self._calls)
            if index in self._calls:
                self._argued[self._calls[index]] = self._argued.get(self._calls[index], False) or bool(piece["args"])
                named = {"name": piece["name"]} if piece["name"] else {}
                head = {"id": piece["id"], "type": "function"} if piece["id"] else {}
                found.append(
                    {"index": self._calls[index], **head, "function": {**named, "arguments": piece["args"] or ""}}
                )
        return found

    def _ending(self) -> list[bytes]:
        own, url, store = self.outcome.own, self.question.context.base_url, self.question.store
        # A call without arguments ends as an object too: clients send back what they were sent.
        empty = [place for place, argued in self._argued.items() if not argued]
        events = [self._event({"tool_calls": [{"index": place, "function": {"arguments": "{}"}}]}) for place in empty]
        if cited := _annotations(self.question, self.outcome):
            events.append(self._event({"annotations": cited}))
        events.append(self._event({}, self.outcome.finish_reason(bool(self._calls)), nacre=extension(url, own, store)))
        if self.include_usage:
            events.append(event({**self._frame, "choices": [], "usage": usage_of(self.outcome.usage)}))
        return [*events, DONE]

    def _event(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self.include_usage else {}
        return event({**self._frame, "choices": [choice], **usage, **more})


class EmbeddingRequest(BaseModel):
    """The body of `/v1/embeddings`."""

    input: str | list[str] | list[int] | list[list[int]] = Field(min_length=1)
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1)


@router.post("/embeddings")
def embed(context: Reading, body: EmbeddingRequest) -> dict[str, Any]:
    """Turn texts into vectors."""
    texts, encoder = _texts(body), context.state.bases.main.encoder
    if encoder is None:
        raise Problem(400, tr("This knowledge base has no encoder: it searches by words."), "no_embeddings")
    if body.dimensions not in (None, encoder.dim):
        raise Problem(400, tr("This encoder has {dim} dimensions.", dim=encoder.dim), "invalid_value", "dimensions")
    vectors = encoder.documents(texts)
    tokens = sum(encoder.count_tokens(encoder.fitting(text)) for text in texts)
    return {
        "object": "list",
        "model": body.model,
        "data": [
            {"object": "embedding", "index": n, "embedding": _written(v, body.encoding_format)}
            for n, v in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _texts(body: EmbeddingRequest) -> list[str]:
    texts = [body.input] if isinstance(body.input, str) else body.input
    if len(texts) > 2048 or not all(isinstance(text, str) and text for text in texts):
        told = tr("input must be one to 2048 texts, none of them empty; tokens are not taken.")
        raise Problem(400, told, "invalid_value", "input")
    if sum(len(str(text)) for text in texts) > _MOST_CHARACTERS:
        told = tr(
            "input has more than {most_characters:,} characters; send it in several requests.",
            most_characters=_MOST_CHARACTERS,
        )
        raise Problem(400, told, "input_too_large", "input")
    return [clean_text(str(text)) or " " for text in texts]


def _written(vector: Any, form: str) -> str | list[float]:
    plain = np.asarray(vector, dtype="<f4")
    return base64.b64encode(plain.tobytes()).decode() if form == "base64" else [float(x) for x in plain]
