"""Tools and structured output through a layer: what the inner model bound, around the layer."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding, RunnableParallel, RunnableSequence


def rebind(bound: Runnable[Any, Any], old: BaseChatModel, new: BaseChatModel) -> Runnable[Any, Any]:
    """Put another model into what `bind_tools` or `with_structured_output` of a model returned."""
    changed: Runnable[Any, Any] = _rebind(bound, old, new)
    if changed is bound:
        raise NotImplementedError(
            f"{type(old).__name__} binds in a form that {type(new).__name__} cannot decorate: {type(bound).__name__}"
        )
    return changed


def _rebind(node: Any, old: BaseChatModel, new: BaseChatModel) -> Any:
    if node is old:
        return new
    if isinstance(node, RunnableBinding):
        inside = _rebind(node.bound, old, new)
        return node if inside is node.bound else node.model_copy(update={"bound": inside})
    if isinstance(node, RunnableSequence):
        steps = [_rebind(step, old, new) for step in node.steps]
        same = all(a is b for a, b in zip(steps, node.steps, strict=True))
        return node if same else RunnableSequence(*steps, name=node.name)
    if isinstance(node, RunnableParallel):
        branches = {name: _rebind(step, old, new) for name, step in node.steps__.items()}
        same = all(branches[name] is step for name, step in node.steps__.items())
        return node if same else RunnableParallel(branches)
    return node
