"""Modules that stand elsewhere since 0.2: the old name still imports the new module, and warns, until 0.3."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_MOVED = {
    **{f"nacre.{name}": f"nacre.text.{name}" for name in ("hygiene", "language", "markers", "messages", "words")},
    **{f"nacre.{name}": f"nacre.decorator.{name}" for name in ("binding", "drivers", "events", "flow", "identity")},
    **{f"nacre.retrieval.{name}": f"nacre.ingest.{name}" for name in ("ledger", "report", "source", "sync")},
    **{f"nacre.retrieval.{name}": f"nacre.store.{name}" for name in ("encoder", "filters", "records", "settings")},
    "nacre.agents.calls": "nacre.agents.tool_calls",
    "nacre.agents.protocol": "nacre.agents.output_parser",
    "nacre.agents.react": "nacre.layers.react",
    "nacre.cache": "nacre.layers.cache",
    "nacre.citations": "nacre.grounding.citations",
    "nacre.expect": "nacre.validation",
    "nacre.optional": "nacre.extras",
    "nacre.reasoning.pal": "nacre.layers.pal",
    "nacre.retrieval.chunking": "nacre.documents.chunking",
    "nacre.retrieval.parsing": "nacre.documents",
    "nacre.retrieval.rag": "nacre.layers.rag",
    "nacre.retrieval.searching": "nacre.retrieval.search",
    "nacre.retrieval.views": "nacre.retrieval.integrations",
    "nacre.sqlite": "nacre.system.sqlite",
}


class _Moved:
    """Finds and loads a module under its old name: the very module of the new one, not a second copy."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith("nacre.") or not _new(name):
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(name, self)  # type: ignore[arg-type] # the loader's two methods are what is asked of it

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual empty module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        import warnings
        from importlib import import_module

        old = module.__name__
        new = _new(old)
        warnings.warn(f"{old} is {new} since 0.2; the old name goes with 0.3.", DeprecationWarning, stacklevel=2)
        sys.modules[old] = import_module(new)


def _new(name: str) -> str:
    """The name of today; "" for what has not moved."""
    if name in _MOVED:
        return _MOVED[name]
    package, _, module = name.rpartition(".")
    return f"{_MOVED[package]}.{module}" if package in _MOVED else ""


def install() -> None:
    """Let old names be found."""
    sys.meta_path.insert(0, _Moved())
