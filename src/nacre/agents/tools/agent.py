"""An agent, or any chat model, as a tool of another agent."""

from __future__ import annotations

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, StructuredTool

from nacre.agents.facts import state
from nacre.text.messages import text_of


def agent_tool(model: BaseChatModel, *, name: str, description: str, changes: bool = False) -> BaseTool:
    """Make a tool that puts a question to a model.

    An agent called so has its own limits and spends from its caller's budget; `tool_timeout_s` does not end it.
    """

    def ask(question: str) -> str:
        return text_of(model.invoke(question))

    async def aask(question: str) -> str:
        return text_of(await model.ainvoke(question))

    tool = StructuredTool.from_function(ask, aask, name=name, description=description)
    return state(tool, changes=changes, limits_itself=True)
