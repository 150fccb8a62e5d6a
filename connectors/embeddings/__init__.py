"""Sentence encoders by name: `load_embedder()`, `load_embedder("BAAI/bge-small-zh-v1.5")`, `load_embedder("openai:text-embedding-3-small")`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nacre.connectors.embeddings.locate import DEFAULT_NAME, DEFAULT_SHA256, default_folder, find_folder, is_default
from nacre.errors import ModelError
from nacre.language import tr

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.embeddings import Embeddings

__all__ = ["load_embedder"]


def load_embedder(name: str | Embeddings | None = None, **kwargs: Any) -> Embeddings:
    """Load a sentence encoder.

    Args:
        name: None: all-MiniLM-L6-v2 from its offline package; a folder or a hub repository of a sentence-transformers model;
            an `Embeddings` object, which comes back as it is.
        **kwargs: settings of `OnnxEmbeddings`: `precision`, `query_prefix`, `document_prefix`, `normalise`.

    Returns:
        LangChain `Embeddings`.

    Raises:
        MissingExtraError: a package for this model is not installed.
        ModelUnavailableError: the model is not here and cannot be downloaded.
        ModelError: the weights of the default model are not the published ones.
    """
    if name is not None and not isinstance(name, str):
        return name
    if is_default(name):
        return _local(_checked_default(), DEFAULT_NAME, kwargs)
    return _local(find_folder(str(name)), str(name), kwargs)


def _local(folder: Path, name: str, kwargs: dict[str, Any]) -> Embeddings:
    from nacre.connectors.embeddings.onnx_embeddings import OnnxEmbeddings

    return OnnxEmbeddings(folder, name, **kwargs)


def _checked_default() -> Path:
    from nacre.connectors.embeddings.cache import file_hash

    folder = default_folder()
    found = file_hash(folder / "model.safetensors")
    if found != DEFAULT_SHA256:
        raise ModelError(
            tr(
                f"{folder / 'model.safetensors'} is not the published all-MiniLM-L6-v2 (SHA-256 {found}). Install the package again.",
                f"{folder / 'model.safetensors'} 不是公开发布的 all-MiniLM-L6-v2（SHA-256 {found}）。请重新安装该软件包。",
            ),
            model=DEFAULT_NAME,
        )
    return folder
