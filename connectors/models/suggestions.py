"""What a model's name that nobody knows was meant to be: a misspelt provider, or a model without its provider."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from nacre.connectors.models.langchain_models import PACKAGES
from nacre.connectors.models.providers import PROVIDERS

_TAG = re.compile(r"[\w.-]+:(\d+(\.\d+)?[bm]\b.*|latest)", re.IGNORECASE)  # llama3.1:8b, as Ollama names them


def meant(spec: str) -> str:
    """The name that `load_model` would have known, "dashscope:qwen-plus" for "qwen-plus"; "" where none is near."""
    return next(_guesses(spec), "")


def _guesses(spec: str) -> Iterator[str]:
    kind, colon, rest = spec.partition(":")
    if kind.lower().endswith("@http") or kind.lower().endswith("@https"):
        yield f"openai_compatible:{spec}"
    elif _TAG.fullmatch(spec):
        yield f"ollama:{spec}"
    names = [name for p in PROVIDERS.values() for name in (p.name, *p.aliases)] + ["transformers", "quote", *PACKAGES]
    near = difflib.get_close_matches(kind.lower(), names, n=1)
    if colon:
        yield from (f"{name}:{rest}" for name in near)
    if "/" in spec or spec.lower().endswith(".gguf"):
        yield f"transformers:{spec}"
    yield from (
        f"{p.name}:{spec}" for p in PROVIDERS.values() if p.families and re.match(p.families, spec, re.IGNORECASE)
    )
    yield from near
    known = {p.default_model.lower(): p.name for p in PROVIDERS.values() if p.default_model}
    yield from (f"{known[model]}:{model}" for model in difflib.get_close_matches(spec.lower(), known, n=1))
