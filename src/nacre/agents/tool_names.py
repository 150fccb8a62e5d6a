"""The tools' names and argument names, and how a model's spelling of a name finds its tool."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nacre.validation import expect

_NOT_WORD = re.compile(r"[\W_]+")
_PREFIX = re.compile(r"^(?:functions?|tools?|default_api)[.:/]", re.IGNORECASE)


def fold(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return _NOT_WORD.sub("", name.casefold())


@dataclass(frozen=True)
class ToolNames:
    """The names that a parser may find, each with its argument names (empty when unknown)."""

    arguments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folded: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, tools: Iterable[Any] | ToolNames | None) -> ToolNames:
        """Collect names from tools of any kind."""
        if isinstance(tools, ToolNames):
            return tools
        expect(tools, "tools", Iterable, type(None))
        listed = [tools] if isinstance(tools, str) else tools or ()
        arguments = dict(_name_and_arguments(tool) for tool in listed)
        folded: dict[str, str] = {}
        for name in arguments:
            folded.setdefault(fold(name), name)
            for ending in ("tool", "工具"):
                folded.setdefault(fold(name).removesuffix(ending) or fold(name), name)
        return cls(arguments, folded)

    def find(self, spelled: str) -> str | None:
        """The tool that a spelling means."""
        name = _PREFIX.sub("", spelled.strip().strip("`'\"*_<>[]【】（）()“”「」 .。,，:：;；"))
        if name in self.arguments:
            return name
        key = fold(name)
        for ending in ("", "tool", "工具"):
            if key and key.removesuffix(ending) in self.folded:
                return self.folded[key.removesuffix(ending)]
        return None

    def mentioned(self, text: str) -> str | None:
        """The one tool whose name stands in a text."""
        lowered = text.casefold()
        # A name stands by itself: between no ASCII letters, digits or "_".
        whole = {n: rf"(?<![a-z0-9_]){re.escape(n.casefold())}(?![a-z0-9_])" for n in self.arguments}
        hits = [name for name, pattern in whole.items() if re.search(pattern, lowered)]
        folded = {name: name.casefold() for name in hits}
        longest = [name for name in hits if not any(name != o and folded[name] in folded[o] for o in hits)]
        return longest[0] if len(longest) == 1 else None


def _name_and_arguments(tool: Any) -> tuple[str, tuple[str, ...]]:
    if isinstance(tool, str):
        return tool, ()
    if isinstance(tool, Mapping):
        function = tool.get("function", tool)
        schema = function.get("parameters") or function.get("inputSchema") or function.get("input_schema") or {}
        return str(function.get("name", "")), tuple(schema.get("properties", {}))
    name = getattr(tool, "name", None) or getattr(tool, "__name__", str(tool))
    return str(name), tuple(getattr(tool, "args", None) or ())
