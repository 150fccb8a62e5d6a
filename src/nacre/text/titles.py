"""Where a passage stands, for people and for models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def title_path(title: object, heading: Sequence[object]) -> str:
    """ "Handbook › Leave › Parents": a document's title and the headings around a passage, the title not twice."""
    parts = heading if heading and heading[0] == title else [title, *heading]
    return " › ".join(str(part) for part in parts if part)


def title_of(metadata: Mapping[str, Any]) -> str:
    """The same from the metadata of a chunk, whoever made them."""
    return title_path(metadata.get("title", ""), list(metadata.get("heading") or ()))
