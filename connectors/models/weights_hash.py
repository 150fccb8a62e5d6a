"""A name for a model's weights that cannot lie: what an adapter was trained on is checked by it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from nacre.connectors.embeddings.cache import file_hash
from nacre.errors import ModelError
from nacre.extras import need
from nacre.text.language import tr


def weights_hash(name: str) -> str:
    """SHA-256 of a model's weights: of the file where there is one, else over those of its files by name."""
    path = Path(name).expanduser()
    if path.is_file():
        return file_hash(path)
    if not path.is_dir():
        hub = need("huggingface_hub", extra="local")
        found = hub.try_to_load_from_cache(name, "config.json")
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
