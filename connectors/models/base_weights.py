"""The weights that an adapter stands on: their folder (a GGUF file is unpacked first), and a hash that names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.connectors.embeddings.cache import file_hash, kept
from nacre.connectors.models.adapters import weights_hash
from nacre.connectors.models.local_weights import load_weights
from nacre.errors import ModelError
from nacre.text.language import tr

_KINDS = ("transformers", "hf", "huggingface")


@dataclass(frozen=True)
class Base:
    """A base model on this machine.

    Args:
        spec: as `load_model` takes it.
        place: the folder that trainers read: safetensors.
        hash: SHA-256 over its weights.
    """

    spec: str
    place: str
    hash: str


def local_base(spec: str) -> Base:
    """The base model of a name; a GGUF file is unpacked into the cache, once."""
    kind, _, rest = spec.strip().partition(":")
    name = rest.strip() if kind.lower() in _KINDS else spec.strip()
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" and path.is_file():
        digest = file_hash(path)
        place = kept(f"unpacked/{digest[:32]}", lambda draft: _unpack(path, draft))
        return Base(f"transformers:{path.absolute()}", str(place), digest)
    if path.is_dir():
        name = str(path.absolute())  # a card is read from anywhere
    return Base(f"transformers:{name}", name, base_hash(name))


def _unpack(gguf: Path, folder: Path) -> None:
    """Float32 weights of a GGUF file as a folder: transformers neither trains nor saves what it read from one."""
    weights = load_weights(str(gguf), adapter=None, device="cpu", dtype="float32", revision=None)
    model: Any = weights.model
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    weights.tokenizer.save_pretrained(folder)


def base_hash(name: str) -> str:
    """The hash of a base model's weights, which must be here."""
    found = weights_hash(name)
    if found is None:
        told = tr(
            "The base model {name} is not here, or not in safetensors. Name its folder or .gguf file, or fetch it "
            "first.",
            name=name,
        )
        raise ModelError(told, model=name)
    return found
