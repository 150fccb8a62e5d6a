"""Chat models by name: `load_model("dashscope:qwen-plus")`."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nacre.connectors.models.langchain_models import PACKAGES, known_name, load
from nacre.connectors.models.provider import Provider, named
from nacre.connectors.models.providers import PROVIDERS, find_provider
from nacre.errors import UnknownProviderError, UsageError
from nacre.extras import need
from nacre.text.language import listed, tr
from nacre.validation import complaint, expect

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["default_spec", "load_model"]

_OLLAMA_TAG = re.compile(r"[\w.-]+:(\d+(\.\d+)?[bm]\b.*|latest)", re.IGNORECASE)  # llama3.1:8b


def load_model(spec: str | None = None, **kwargs: Any) -> BaseChatModel:
    """Load a chat model by its name.

    Args:
        spec: `provider:model`, such as "openai:gpt-5-mini", "dashscope:qwen-plus", "ollama:qwen3",
            "openai_compatible:name@http://127.0.0.1:8000/v1", "anthropic:claude-…" (what is not Nacre's own is
            LangChain's, by `init_chat_model`), "transformers:folder-or-hub-id-or-file.gguf", "quote".
            None: `$NACRE_MODEL`, else OpenAI where `OPENAI_API_KEY` or `OPENAI_BASE_URL` is set, else "quote".
        **kwargs: its settings: `temperature`, `max_tokens`, `api_key`, `base_url`, `timeout` (seconds), `adapter`, …

    Returns:
        A chat model of LangChain.

    Raises:
        UnknownProviderError: there is no provider of that name.
        MissingKeyError: the provider needs a key and none is set.
        MissingExtraError: the packages for this kind of model are not installed.
        UsageError: a setting or the model's name is missing or not known.
    """
    expect(spec, "spec", str, type(None))
    spec = (spec or default_spec()).strip()
    kind, _, rest = spec.partition(":")
    if kind.strip().lower() == "quote":
        if rest.strip():
            raise UsageError(tr("quote is one model without variants; write quote, not {spec!r}.", spec=spec))
        return _quote(kwargs)
    if kind.strip().lower() in ("transformers", "hf", "huggingface"):
        name = named(rest, spec, "transformers:path/to/folder")
        need("transformers", extra="local")
        from nacre.connectors.models.transformers_chat import TransformersChatModel

        return TransformersChatModel(model=name, **_settings(TransformersChatModel, kwargs, frozenset()))
    provider = find_provider(kind)
    if provider is None:
        if name := known_name(kind):
            return load(name, named(rest, spec, f"{name}:model-name"), kwargs)
        near = next(_meant(spec), "")
        told = tr(
            "No provider for {spec!r}.{hint} Write provider:model with one of: {names}.",
            spec=spec,
            hint=tr(" Did you mean {near}?", near=near) if near else "",
            names=listed([*PROVIDERS, "transformers", "quote", "anthropic, google_genai, … (LangChain)"]),
        )
        raise UnknownProviderError(told, model=spec)
    return _load_api_model(provider, rest, spec, kwargs)


def default_spec() -> str:
    """The model when none is named.

    Returns:
        `$NACRE_MODEL`, else OpenAI's where it is configured, else "quote".
    """
    if spec := os.environ.get("NACRE_MODEL", "").strip():
        return spec
    if any(os.environ.get(name, "").strip() for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")):
        return f"openai:{os.environ.get('OPENAI_MODEL', '').strip() or PROVIDERS['openai'].default_model}"
    return "quote"


def _quote(kwargs: dict[str, Any]) -> BaseChatModel:
    from pydantic import ValidationError

    from nacre.connectors.models.quote import QuoteChatModel

    try:
        return QuoteChatModel(**kwargs)
    except ValidationError as error:
        raise UsageError(complaint("quote", error, ["sentences"])) from error


def _load_api_model(provider: Provider, rest: str, spec: str, kwargs: dict[str, Any]) -> BaseChatModel:
    model, base_url, api_key = provider.place(rest, kwargs, "langchain_openai", spec, provider.default_model)
    from nacre.connectors.models.openai_compatible import OpenAICompatibleChatModel
    from nacre.connectors.models.payload import SERVER_PARAMETERS

    if provider.name != "openai":
        kwargs.setdefault("use_responses_api", False)  # OpenAI's alone
    settings = _settings(OpenAICompatibleChatModel, kwargs, SERVER_PARAMETERS)
    if "://" not in base_url:  # what people write into OLLAMA_HOST: "0.0.0.0:11434"
        host = base_url.rstrip("/").replace("0.0.0.0", "127.0.0.1")
        base_url = f"http://{host if ':' in host else host + ':11434'}/v1"
    return OpenAICompatibleChatModel(
        provider=provider.name, model=model, base_url=base_url, api_key=api_key, **settings
    )


def _settings(kind: type[BaseChatModel], kwargs: dict[str, Any], of_servers: frozenset[str]) -> dict[str, Any]:
    """Settings that the class knows stay; those of servers go into the body; anything else is a mistake."""
    known = set(kind.model_fields) | {field.alias for field in kind.model_fields.values() if field.alias}
    body = {key: value for key, value in kwargs.items() if key in of_servers - known}
    settings = {key: value for key, value in kwargs.items() if key not in body}
    if strangers := sorted(set(settings) - known):
        near = difflib.get_close_matches(strangers[0], sorted(known | of_servers), n=3)
        told = tr(
            "Unknown setting of the model: {strangers}. Close to it: {near}. Others go in extra_body={{…}}.",
            strangers=listed(strangers),
            near=", ".join(near) or "nothing",
            near2=", ".join(near) or "无",
        )
        raise UsageError(told)
    if body:
        settings["extra_body"] = {**body, **(settings.get("extra_body") or {})}
    return settings


def _meant(spec: str) -> Iterator[str]:
    """Names that `load_model` knows for one that it does not: of a misspelt provider, of a model without one."""
    kind, colon, rest = spec.partition(":")
    if kind.lower().endswith("@http") or kind.lower().endswith("@https"):
        yield f"openai_compatible:{spec}"
    elif _OLLAMA_TAG.fullmatch(spec):
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
