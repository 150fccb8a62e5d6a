"""Settings that a knowledge base was tuned to, in a file of its folder: how it is asked, not how it was built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = "settings.json"
_KINDS: Mapping[str, type] = {"k": int, "expand": int, "distinct": bool}


def load_settings(folder: Path) -> dict[str, Any]:
    """The tuned settings of a knowledge base, as options of its `retriever`.

    Args:
        folder: the knowledge base.

    Returns:
        Some of k, expand and distinct; empty when it was never tuned. What is none of these, or of another kind, is left out.
    """
    try:
        data = json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in data.items() if type(value) is _KINDS.get(name)} if isinstance(data, dict) else {}


def save_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Keep tuned settings.

    Args:
        folder: the knowledge base.
        settings: options of its `retriever`.
    """
    part = folder / (NAME + ".new")
    part.write_text(json.dumps(dict(settings), indent=2) + "\n", "utf-8")
    part.replace(folder / NAME)
