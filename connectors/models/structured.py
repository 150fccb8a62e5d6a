"""Answers in a schema: read leniently out of what a model wrote, asked for once more, else an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_function
from langchain_core.utils.pydantic import is_basemodel_subclass

from nacre.connectors.models.model_errors import BadReplyError
from nacre.text.dialects import arguments_of
from nacre.text.language import tr
from nacre.text.lenient_json import last_object, read_json
from nacre.text.messages import text_of

_SHOWN = 500


def structured(llm: Runnable[Any, Any], schema: Any, name: str, *, include_raw: bool = False) -> Runnable[Any, Any]:
    """A runnable that asks a model, bound to whatever makes it answer in a schema, reads its answer leniently and asks
    once more where it cannot. The schema is a pydantic class, a typed dict, a JSON schema, or None for any object;
    `include_raw` gives {"raw", "parsed", "parsing_error"} and raises nothing.
    """

    def result(message: AIMessage, value: Any, error: Exception | None) -> Any:
        if include_raw:
            return {"raw": message, "parsed": value, "parsing_error": error}
        if error is not None:
            raise error
        return value

    def invoke(asked: Any, config: RunnableConfig) -> Any:
        message = llm.invoke(asked, config)
        value, error = read(message, schema, name)
        if error is not None and not _refusal(message):
            message = llm.invoke(_again(asked, message, schema, error), config)
            value, error = read(message, schema, name)
        return result(message, value, error)

    async def ainvoke(asked: Any, config: RunnableConfig) -> Any:
        message = await llm.ainvoke(asked, config)
        value, error = read(message, schema, name)
        if error is not None and not _refusal(message):
            message = await llm.ainvoke(_again(asked, message, schema, error), config)
            value, error = read(message, schema, name)
        return result(message, value, error)

    return RunnableLambda(invoke, ainvoke, name="structured_output")


def as_data(schema: Any) -> Any:
    """A schema as data: the client of OpenAI would read the answer into a class by itself, strictly."""
    if not (isinstance(schema, type) and is_basemodel_subclass(schema)):
        return schema
    function = convert_to_openai_function(schema, strict=True)
    return {"title": function["name"], "description": function.get("description", ""), **function["parameters"]}


def instruction(schema: Any) -> str:
    """What asks a model for a schema in words."""
    told = json.dumps(convert_to_json_schema(schema) if schema is not None else {"type": "object"}, ensure_ascii=False)
    return tr("Answer with one JSON object of this schema and nothing else: {schema}", schema=told)


def read(message: AIMessage, schema: Any, name: str) -> tuple[Any, BadReplyError | None]:
    """What a message says in a schema, or the error that tells what it said instead."""
    why = ""
    for data in _candidates(message):
        try:
            return _fitted(data, schema), None
        except (ValueError, TypeError) as error:
            why = why or str(error)
    said = _refusal(message) or text_of(message).strip() or str([c["args"] for c in message.invalid_tool_calls] or "")
    return None, BadReplyError(
        tr(
            "{name} gave no answer in the schema {schema}; it said: {said}",
            name=name,
            schema=_title(schema),
            said=repr(said[:_SHOWN]),
        )
        + (f" ({' '.join(why.split())[:_SHOWN]})" if why else ""),
        model=name,
    )


def _again(asked: Any, message: AIMessage, schema: Any, error: Exception) -> list[BaseMessage]:
    messages = BaseChatModel._convert_input(BaseChatModel, asked).to_messages()  # type: ignore[arg-type]
    told = tr("That could not be read: {error}", error=error)
    return [*messages, AIMessage(text_of(message) or "…"), HumanMessage(f"{told}\n{instruction(schema)}")]


def _refusal(message: AIMessage) -> str:
    return str(message.additional_kwargs.get("refusal") or "")


def _candidates(message: AIMessage) -> Iterator[Any]:
    """Whatever in a message may be the object: arguments of calls, and JSON in its text, the surest first."""
    yield from (call["args"] for call in message.tool_calls)
    texts = [str(call.get("args") or "") for call in message.invalid_tool_calls] + [text_of(message)]
    for text in texts:
        with suppress(ValueError, RecursionError):
            yield json.loads(text)
        begins = [at for mark in "{[" if (at := text.find(mark)) >= 0]
        for begin in sorted(begins):
            with suppress(ValueError, RecursionError):
                yield read_json(text, begin)[0]
        if found := last_object(text):
            yield found


def _fitted(data: Any, schema: Any) -> Any:
    """Data in the schema; also where the model has put it into a list, or under one name."""
    if not (isinstance(schema, type) and is_basemodel_subclass(schema)):
        if not isinstance(data, dict):
            raise ValueError(tr("it is no JSON object"))
        return data
    error: Exception | None = None
    old: Any = schema  # of pydantic 1, perhaps
    for inner in _unwrapped(data):
        try:
            return old.model_validate(inner) if hasattr(old, "model_validate") else old.parse_obj(inner)
        except (ValueError, TypeError) as problem:
            error = error or problem
    raise error or ValueError(tr("it is no JSON object"))


def _unwrapped(data: Any) -> Iterator[Any]:
    data = arguments_of(data) if isinstance(data, str) else data
    yield data
    if isinstance(data, list) and len(data) == 1:
        yield data[0]
    elif isinstance(data, dict) and len(data) == 1 and isinstance(inner := next(iter(data.values())), dict):
        yield inner
    elif isinstance(data, dict) and isinstance(data.get("properties"), dict):
        yield data["properties"]  # the schema itself, filled in


def _title(schema: Any) -> str:
    if isinstance(schema, dict):
        return str(schema.get("title") or schema.get("name") or "JSON")
    return getattr(schema, "__name__", "JSON")
