"""What a tool costs and whether it may change something: two facts that every tool can state in its metadata."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
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
    limits_itself: bool = False


def facts_of(tool: BaseTool) -> Facts:
    """What a tool states about itself."""
    stated: dict[str, Any] = tool.metadata or {}
    return Facts(**{field.name: stated[field.name] for field in fields(Facts) if field.name in stated})


def state(tool: AnyTool, **facts: Any) -> AnyTool:
    """Write a tool's `Facts` into its metadata: `state(send_mail, changes=True)`."""
    tool.metadata = {**(tool.metadata or {}), **asdict(Facts(**facts))}
    return tool
