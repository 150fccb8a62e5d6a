"""The one idea of Nacre: a capability is a decorator around a chat model, and is itself a chat model.

layer      ChatModelDecorator, what every layer inherits
flow       what a layer's flow yields, and one run of it
drivers    the four drivers of a flow: blocking or not, whole or in chunks
binding    tools and structured output through a layer
events     LangChain's typed event streams over a layer's own
identity   what tells one layer from another, for caches
"""

from nacre.decorator.flow import Call, Flow
from nacre.decorator.layer import ChatModelDecorator

__all__ = ["Call", "ChatModelDecorator", "Flow"]
