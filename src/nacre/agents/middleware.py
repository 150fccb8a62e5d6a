"""The text protocol inside LangChain's `create_agent`, for models that cannot call tools.

`create_agent` needs a model with native tool calls. `TextProtocol` is such a model around one that has none: tools go
into the prompt, and an action in the reply becomes a tool call. Everything else, the graph, its checkpoints and its
other middleware, stays LangChain's.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from nacre import prompts
from nacre.agents.observation import frame
from nacre.agents.output_parser import parse_react
from nacre.agents.protocols import LABELS, STOPS, example_call, refuses, with_example
from nacre.agents.toolbox import Toolbox
from nacre.decorator.layer import ChatModelDecorator, Flow
from nacre.text.language import Language, language_of
from nacre.text.messages import last_user_text, text_of, with_text
from nacre.text.strict_json import to_json


class TextProtocol(ChatModelDecorator):
    """A model that calls tools, around a model that only writes text.

    Args:
        natively: the model is asked with the tools themselves first; one that refuses them gets them as text.

    Example:
        >>> from nacre import ScriptedChatModel
        >>> model = TextProtocol(inner=ScriptedChatModel(["Thought: look\\nAction: find\\nAction Input: shells"]))
        >>> model.bind_tools([{"name": "find", "description": "Find things.", "parameters": {"type": "object",
        ...     "properties": {"what": {"type": "string"}}}}]).invoke("Are there shells?").tool_calls[0]["args"]
        {'what': 'shells'}
    """

    repairs: int = Field(default=1, ge=0)
    natively: bool = False

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[Any, AIMessage]:
        """Bind tools to this layer; the inner model never sees them but as text, unless `natively`."""
        if self.natively:
            return super().bind_tools(tools, tool_choice=tool_choice, **kwargs)
        choice = {} if tool_choice is None else {"tool_choice": tool_choice}
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **choice, **kwargs)

    def flow(self, messages: list[BaseMessage], **kwargs: Any) -> Flow:
        """Write the tools into the prompt, read the action out of the reply."""
        given = {name: kwargs.pop(name) for name in ("tools", "tool_choice") if name in kwargs}
        if self.natively and given.get("tools"):
            try:
                return (yield from self.ask(messages, live=True, **given, **kwargs))
            except Exception as error:
                if not refuses(error, "tools"):
                    raise
        if not given.get("tools") or given.get("tool_choice") == "none":
            return (yield from self.ask(messages, live=True, **kwargs))
        toolbox = Toolbox(map(_named_only, given["tools"]))
        language = language_of(last_user_text(messages))
        tools, example = toolbox.describe(), example_call(toolbox, language)
        told = prompts.load("react/text", language).render(tools=tools, call=example)
        asked = with_example(as_text(messages, language), told)
        options = {**kwargs, "stop": [*STOPS, *(kwargs.get("stop") or ())]}
        for _ in range(self.repairs + 1):
            reply = yield from self.ask(asked, **options)
            step = parse_react(text_of(reply), toolbox.names)
            if step.action is not None and step.action in toolbox.specs:
                arguments = toolbox.specs[step.action].arguments(step.action_input)
                call = tool_call(name=step.action, args=arguments, id=f"call_{uuid.uuid4().hex[:12]}")
                return with_text(reply, step.thought).model_copy(update={"tool_calls": [call]})
            if step.answer:
                return with_text(reply, step.answer)
            repair = prompts.load("react/repair", language).render(call=example)
            asked = [*asked, AIMessage(text_of(reply) or "…"), *repair]
        return reply


def as_text(messages: Sequence[BaseMessage], language: Language) -> list[BaseMessage]:
    """Calls and results in a conversation, written as text for a model that knows neither."""
    thought, action, given, observation = LABELS[language]
    out: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, AIMessage) and message.tool_calls:
            told = [(call["name"], to_json(call["args"], ensure_ascii=False)) for call in message.tool_calls]
            calls = (f"\n{action}{name}\n{given}{arguments}" for name, arguments in told)
            out.append(AIMessage(f"{thought}{text_of(message)}{''.join(calls)}"))
        elif isinstance(message, ToolMessage):
            out.append(HumanMessage(observation + frame(text_of(message))))
        else:
            out.append(message)
    return out


def _named_only(tool: Any) -> BaseTool:
    """A tool of the caller's, as it is described; it is never run here."""
    function = convert_to_openai_tool(tool)["function"]
    schema = {"type": "object", "properties": {}, **function.get("parameters", {})}
    return StructuredTool(name=function["name"], description=function.get("description", ""), args_schema=schema)
