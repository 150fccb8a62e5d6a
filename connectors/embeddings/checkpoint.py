"""A sentence encoder as it lies on disk: configuration, tensors, tokenizer, pooling, limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

from nacre.connectors.embeddings.cache import file_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from nacre.connectors.embeddings.pieces import PieceTable

Pooling = Literal["mean", "cls"]

WEIGHTS = "model.safetensors"
_FALLBACK_TOKENS = 512
# fairseq's heirs count positions from padding_idx + 1.
_POSITIONS_AFTER_PADDING = {"bert": False, "roberta": True, "xlm-roberta": True}
_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "cls": "cls",  # since sentence-transformers 6
    "mean": "mean",
}


class UnsupportedCheckpointError(Exception):
    """The folder holds a model that the exporter does not know; sentence-transformers may."""


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


class PackedTable(NamedTuple):
    """A matrix in 4 bits: its numbers from 0 to 15, the one that means zero, and a scale for each block of a row."""

    values: NDArray[np.uint8]
    scales: NDArray[np.float16]
    middle: int


class NamedTensors(Protocol):
    """Tensors by the names of a checkpoint, as float32."""

    def __contains__(self, name: str) -> bool: ...

    def __call__(self, name: str) -> NDArray[np.float32]: ...

    def packed(self, name: str) -> PackedTable | None:
        """The tensor of that name in 4 bits, where it is kept so."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that decides what vector a text gets, but the weights themselves; `folder` is where `tokenizer.json`
    lies, `notice` the licence of what is made of it, `sample` some texts with their prefixes: by what they show of the
    network its graph is put into 8 bits with one scale for all tokens.
    """

    folder: Path
    architecture: Architecture
    pooling: Pooling
    normalise: bool
    window: int
    prompts: dict[str, str]
    notice: str = ""
    han: float | None = None
    sample: tuple[str, ...] = ()

    @property
    def variant(self) -> str:
        """What shapes its graph besides the weights and the files of its folder."""
        return "\n".join(self.sample)

    def tokenizer(self) -> Tokenizer:
        """Its tokenizer, as `load_tokenizer` gives it."""
        return load_tokenizer(self.folder)

    def sample_tokens(self) -> list[list[int]]:
        """The tokens of the sample, in the order given."""
        tokenizer = self.tokenizer()
        return [tokenizer.encode(text).ids for text in self.sample]

    def pieces(self) -> PieceTable | None:
        """Its vocabulary by the piece, where that is kept beside the tokenizer."""

    def weights_hash(self) -> str:
        """The SHA-256 of the file of weights."""
        return file_hash(self.folder / WEIGHTS)

    def tensors(self) -> NamedTensors:
        """The weights."""
        return Tensors(self.folder)


class Tensors(NamedTensors):
    """Named tensors of a folder's weights, as float32, whatever prefix the file gives them."""

    _ANCHOR = "embeddings.word_embeddings.weight"

    def __init__(self, folder: Path) -> None:
        # Training heads and old TensorFlow exports vary the prefix ("bert.", "model.", none) and LayerNorm's names.
        from safetensors import safe_open

        self._file = cast(Any, safe_open(str(folder / WEIGHTS), framework="numpy"))  # its methods carry no types
        self._keys: set[str] = set(self._file.keys())
        found = next((key for key in sorted(self._keys) if key.endswith(self._ANCHOR)), None)
        if found is None:
            raise UnsupportedCheckpointError(f"{folder}: no {self._ANCHOR}")
        self._prefix = found.removesuffix(self._ANCHOR)

    def __contains__(self, name: str) -> bool:
        return name in self._keys or self._prefix + name in self._keys

    def __call__(self, name: str) -> NDArray[np.float32]:
        """The tensor of that name, below the prefix of the encoder or (a head) beside it."""
        import numpy as np

        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        for key in (self._prefix + name, name, self._prefix + old):
            if key in self._keys:
                return np.asarray(self._file.get_tensor(key), dtype=np.float32)
        raise UnsupportedCheckpointError(f"no tensor {self._prefix}{name}")

    def packed(self, name: str) -> PackedTable | None:
        return None


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a sentence-transformers or transformers folder, of the kinds that are known here."""
    architecture = read_architecture(folder)
    pooling: Pooling = "mean"  # what sentence-transformers does with a folder that has no modules.json
    for module in _json(folder / "modules.json", []):
        kind = module["type"].rsplit(".", 1)[-1]
        if kind == "Pooling":
            pooling = _pooling(_json(folder / module["path"] / "config.json", {}))
        elif kind not in ("Transformer", "Normalize"):
            raise UnsupportedCheckpointError(f"{folder}: module {kind}")
    outer = _json(folder / "config_sentence_transformers.json", {})
    limits = _json(folder / "sentence_bert_config.json", {})
    if limits.get("do_lower_case"):
        raise UnsupportedCheckpointError(f"{folder}: do_lower_case")
    return Checkpoint(
        folder=folder,
        architecture=architecture,
        pooling=pooling,
        # Vectors are compared by cosine unless the model says it was trained on dot products.
        normalise=outer.get("similarity_fn_name") != "dot",
        window=token_limit(folder, architecture, limits.get("max_seq_length")),
        prompts={key: text for key, text in (outer.get("prompts") or {}).items() if isinstance(text, str)},
    )


def read_architecture(folder: Path) -> Architecture:
    """Read `config.json` of a BERT-like encoder, of the kinds that are known here."""
    if not (folder / WEIGHTS).is_file():
        raise UnsupportedCheckpointError(f"{folder}: no {WEIGHTS}")
    config = _json(folder / "config.json", {})
    family = config.get("model_type", "")
    if family not in _POSITIONS_AFTER_PADDING:
        raise UnsupportedCheckpointError(f"{folder}: model_type {family or 'missing'}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise UnsupportedCheckpointError(f"{folder}: position_embedding_type {config['position_embedding_type']}")
    if config.get("is_decoder"):
        raise UnsupportedCheckpointError(f"{folder}: a decoder")
    first = config.get("pad_token_id", 1) + 1 if _POSITIONS_AFTER_PADDING[family] else 0
    return Architecture(
        family=family,
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        width=config["hidden_size"],
        activation=config.get("hidden_act", "gelu"),
        epsilon=config.get("layer_norm_eps", 1e-12),
        first_position=first,
        positions=config["max_position_embeddings"] - first,
    )


def _pooling(config: dict[str, Any]) -> Pooling:
    if not config.get("include_prompt", True):
        raise UnsupportedCheckpointError("pooling without the prompt's tokens")
    named = config.get("pooling_mode")
    on = [named] if named else [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    if len(on) != 1 or on[0] not in _POOLINGS:
        raise UnsupportedCheckpointError(f"pooling {' + '.join(on) or 'missing'}")
    return _POOLINGS[on[0]]


def token_limit(folder: Path, architecture: Architecture, declared: int | None = None) -> int:
    """The most tokens that a model reads, special tokens included; `declared` is what sentence-transformers' own
    settings say.
    """
    limit = declared or _json(folder / "tokenizer_config.json", {}).get("model_max_length") or _FALLBACK_TOKENS
    return min(int(limit), architecture.positions)


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder, without padding or truncation; it adds the model's special tokens."""
    from tokenizers import Tokenizer

    if not (folder / "tokenizer.json").is_file():
        raise UnsupportedCheckpointError(f"{folder}: no tokenizer.json")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _json(path: Path, missing: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else missing
