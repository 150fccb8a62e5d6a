"""The sandbox as a tool: an agent computes instead of guessing."""

from __future__ import annotations

from langchain_core.tools import BaseTool, StructuredTool

from nacre.reasoning.extraction import fenced_blocks
from nacre.reasoning.interpreter import CodeInterpreter, Execution
from nacre.reasoning.sandbox.interpreter import shared_interpreter
from nacre.reasoning.wording import brief, clipped
from nacre.text.language import tr

_LONGEST = 20_000  # characters of the output, and of the value

_DESCRIPTION = (
    "Run a Python program and get what it prints and its value (the last expression, or what solution() returns). "
    "Each run starts anew: no files, no network, no variables of earlier runs. "
    "math, statistics, datetime, numpy as np and sympy are there."
)


def python_tool(
    interpreter: CodeInterpreter | None = None, *, name: str = "python", timeout_s: float = 5.0
) -> BaseTool:
    """Make a tool that runs programs in the sandbox.

    Args:
        interpreter: runs them; None is the kernel-isolated `PythonInterpreter`.
        timeout_s: seconds that one program may take.

    Example:
        >>> python_tool().invoke({"code": "sum(range(101))"})
        '5050'
    """

    def run(code: str) -> str:
        source = "\n".join(fenced_blocks(code)) or code
        return observation((interpreter or shared_interpreter()).run(source, timeout_s))

    metadata = {"cost": "free", "changes": False}
    return StructuredTool.from_function(run, name=name, description=_DESCRIPTION, metadata=metadata)


def observation(execution: Execution) -> str:
    """What an agent is told of a run: output and value, or what went wrong; of long ones the beginning."""
    parts = [clipped(execution.stdout, _LONGEST).rstrip()]
    if execution.status != "ok":
        parts.append(f"{execution.status}: {clipped(execution.error, _LONGEST)}")
    elif execution.value is not None:
        value = execution.value
        parts.append(brief(value, _LONGEST) if not isinstance(value, str) else clipped(value, _LONGEST))
    return "\n".join(part for part in parts if part) or tr("The program printed nothing and has no value.")
