"""A local sentence encoder without torch: its model, its tokenizer, its prefixes.

It has the methods of LangChain's `Embeddings`, but not LangChain.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from nacre.connectors.embeddings.checkpoint import Checkpoint, load_tokenizer, read_checkpoint
from nacre.connectors.embeddings.coverage import Coverage
from nacre.connectors.embeddings.export import Choice, choose_precision, exported
from nacre.connectors.embeddings.onnx_encoder import OnnxEncoder
from nacre.connectors.embeddings.prefixes import PrefixedEncoder, prefixes_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

    from nacre.connectors.embeddings.graph import Precision


class LocalEncoder(PrefixedEncoder):
    """A sentence encoder of the BERT or XLM-R architecture, run by onnxruntime.

    The first use of a model writes an ONNX file to the cache folder; later ones map it into memory.

    Args:
        folder: of the model, or what was read of it.
        name: what the model is called in an index; None: the folder's name.
        precision: "auto" takes 8 bits where the processor has instructions for them, else "fp32"; both can be forced.
        query_prefix: put before questions; None: what the model or the table of known models says.
        normalise: unit length; None: yes, unless the model was trained on dot products.
    """

    def __init__(
        self,
        folder: Path | Checkpoint,
        name: str | None = None,
        *,
        precision: Choice = "auto",
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        normalise: bool | None = None,
    ) -> None:
        checkpoint = folder if isinstance(folder, Checkpoint) else read_checkpoint(folder)
        self.folder = checkpoint.folder
        self.name = name or self.folder.name
        known = prefixes_for(self.name, checkpoint.prompts)
        self.query_prefix, self.document_prefix = known.override(query_prefix, document_prefix)
        self.normalised = checkpoint.normalise if normalise is None else normalise
        self.precision = choose_precision(precision)
        self._checkpoint = checkpoint
        self._tokenizer = load_tokenizer(self.folder)
        self._coverage = Coverage(self._tokenizer)
        variant = f"sentence normalise={self.normalised}"
        weights = checkpoint.weights_hash()
        path = exported(self.folder, variant, self.precision, self._graph, weights, checkpoint.notice)
        self._encoder = OnnxEncoder(path, self._tokenizer, checkpoint.window)

    def _graph(self, precision: Precision) -> ModelProto:
        from nacre.connectors.embeddings.transformer import sentence_encoder

        return sentence_encoder(self._checkpoint, precision, self.normalised)

    @cached_property
    def _counting_tokenizer(self) -> Any:
        # Truncation is a setting of the tokenizer, and counting must not truncate. A search never counts.
        return load_tokenizer(self.folder)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What an index must remember: two embedders with the same identity give comparable vectors."""
        return {
            "id": self.name,
            "weights": self._checkpoint.weights_hash(),
            "dim": self._encoder.dimension,
            "query_prefix": self.query_prefix,
            "document_prefix": self.document_prefix,
            "normalised": self.normalised,
            "max_tokens": self.max_tokens,
        }

    @cached_property
    def max_tokens(self) -> int:
        """The most tokens (as `count_tokens` counts) of a passage that is not cut; special ones and prefix are off."""
        prefix = self._tokenizer.encode(self.document_prefix)  # with the special tokens; far too short to be truncated
        return self._checkpoint.window - len(prefix.ids)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text; special tokens and prefix are not counted."""
        return len(self._counting_tokenizer.encode(text, add_special_tokens=False).ids)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Where the tokens of a text stand; special tokens are not among them.

        Returns:
            (start, end) in characters for each token.
        """
        return list(self._counting_tokenizer.encode(text, add_special_tokens=False).offsets)

    def coverage(self, text: str) -> float:
        """How far the vocabulary covers the language of a text: how much its vectors deserve to be trusted."""
        return self._coverage(text)

    def _encode(self, texts: Sequence[str], prefix: str) -> NDArray[np.float32]:
        return self._encoder.encode(texts, prefix)
