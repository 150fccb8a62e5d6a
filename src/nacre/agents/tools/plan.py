"""A plan that the agent writes and rewrites: the whole of it each time, so that it is always in sight."""

from __future__ import annotations

from langchain_core.tools import BaseTool, StructuredTool

from nacre.agents.facts import state
from nacre.errors import ToolError
from nacre.text.language import tr

MOST, LONGEST = 20, 200


def plan_tool() -> BaseTool:
    """Make a tool that keeps a plan in the agent's sight; each writing of it is a step that is shown."""

    def plan(todo: list[str], done: list[str] | None = None) -> str:
        """Write down the plan for a task of several steps, and again whenever a step is done or the plan changes.

        Args:
            todo: the steps that are left, in order.
            done: the steps that are done.
        """
        finished = done or []
        if len(todo) + len(finished) > MOST:
            raise ToolError(tr("A plan has {most} steps at most. Join some.", most=MOST))
        marked = [*(("x", step) for step in finished), *((" ", step) for step in todo)]
        return "\n".join(f"[{mark}] {' '.join(step.split())[:LONGEST]}" for mark, step in marked)

    return state(StructuredTool.from_function(plan, parse_docstring=True), repeatable=True)
