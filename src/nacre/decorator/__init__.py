"""The one idea of Nacre: a capability is a decorator around a chat model, and is itself a chat model.

layer      ChatModelDecorator, what every layer inherits
flow       what a layer's flow yields, and one run of it
drivers    the four drivers of a flow: blocking or not, whole or in chunks
binding    tools and structured output through a layer
events     LangChain's typed event streams over a layer's own
identity   what tells one layer from another, for caches
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nacre.decorator.flow import Call as Call
    from nacre.decorator.flow import Flow as Flow
    from nacre.decorator.layer import ChatModelDecorator as ChatModelDecorator

_WHERE = {"Call": "nacre.decorator.flow", "Flow": "nacre.decorator.flow", "ChatModelDecorator": "nacre.decorator.layer"}
__all__ = ["Call", "ChatModelDecorator", "Flow"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'nacre.decorator' has no attribute {name!r}")
