"""`/v1/responses`: OpenAI's newer form of the same answers, with text, function calls and citations."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from langchain_core.messages import AIMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nacre.server.openai import stored_responses as stored
from nacre.server.openai.answering import Outcome, Question
from nacre.server.openai.errors import Problem, problem_of
from nacre.server.openai.messages import ChatRequest, tool_calls_of, tool_names, usage_of
from nacre.server.openai.output import HEADERS, StrictJSON, event, extension, url_citations, while_connected
from nacre.server.records import new_id
from nacre.server.state import Reading, RequestContext
from nacre.text.language import tr
from nacre.text.messages import as_chunk, merge_chunks

router = APIRouter(prefix="/v1")


class ResponsesRequest(BaseModel):
    """The body of `/v1/responses`."""

    model_config = ConfigDict(extra="allow")

    model: str
    input: str | list[dict[str, Any]] = Field(min_length=1)
    instructions: str | None = None
    stream: bool | None = None
    tools: list[dict[str, Any]] = Field(default_factory=list, max_length=128)
    tool_choice: str | dict[str, Any] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_output_tokens: int | None = Field(default=None, ge=1)
    previous_response_id: str | None = None
    store: bool | None = None
    conversation: str | dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


@router.post("/responses", response_model=None)
async def respond(request: Request, context: Reading, body: ResponsesRequest) -> Response:
    """Answer, whole or as a stream of events."""
    items, earlier = stored.items_of(body.input), await _earlier(context, body)
    if decision := stored.decision_of(items):
        asked = await context.state.blocking(stored.asked_by, context, body.model, decision[0])
        question = await _question(context, body, stored.items_of(asked))
        question.options["resume"] = decision
    else:
        question = await _question(context, body, [*earlier, *items])
    answer = _Answer(question, body, items)
    timeout = question.state.settings.server.timeout_s
    if body.stream:
        return StreamingResponse(answer.events(), media_type="text/event-stream", headers=HEADERS)
    reply = await while_connected(request, question.answer(), timeout)
    answer.outcome.take(as_chunk(reply))
    return StrictJSON(await answer.completed(answer.items(reply)))


async def _earlier(context: RequestContext, body: ResponsesRequest) -> list[stored.Item]:
    """The conversation that the request goes on from."""
    if body.conversation is not None:
        told = tr("There are no conversation objects here: use previous_response_id.")
        raise Problem(400, told, "unsupported_parameter", "conversation")
    if body.previous_response_id is None:
        return []
    return await context.state.blocking(stored.conversation, context, body.previous_response_id)


async def _question(context: RequestContext, body: ResponsesRequest, items: Sequence[stored.Item]) -> Question:
    shown = ("name", "description", "parameters", "strict")
    functions = [
        {"type": "function", "function": {key: tool[key] for key in shown if key in tool}}
        for tool in body.tools
        if tool.get("type") == "function"
    ]
    said = body.model_dump(include={"model", "temperature", "top_p", "tool_choice", "metadata"})
    messages = stored.messages_of_items(items, body.instructions)
    try:
        chat = ChatRequest.model_validate(
            {**said, "messages": messages, "max_tokens": body.max_output_tokens, "tools": functions}
        )
    except ValidationError as error:
        told = tr("The input must hold at least one message, and at most 2000.")
        raise Problem(400, told, "invalid_value", "input") from error
    question = await Question.of(context, chat)
    for tool in body.tools:
        if tool.get("type") == "file_search" and (wanted := tool.get("vector_store_ids")):
            question.store = str((await context.state.blocking(context.vector_store, str(wanted[0])))["id"])
    return question


class _Answer:
    """A response while it is made."""

    def __init__(self, question: Question, body: ResponsesRequest, given: list[stored.Item]) -> None:
        self.question, self.body, self.given = question, body, given
        self.kept = stored.keeps(question.state, body.store, body.previous_response_id)
        self.outcome = Outcome()
        self.names = tool_names(question.tools)
        self.id, self.message = new_id("resp"), new_id("msg")
        self.created = int(time.time())
        self._sequence = -1

    def whole(self, status: str, output: list[dict[str, Any]], error: dict[str, Any] | None = None) -> dict[str, Any]:
        """The response object."""
        usage = usage_of(self.outcome.usage)
        counted = {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        }
        return {
            "id": self.id, "object": "response", "created_at": self.created, "status": status, "error": error,
            "incomplete_details": None, "instructions": self.body.instructions, "metadata": self.body.metadata or {},
            "model": self.body.model, "previous_response_id": self.body.previous_response_id, "store": self.kept,
            "output": output, "parallel_tool_calls": True, "temperature": self.body.temperature,
            "tool_choice": self.body.tool_choice or "auto", "tools": self.body.tools, "top_p": self.body.top_p,
            "usage": counted if status == "completed" else None,
            "nacre": extension(self.question.context.base_url, self.outcome.own, self.question.store),
        }  # fmt: skip

    async def completed(self, output: list[dict[str, Any]]) -> dict[str, Any]:
        """The finished response, kept where that is wanted: before the client knows that it is finished."""
        response = self.whole("completed", output)
        if self.kept:
            await self.question.state.blocking(stored.keep, self.question.context, response, self.given)
        return response

    def items(self, reply: AIMessage) -> list[dict[str, Any]]:
        """The output of a whole answer."""
        head = {"type": "function_call", "status": "completed"}
        calls = [
            {**head, "id": new_id("fc"), "call_id": call["id"], **call["function"]}
            for call in tool_calls_of(reply, self.names)
        ]
        text = "".join(self.outcome.text)
        asks = stored.requests_of(self.outcome.own)
        return [*([self._message("completed", text)] if text or not calls else []), *calls, *asks]

    def _message(self, status: str, text: str | None) -> dict[str, Any]:
        refused = self.outcome.refused
        if text is not None and refused and text in ("", refused):
            content = [{"type": "refusal", "refusal": refused}]
        else:
            content = [] if text is None else [self._part(text)]
        return {"id": self.message, "type": "message", "status": status, "role": "assistant", "content": content}

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": self._annotations() if text else [], "logprobs": []}

    def _annotations(self) -> list[dict[str, Any]]:
        question = self.question
        cited = url_citations(question.context.base_url, self.outcome.own, question.store)
        return [{"type": "url_citation", **citation} for citation in cited]

    async def events(self) -> AsyncIterator[bytes]:
        """The response as a stream; its last event is `response.completed`, or `response.failed`."""
        place = {"item_id": self.message, "output_index": 0, "content_index": 0}
        try:
            with self.question.noted(self.outcome, stream=True):
                yield self._event("response.created", response=self.whole("in_progress", []))
                yield self._event("response.in_progress", response=self.whole("in_progress", []))
                yield self._event("response.output_item.added", output_index=0, item=self._message("in_progress", None))
                yield self._event("response.content_part.added", **place, part=self._part(""))
                chunks = []
                async with aclosing(self.question.stream()) as stream:
                    async for chunk in stream:
                        chunks.append(chunk)
                        text, _ = self.outcome.take(chunk)
                        if text:
                            yield self._event("response.output_text.delta", **place, delta=text, logprobs=[])
                items = self._output(chunks)
                for last in self._ending(items, place):
                    yield last
                yield self._event("response.completed", response=await self.completed(items))
        except Exception as error:
            told = {"code": "server_error", "message": problem_of(error).message}
            yield self._event("response.failed", response=self.whole("failed", [], told))

    def _output(self, chunks: list[Any]) -> list[dict[str, Any]]:
        items = self.items(merge_chunks(chunks)) if chunks else [self._message("completed", "".join(self.outcome.text))]
        if items[0]["type"] != "message":  # its place was announced before it was known that the model would only call
            items.insert(0, self._message("completed", ""))
        return items

    def _ending(self, items: list[dict[str, Any]], place: dict[str, Any]) -> list[bytes]:
        text = "".join(self.outcome.text)
        events = [
            self._event("response.output_text.annotation.added", **place, annotation_index=n, annotation=annotation)
            for n, annotation in enumerate(self._annotations())
        ]
        events.append(self._event("response.output_text.done", **place, text=text, logprobs=[]))
        events.append(self._event("response.content_part.done", **place, part=self._part(text)))
        events.append(self._event("response.output_item.done", output_index=0, item=items[0]))
        for n, item in enumerate(items[1:], 1):
            called = item["type"] == "function_call"
            begun = {**item, "status": "in_progress", "arguments": ""} if called else item
            events.append(self._event("response.output_item.added", output_index=n, item=begun))
            if called:
                at, said = {"item_id": item["id"], "output_index": n}, item["arguments"]
                events.append(self._event("response.function_call_arguments.delta", **at, delta=said))
                done = {**at, "name": item["name"], "arguments": said}
                events.append(self._event("response.function_call_arguments.done", **done))
            events.append(self._event("response.output_item.done", output_index=n, item=item))
        return events

    def _event(self, kind: str, **data: Any) -> bytes:
        self._sequence += 1
        return event({"type": kind, "sequence_number": self._sequence, **data}, kind)
