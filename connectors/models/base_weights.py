"""The weights that an adapter stands on: their folder (a GGUF file is unpacked first), and a hash that names them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.connectors.embeddings.cache import file_hash, kept
from nacre.connectors.models.local_weights import load_weights
from nacre.errors import ModelError
from nacre.extras import need
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
        return Base(f"transformers:{name}", str(place), digest)
    return Base(f"transformers:{name}", str(path) if path.is_dir() else name, weights_hash(name))


def _unpack(gguf: Path, folder: Path) -> None:
    """Float32 weights of a GGUF file as a folder: transformers neither trains nor saves what it read from one."""
    weights = load_weights(str(gguf), adapter=None, device="cpu", dtype="float32", revision=None)
    model: Any = weights.model
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    weights.tokenizer.save_pretrained(folder)


def weights_hash(name: str) -> str:
    """SHA-256 of a model's weights: of the file where there is one, else over those of its files by name."""
    path = Path(name).expanduser()
    if path.is_file():
        return file_hash(path)
    if not path.is_dir():
        hub = need("huggingface_hub", extra="local")
        try:
            found = hub.try_to_load_from_cache(name, "config.json")
        except hub.errors.HFValidationError:  # no folder here, and no name of the hub either
            found = None
        if not isinstance(found, str):
            raise ModelError(
                tr("The base model {name} is not here. Name its folder or .gguf file, or fetch it first.", name=name),
                model=name,
            )
        path = Path(found).parent
    each = {file.name: file_hash(file) for file in sorted(path.glob("*.safetensors")) if "adapter" not in file.name}
    if not each:
        raise ModelError(tr("{path} holds no weights in safetensors; convert them first.", path=path), model=name)
    if len(each) == 1:
        return next(iter(each.values()))
    return hashlib.sha256("".join(f"{digest}  {file}\n" for file, digest in each.items()).encode()).hexdigest()
