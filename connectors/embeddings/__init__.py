"""Sentence encoders by name: `load_embedder()`, `load_embedder("openai:text-embedding-3-small")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from nacre.connectors.embeddings.locate import E5, embedded, find_folder
from nacre.errors import MissingExtraError, UsageError
from nacre.text.language import tr

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.embeddings import Embeddings

    from nacre.connectors.embeddings.checkpoint import Checkpoint
    from nacre.connectors.embeddings.local_encoder import LocalEncoder
    from nacre.connectors.models.provider import Provider

__all__ = ["load_embedder", "load_encoder", "variables"]

Local = TypeVar("Local", bound="LocalEncoder")
_SENTENCE_TRANSFORMERS = "sentence-transformers:"


def load_embedder(name: str | Embeddings | None = None, **kwargs: Any) -> Embeddings:
    """Load a sentence encoder.

    Args:
        name: None: multilingual-e5-small from its offline package; "minilm": all-MiniLM-L6-v2 from its own. A folder
            or a hub repository: a sentence-transformers model, run without torch where it is a BERT or XLM-R;
            "sentence-transformers:…" in front runs it with torch. "openai:…", "dashscope:…", "zhipu:…", "ollama:…",
            "openai_compatible:model@http://host/v1": a service. An `Embeddings` object comes back as it is.
        **kwargs: settings: `query_prefix`, `document_prefix`; for local models `precision` ("auto", "fp32", "int8")
            and `normalise`; for services `api_key`, `base_url`, `dimensions`, `batch_size`, `max_tokens`,
            `concurrency`, `max_retries`, `timeout` (seconds).

    Returns:
        LangChain `Embeddings`. Ours also tell `identity`, `max_tokens`, and local ones `count_tokens`, `token_offsets`
        and `coverage`.

    Raises:
        UsageError: the name is "none", or lacks the model or the URL.
        MissingExtraError: a package for this model is not installed.
        MissingKeyError: the service needs a key and none is set.
        ModelUnavailableError: the model is not here and cannot be downloaded.
        ModelError: the weights of the default model are not the published ones.
    """
    if name is not None and not isinstance(name, str):
        return name
    from nacre.connectors.embeddings.onnx_embeddings import OnnxEmbeddings

    return _load(name, OnnxEmbeddings, kwargs)


def load_encoder(name: str | None = None, **kwargs: Any) -> Embeddings | LocalEncoder:
    """Load a sentence encoder without loading LangChain for a local one: a seventh of a second less for a command line.

    Args:
        name: as in `load_embedder`.
        **kwargs: as in `load_embedder`.

    Returns:
        An object with the methods of `Embeddings`; of a local model it is no `Embeddings`, only like one.

    Raises:
        NacreError: as `load_embedder`.
    """
    from nacre.connectors.embeddings.local_encoder import LocalEncoder

    return _load(name, LocalEncoder, kwargs)


def variables(name: str) -> tuple[str, ...]:
    """The environment variables that an encoder of this name reads its key and its address from.

    Args:
        name: as in `load_embedder`.

    Returns:
        Their names; none for a local model.
    """
    service = _service(name)
    return (*service[0].keys, *service[0].urls) if service else ()


def _load(name: str | None, local: type[Local], kwargs: dict[str, Any]) -> Embeddings | Local:
    name = None if name is None else name.strip()
    if known := embedded(name):
        path = known.checked_path()
        if known is E5:
            from nacre.connectors.embeddings.e5 import open_e5

            return _local(open_e5(path), known.name, local, kwargs)
        return _local(path.parent, known.name, local, kwargs)
    assert name is not None
    if name.startswith(_SENTENCE_TRANSFORMERS):
        return _with_torch(name.removeprefix(_SENTENCE_TRANSFORMERS), name, kwargs)
    if service := _service(name):
        return _hosted(*service, name, kwargs)
    if name in ("", "none"):
        told = tr('"none" names no encoder: a knowledge base opened with embedder="none" searches by words alone.')
        raise UsageError(told)
    return _local(*find_folder(name), local, kwargs)


def _local(model: Path | Checkpoint, name: str, local: type[Local], kwargs: dict[str, Any]) -> Embeddings | Local:
    from nacre.connectors.embeddings.checkpoint import UnsupportedCheckpointError

    try:
        return local(model, name, **kwargs)
    except UnsupportedCheckpointError as unknown:
        reason = str(unknown)
    try:
        return _with_torch(str(model), name, kwargs)
    except MissingExtraError as error:
        told = tr(
            "{name} runs by sentence-transformers only ({reason}): {error}", name=name, reason=reason, error=error
        )
        raise MissingExtraError(told, package=error.package, install=error.install) from error


def _with_torch(model: str, name: str, kwargs: dict[str, Any]) -> Embeddings:
    from nacre.connectors.embeddings.sentence_transformers import SentenceTransformersEmbeddings

    settings = {key: value for key, value in kwargs.items() if key not in ("precision", "normalise")}
    return SentenceTransformersEmbeddings(model, name, **settings)


def _service(name: str) -> tuple[Provider, str] | None:
    from nacre.connectors.models.providers import find_provider

    kind, colon, rest = name.partition(":")
    provider = find_provider(kind) if colon else None
    return (provider, rest) if provider else None


def _hosted(provider: Provider, rest: str, spec: str, kwargs: dict[str, Any]) -> Embeddings:
    settings = dict(kwargs)
    model, base_url, api_key = provider.place(rest, settings, "openai", spec)
    from nacre.connectors.embeddings.openai_compatible import OpenAICompatibleEmbeddings

    return OpenAICompatibleEmbeddings(provider, model, base_url, api_key, **settings)
