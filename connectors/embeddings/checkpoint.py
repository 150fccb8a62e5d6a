"""A sentence encoder as it lies on disk: configuration, tensor names, pooling, limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

Pooling = Literal["mean", "cls", "max"]

WEIGHTS = "model.safetensors"
_FALLBACK_TOKENS = 512


class UnsupportedCheckpointError(Exception):
    """The folder holds a model that the exporter does not know; sentence-transformers may."""


@dataclass(frozen=True)
class Names:
    """Where the tensors of one family stand, below the common prefix."""

    layer: str = "encoder.layer.{}."
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_out: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    output_norm: str = "output.LayerNorm"


_BERT = Names()
_DISTILBERT = Names(
    layer="transformer.layer.{}.",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attention_out="attention.out_lin",
    attention_norm="sa_layer_norm",
    up="ffn.lin1",
    down="ffn.lin2",
    output_norm="output_layer_norm",
)
_MPNET = Names(
    query="attention.attn.q",
    key="attention.attn.k",
    value="attention.attn.v",
    attention_out="attention.attn.o",
    attention_norm="attention.LayerNorm",
)
FAMILIES: Mapping[str, Names] = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "distilbert": _DISTILBERT,
    "mpnet": _MPNET,
}
# fairseq's heirs count positions from padding_idx + 1.
_POSITIONS_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet")


@dataclass(frozen=True)
class Architecture:
    """The shape of a BERT-like encoder, read from `config.json`."""

    family: str
    layers: int
    heads: int
    width: int
    activation: str
    epsilon: float
    first_position: int
    positions: int

    @property
    def names(self) -> Names:
        """Where the tensors of this family stand."""
        return FAMILIES[self.family]


@dataclass(frozen=True)
class Dense:
    """A dense layer after the pooling (LaBSE, distiluse)."""

    folder: Path
    activation: str


@dataclass(frozen=True)
class Checkpoint:
    """Everything that decides what vector a text gets, but the weights themselves."""

    folder: Path
    architecture: Architecture
    pooling: Pooling
    dense: tuple[Dense, ...]
    normalise: bool
    lower_case: bool
    window: int
    prompts: dict[str, str]

    def tensors(self) -> Tensors:
        """Open the weights."""
        return Tensors(self.folder / WEIGHTS)


class Tensors:
    """Named tensors of a safetensors file, as float32, whatever prefix the file gives them.

    Args:
        anchor: a tensor that must be there; what stands before its name is the prefix.
    """

    def __init__(self, path: Path, anchor: str = "embeddings.word_embeddings.weight") -> None:
        # Training heads and old TensorFlow exports vary the prefix ("bert.", "model.", none) and LayerNorm's names.
        self._file = _open(path)
        self._keys: set[str] = set(self._file.keys())
        found = next((key for key in sorted(self._keys) if key.endswith(anchor)), None)
        if found is None:
            raise UnsupportedCheckpointError(f"{path}: no {anchor}")
        self._prefix = found.removesuffix(anchor)

    def __contains__(self, name: str) -> bool:
        return name in self._keys or self._prefix + name in self._keys

    def __call__(self, name: str) -> NDArray[np.float32]:
        """The tensor of that name, below the prefix of the encoder or (a head) beside it.

        Returns:
            float32, whatever the file holds.
        """
        import numpy as np

        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        for key in (self._prefix + name, name, self._prefix + old):
            if key in self._keys:
                return np.asarray(self._file.get_tensor(key), dtype=np.float32)
        raise UnsupportedCheckpointError(f"no tensor {self._prefix}{name}")


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a sentence-transformers or transformers folder."""
    architecture = read_architecture(folder)
    pooling: Pooling = "mean"  # what sentence-transformers does with a folder that has no modules.json
    dense: list[Dense] = []
    for module in _json(folder / "modules.json", []):
        kind, path = module["type"].rsplit(".", 1)[-1], folder / module["path"]
        if kind == "Pooling":
            pooling = _pooling(_json(path / "config.json", {}))
        elif kind == "Dense":
            dense.append(_dense(path))
        elif kind not in ("Transformer", "Normalize"):
            raise UnsupportedCheckpointError(f"{folder}: module {kind}")
    outer = _json(folder / "config_sentence_transformers.json", {})
    limits = _json(folder / "sentence_bert_config.json", {})
    return Checkpoint(
        folder=folder,
        architecture=architecture,
        pooling=pooling,
        dense=tuple(dense),
        # Vectors are compared by cosine unless the model says it was trained on dot products.
        normalise=outer.get("similarity_fn_name") != "dot",
        lower_case=bool(limits.get("do_lower_case")),
        window=token_limit(folder, architecture, limits.get("max_seq_length")),
        prompts={key: text for key, text in (outer.get("prompts") or {}).items() if isinstance(text, str)},
    )


def read_architecture(folder: Path) -> Architecture:
    """Read `config.json` of a BERT-like encoder.

    Returns:
        The shape of the network.
    """
    if not (folder / WEIGHTS).is_file():
        raise UnsupportedCheckpointError(f"{folder}: no {WEIGHTS}")
    config = _json(folder / "config.json", {})
    family = config.get("model_type", "")
    if family not in FAMILIES:
        raise UnsupportedCheckpointError(f"{folder}: model_type {family or 'missing'}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise UnsupportedCheckpointError(f"{folder}: position_embedding_type {config['position_embedding_type']}")
    if config.get("is_decoder"):
        raise UnsupportedCheckpointError(f"{folder}: a decoder")
    first = config.get("pad_token_id", 1) + 1 if family in _POSITIONS_AFTER_PADDING else 0
    distil = family == "distilbert"
    return Architecture(
        family=family,
        layers=config["n_layers" if distil else "num_hidden_layers"],
        heads=config["n_heads" if distil else "num_attention_heads"],
        width=config["dim" if distil else "hidden_size"],
        activation=config.get("activation" if distil else "hidden_act", "gelu"),
        epsilon=config.get("layer_norm_eps", 1e-12),
        first_position=first,
        positions=config["max_position_embeddings"] - first,
    )


def _pooling(config: dict[str, Any]) -> Pooling:
    if not config.get("include_prompt", True):
        raise UnsupportedCheckpointError("pooling without the prompt's tokens")
    modes: dict[str, Pooling] = {
        "pooling_mode_cls_token": "cls",
        "pooling_mode_mean_tokens": "mean",
        "pooling_mode_max_tokens": "max",
    }
    on = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    if isinstance(config.get("pooling_mode"), str):  # since sentence-transformers 6
        on = [f"pooling_mode_{config['pooling_mode']}" + ("_token" if config["pooling_mode"] == "cls" else "_tokens")]
    if len(on) != 1 or on[0] not in modes:
        raise UnsupportedCheckpointError(f"pooling {' + '.join(on) or 'missing'}")
    return modes[on[0]]


def _dense(path: Path) -> Dense:
    activation = str(_json(path / "config.json", {}).get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    if activation not in ("Identity", "Tanh") or not (path / WEIGHTS).is_file():
        raise UnsupportedCheckpointError(f"{path}: dense layer with {activation}")
    return Dense(path, activation)


def token_limit(folder: Path, architecture: Architecture, declared: int | None = None) -> int:
    """The most tokens that a model reads, special tokens included.

    Args:
        architecture: its shape.

    Returns:
        That, else the tokenizer's limit, and never more than there are positions.
    """
    limit = declared or _json(folder / "tokenizer_config.json", {}).get("model_max_length") or _FALLBACK_TOKENS
    return min(int(limit), architecture.positions)


def _open(path: Path) -> Any:
    from safetensors import safe_open

    return safe_open(str(path), framework="numpy")  # its methods carry no types


def _json(path: Path, missing: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else missing
