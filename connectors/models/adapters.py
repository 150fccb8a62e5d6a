"""Adapters of PEFT on top of a local model: each method served as it was trained, or refused by its name."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nacre.connectors.embeddings.cache import file_hash
from nacre.errors import ModelError, NacreError
from nacre.extras import need
from nacre.text.language import tr

CARD = "nacre.json"
"""What says which base model an adapter was trained on: {"base_model", "base_hash"}."""
_AS_CACHE = ("PREFIX_TUNING", "CARTRIDGE")
_AS_EMBEDDINGS = ("PROMPT_TUNING", "P_TUNING")
# What these do depends on more than the text: a task, another model, scores of a first pass.
_REFUSED = ("MULTITASK_PROMPT_TUNING", "CPT", "POLY", "XLORA", "SHADOW")

Prompt = Callable[[Any], dict[str, Any]]
Adapted = tuple[Any, int, Prompt | None]
"""A model with its adapter, the tokens that stand for it, and what puts them before a prompt."""


def adapt(model: Any, folder: str, name: str) -> Adapted:
    """Put an adapter on a base model: a folder, a GGUF file or an id of the hub."""
    path = Path(folder).expanduser()
    method = _method(path)
    _check_base(path, name)
    peft = need("peft", extra="local")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            adapted = peft.PeftModel.from_pretrained(model, str(path), is_trainable=False).eval()
    except NacreError:
        raise
    except Exception as error:
        raise _other_model(path, name, error) from error
    if lost := [str(warning.message) for warning in said if "missing adapter keys" in str(warning.message)]:
        raise _other_model(path, name, lost[0])
    if method in _AS_CACHE:
        return _with_prefix(adapted, path, name)
    if method in _AS_EMBEDDINGS:
        return _with_embeddings(adapted, path, name)
    return adapted, 0, None


def used_by(path: Path, kind: str) -> str:
    """How to use what has been trained and is no adapter of a chat model; nothing where it is one."""
    option = {"encoder": "--embedder {}", "reward": "--judge {}", "model": "--model transformers:{}"}.get(kind)
    return tr("Use it by {option}", option=option.format(path)) if option else ""


def _method(path: Path) -> str:
    """The method of an adapter, by its own configuration."""
    kind = str(_data(path / CARD).get("kind", "")) if (path / CARD).is_file() else ""
    if how := used_by(path, kind):
        raise ModelError(tr("{adapter} is {kind}, no adapter.", adapter=path, kind=kind) + f" {how}", model=str(path))
    if not (path / "adapter_config.json").is_file() or not (path / "adapter_model.safetensors").is_file():
        told = tr(
            "{adapter} is no adapter: it needs adapter_config.json and adapter_model.safetensors. Save it with "
            "peft's save_pretrained.",
            adapter=path,
        )
        raise ModelError(told, model=str(path))
    method = str(_data(path / "adapter_config.json").get("peft_type") or "").upper()
    known = {kind.value for kind in need("peft", extra="local").PeftType}
    if method in _REFUSED or method not in known:
        told = tr(
            "{adapter} is an adapter of the method {method}, which is not served. Train LoRA, prefix or prompt "
            "tuning, or merge it into its base model.",
            adapter=path,
            method=method or "?",
        )
        raise ModelError(told, model=str(path))
    return method


def _data(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        told = tr("{file} cannot be read: {error}. Save the adapter anew.", file=file, error=error)
        raise ModelError(told, model=str(file)) from error
    return data if isinstance(data, dict) else {}


def _check_base(path: Path, name: str) -> None:
    """Refuse an adapter whose card names other weights."""
    card = _data(path / CARD) if (path / CARD).is_file() else {}
    wanted = card.get("base_hash")
    if not wanted or (here := weights_hash(name)) is None or here == wanted:
        return
    told = tr(
        "{adapter} was trained on {base}, and the weights of {name} are others. Name the right base model, or "
        "train anew.",
        adapter=path,
        base=card.get("base_model") or "?",
        name=name,
    )
    raise ModelError(told, model=str(path))


def weights_hash(name: str) -> str | None:
    """SHA-256 of a model's weights: of its file, or over those of its files by name; None where it is not here."""
    path = Path(name).expanduser()
    if path.is_file():
        return file_hash(path)
    if not path.is_dir():
        hub = need("huggingface_hub", extra="local")
        try:
            found = hub.try_to_load_from_cache(name, "config.json")
        except hub.errors.HFValidationError:  # no folder here, and no name of the hub either
            found = None
        path = Path(found).parent if isinstance(found, str) else path
    each = {file.name: file_hash(file) for file in sorted(path.glob("*.safetensors")) if "adapter" not in file.name}
    if len(each) < 2:
        return next(iter(each.values()), None)
    return hashlib.sha256("".join(f"{digest}  {file}\n" for file, digest in each.items()).encode()).hexdigest()


def _other_model(path: Path, name: str, why: object) -> ModelError:
    told = (str(why).strip().splitlines() or ["?"])[0][:200]
    said = tr(
        "The adapter {adapter} does not fit {name}: {why}. Name the base model that it was trained on.",
        adapter=path,
        name=name,
        why=told,
    )
    return ModelError(said, model=str(path))


def _with_prefix(adapted: Any, path: Path, name: str) -> Adapted:
    """Prefix tuning: keys and values before the text. `generate` of PEFT leaves them out of all but the first step."""
    torch, transformers = need("torch", extra="local"), need("transformers", extra="local")
    base, count = adapted.get_base_model(), int(adapted.active_peft_config.num_virtual_tokens)
    layers = base.config.get_text_config().num_hidden_layers
    if adapted.active_peft_config.num_layers != layers:
        raise _other_model(path, name, tr("it has another number of layers"))

    def prompt(ids: Any) -> dict[str, Any]:
        cache = adapted.get_prompt(batch_size=1)
        cache = transformers.DynamicCache(cache) if isinstance(cache, tuple) else cache
        # `generate` takes the length of the cache off the ids: so many stand for the prefix.
        stand_in = torch.zeros(1, count, dtype=ids.dtype, device=ids.device)
        whole = torch.cat([stand_in, ids], 1)
        return {"input_ids": whole, "attention_mask": torch.ones_like(whole), "past_key_values": cache}

    return base, count, prompt


def _with_embeddings(adapted: Any, path: Path, name: str) -> Adapted:
    """Prompt tuning and P-tuning: learned embeddings before those of the text."""
    torch = need("torch", extra="local")
    base, count = adapted.get_base_model(), int(adapted.active_peft_config.num_virtual_tokens)
    embed = base.get_input_embeddings()
    if adapted.active_peft_config.token_dim != embed.weight.shape[1]:
        raise _other_model(path, name, tr("it has another width"))

    def prompt(ids: Any) -> dict[str, Any]:
        learned = adapted.get_prompt(batch_size=1)
        text = embed(ids)
        mask = torch.ones(1, count + ids.shape[1], dtype=torch.long, device=ids.device)
        return {"inputs_embeds": torch.cat([learned.to(text.dtype), text], 1), "attention_mask": mask}

    return base, count, prompt
