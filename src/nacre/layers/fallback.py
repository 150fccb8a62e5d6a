"""A layer that asks another model when one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from pydantic import Field

from nacre.decorator.layer import Call, ChatModelDecorator, Flow


def always(error: Exception) -> bool:
    """Says yes to every error."""
    return True


class Fallback(ChatModelDecorator):
    """Asks another model when one fails.

    Tools are bound to each model in its own form. Structured output is made by tool calls, which all of them share.

    Args:
        inner: the model that is asked first.
        others: the models that are asked after it, in order.
        on: says for which errors the next model is asked; by default for every one.

    Raises:
        Exception: the error of the last model, with a note on each that failed before it.
    """

    others: list[BaseChatModel] = Field(min_length=1)
    on: Callable[[Exception], bool] = always

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Ask one after the other."""
        bound = kwargs.pop(_BOUND, None)
        notes: list[str] = []
        models = self.inner_models
        for n, model in enumerate(models, 1):
            try:
                target: Runnable[Any, Any] = model if bound is None else model.bind_tools(bound[0], **bound[1])
                reply: AIMessage = yield Call(target, list(messages), kwargs, live=True)
                return reply
            except Exception as error:
                if n == len(models) or not self.on(error):
                    for note in notes:
                        error.add_note(note)
                    raise
                notes.append(f"{type(model).__name__} failed before: {type(error).__name__}: {error}")
        raise AssertionError("there is at least one model")

    @property
    def inner_models(self) -> list[BaseChatModel]:
        """Each may be the one that is asked."""
        return [self.inner, *self.others]

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give tools to every model, each in its own form."""
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        for model in self.inner_models:  # one that takes none says so now
            model.bind_tools(list(tools), **kwargs)
        return self.bind(**{_BOUND: (list(tools), kwargs)})

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Answers as objects, by tool calls; `method` and `strict` are accepted and not used."""
        return BaseChatModel.with_structured_output(self, schema, include_raw=include_raw, **kwargs)


_BOUND = "nacre_tools"
"""The call option under which the tools of a `Fallback` travel to it."""
