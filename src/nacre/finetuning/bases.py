"""The base model of a training: its folder (a GGUF file is unpacked first), its hash, and the quiet in which it is trained."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.connectors.embeddings.cache import file_hash, kept
from nacre.connectors.models.local_weights import load_weights
from nacre.connectors.models.weights_hash import weights_hash
from nacre.extras import need

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
        return Base(f"transformers:{name}", str(kept(f"unpacked/{digest[:32]}", lambda draft: _unpack(path, draft))), digest)
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


@contextmanager
def alone() -> Iterator[None]:
    """Nothing is asked of the network and nothing is told to it while this is open, and libraries keep their notes and
    bars to themselves.
    """
    constants = need("huggingface_hub", extra="finetune").constants
    logging = need("transformers", extra="finetune").utils.logging
    names = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    before = {name: (os.environ.get(name), getattr(constants, name)) for name in names}
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    for name in names:
        os.environ[name] = "1"
        setattr(constants, name, True)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        for name, (variable, constant) in before.items():
            setattr(constants, name, constant)
            os.environ.pop(name, None)
            os.environ.update({} if variable is None else {name: variable})
