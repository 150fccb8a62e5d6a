"""From what a model wrote as an action's input to the arguments that a tool's schema asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from langchain_core.tools import BaseTool
from pydantic import ValidationError

from nacre.agents.tool_calls import read_input
from nacre.agents.trajectory import ActionInput
from nacre.text.language import tr

_WRAPPINGS = "args arguments parameters params input kwargs action_input tool_input properties"


@dataclass(frozen=True)
class Spec:
    """A tool and its arguments, looked up once."""

    tool: BaseTool
    properties: dict[str, Any]
    required: tuple[str, ...]
    by_call: bool = False  # it must be given a whole tool call: it returns an artifact, or is given the call's id

    @classmethod
    def of(cls, tool: BaseTool) -> Spec:
        """Read a tool's schema."""
        properties = dict(tool.args)
        schema: dict[str, Any] = tool.args_schema if isinstance(tool.args_schema, dict) else tool.get_input_jsonschema()
        injected = set(getattr(tool.get_input_schema(), "model_fields", {})) - set(properties)
        told = bool(injected) and not isinstance(tool.args_schema, dict)
        by_call = told or tool.response_format == "content_and_artifact"
        return cls(tool, properties, tuple(name for name in schema.get("required", ()) if name in properties), by_call)

    @property
    def signature(self) -> str:
        """The arguments in one line: "city: string, unit: c/f (optional)"."""
        parts = []
        for name, schema in self.properties.items():
            choices = "/".join(str(choice) for choice in schema.get("enum", ()))
            optional = "" if name in self.required else tr(" (optional)")
            parts.append(f"{name}: {choices or _kind(schema)}{optional}")
        return ", ".join(parts)

    def example(self) -> dict[str, Any]:
        """Arguments that show the form of a call: the required ones, or the first."""
        names = self.required or tuple(self.properties)[:1]
        return {name: 1 if _kind(self.properties[name]) in ("integer", "number") else "…" for name in names}

    def arguments(self, given: ActionInput | None) -> dict[str, Any]:
        """Name and type an input as well as the schema allows; the tool's own validation has the last word."""
        names = tuple(self.properties)
        is_object = isinstance(given, str) and given.lstrip()[:1] == "{"
        if isinstance(given, str) and is_object and names and _kind(self.properties[names[0]]) != "object":
            given = read_input(given, names)
        given = self._unwrapped(given)
        if isinstance(given, dict):
            named = self._renamed(given)
        elif not names or given is None:
            named = {}
        elif isinstance(given, list) and not (len(names) == 1 and _kind(self.properties[names[0]]) == "array"):
            named = dict(zip(names, given, strict=False))
        elif given == "" and not self.required:
            named = {}
        else:
            named = {(self.required or names)[0]: given}
        return {
            name: _typed(value, self.properties.get(name, {}))
            for name, value in named.items()
            if value is not None or name in self.required or _takes_null(self.properties.get(name, {}))
        }

    def _unwrapped(self, given: ActionInput | None) -> ActionInput | None:
        """Arguments without the wrapping that some models put around them: {"args": {…}}, {"input": "{…}"}."""
        if not isinstance(given, dict) or len(given) != 1:
            return given
        key, inner = next(iter(given.items()))
        if key in self.properties or key not in _WRAPPINGS.split():
            return given
        if isinstance(inner, str) and inner.lstrip()[:1] == "{":
            inner = read_input(inner, tuple(self.properties))
        return inner if isinstance(inner, dict) else given

    def complaint(self, error: ValidationError) -> str:
        """Why arguments were refused, for the model to mend."""
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or '-'}: {problem['msg']}"
            for problem in error.errors()[:5]
        )
        return tr(
            "Wrong arguments for {name} ({wrong}). It takes: {signature}.",
            name=self.tool.name,
            wrong=wrong,
            signature=self.signature,
        )

    def _renamed(self, given: dict[str, Any]) -> dict[str, Any]:
        """A single unknown key for the single missing argument is that argument: {"q": …} for search(query)."""
        unknown = [name for name in given if name not in self.properties]
        missing = [name for name in (self.required or tuple(self.properties)[:1]) if name not in given]
        if len(unknown) == 1 and len(missing) == 1:
            return {missing[0] if name == unknown[0] else name: value for name, value in given.items()}
        return given


def _takes_null(schema: dict[str, Any]) -> bool:
    kinds = [schema, *schema.get("anyOf", ())]
    return any(kind.get("type") == "null" or "null" in (kind.get("type") or ()) for kind in kinds) or not schema


def _kind(schema: dict[str, Any]) -> str:
    if "type" in schema:
        kind = schema["type"]
        return "/".join(kind) if isinstance(kind, list) else str(kind)
    kinds = [_kind(option) for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return kinds[0] if kinds else "any"


def _typed(value: Any, schema: dict[str, Any]) -> Any:
    kind = _kind(schema)
    if isinstance(value, str) and kind in ("integer", "number", "boolean", "array", "object"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return [value] if kind == "array" else value
    if kind == "string" and isinstance(value, (int, float, dict, list)) and not isinstance(value, bool):
        return json.dumps(value, ensure_ascii=False)
    if kind == "array" and not isinstance(value, list) and value is not None:
        return [value]
    return value
