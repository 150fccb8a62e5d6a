"""What a tool costs and whether it may change something: two facts that every tool can state in its metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from langchain_core.tools import BaseTool

Cost = Literal["free", "network", "paid"]
AnyTool = TypeVar("AnyTool", bound=BaseTool)


@dataclass(frozen=True)
class Facts:
    """What an agent must know of a tool beside its arguments."""

    cost: Cost = "free"
    changes: bool = False
    repeatable: bool = False
    looks_up: bool = False


def facts_of(tool: BaseTool) -> Facts:
    """What a tool states about itself."""
    stated: dict[str, Any] = tool.metadata or {}
    return Facts(
        cost=stated.get("cost", "free"),
        changes=bool(stated.get("changes", False)),
        repeatable=bool(stated.get("repeatable", False)),
        looks_up=bool(stated.get("looks_up", False)),
    )


def state(
    tool: AnyTool, *, cost: Cost = "free", changes: bool = False, repeatable: bool = False, looks_up: bool = False
) -> AnyTool:
    """Write a tool's facts into its metadata: `state(send_mail, changes=True)`."""
    tool.metadata = {
        **(tool.metadata or {}),
        "cost": cost,
        "changes": changes,
        "repeatable": repeatable,
        "looks_up": looks_up,
    }
    return tool
