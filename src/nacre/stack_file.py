"""A stack as a file has it: read from YAML, and plain enough to be written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nacre.errors import StackError
from nacre.text.language import tr


def read_stack(path: str | Path) -> Mapping[str, Any]:
    """The mapping in a file."""
    import yaml

    try:
        data = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StackError(
            tr("The stack file {path} cannot be read: {error}", path=path, error=error), path=str(path)
        ) from error
    if not isinstance(data, dict):
        raise StackError(
            tr("The stack file {path} holds no mapping with 'model' and 'layers'.", path=path), path=str(path)
        )
    return data


def plain(value: Any) -> Any:
    """A value as YAML or JSON would have it."""
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inside) for key, inside in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inside) for inside in value]
    return str(value) if isinstance(value, Path) else type(value).__name__
