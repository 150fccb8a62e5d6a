"""A local sentence encoder without torch: its model, its tokenizer, its prefixes.

It has the methods of LangChain's `Embeddings`, but not LangChain.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from nacre.connectors.embeddings.checkpoint import Checkpoint, read_checkpoint
from nacre.connectors.embeddings.coverage import Coverage
from nacre.connectors.embeddings.export import Choice, choose_precision, exported
from nacre.connectors.embeddings.onnx_encoder import OnnxEncoder, in_parallel
from nacre.connectors.embeddings.prefixes import PrefixedEncoder, prefixes_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto
    from tokenizers import Tokenizer

    from nacre.connectors.embeddings.graph import Precision
    from nacre.connectors.embeddings.pieces import Encoded


_FEW = 200_000  # parts of words, of which texts are read by their pieces: faster than to load the whole vocabulary


class LocalEncoder(PrefixedEncoder):
    """A sentence encoder of the BERT or XLM-R architecture, run by onnxruntime; its settings are those of
    `load_embedder`. The first use of a model writes an ONNX file to the cache folder; later ones map it into memory.
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
        self._pieces = checkpoint.pieces()
        self._coverage = Coverage(self._read, self._number_of, checkpoint.han)
        variant = f"sentence normalise={self.normalised}{checkpoint.variant}"
        weights = checkpoint.weights_hash()
        self._encoder = exported(
            self.folder, variant, self.precision, self._graph, OnnxEncoder, weights, checkpoint.notice
        )

    def _graph(self, precision: Precision) -> ModelProto:
        from nacre.connectors.embeddings.transformer import sentence_encoder

        return sentence_encoder(self._checkpoint, precision, self.normalised)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return self._checkpoint.tokenizer()

    def _number_of(self, special: str) -> int | None:
        found: int | None = self._pieces.number_of(special) if self._pieces else self._tokenizer.token_to_id(special)
        return found

    def _read(self, texts: Sequence[str], window: int | None = None) -> Sequence[Encoded]:
        """The tokens of texts: at most `window` of each, with the special ones; None: all of them, without."""
        whole = "_tokenizer" in vars(self) or not self._pieces or self._pieces.parts(texts) > _FEW
        if self._pieces and not whole:
            return self._pieces.encode(texts, window is not None, window)
        found: list[Any] = in_parallel(lambda text: self._tokenizer.encode(text, add_special_tokens=False), texts)
        return found if window is None else [self._framed(one, window) for one in found]

    def _framed(self, found: Any, window: int) -> Any:
        """With the special tokens, cut to the window. (Truncation is a setting of the tokenizer, and counting must not
        truncate: a second tokenizer would take as much memory again.)
        """
        found.truncate(window - self._tokenizer.num_special_tokens_to_add(False))
        return self._tokenizer.post_process(found)

    def _facts(self) -> dict[str, Any]:
        weights = self._checkpoint.weights_hash()
        return {"weights": weights, "dim": self._encoder.dimension, "max_tokens": self.max_tokens}

    @cached_property
    def max_tokens(self) -> int:
        """The most tokens (as `count_tokens` counts) of a passage that is not cut; special ones and prefix are off."""
        window = self._checkpoint.window
        return window - len(self._read([self.document_prefix], window)[0].ids)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text; special tokens and prefix are not counted."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters for each token of a text, without special ones."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).offsets)

    def coverage(self, text: str) -> float:
        """How far the vocabulary covers the language of a text: how much its vectors deserve to be trusted."""
        return self._coverage(text)

    def _encode(self, texts: Sequence[str], prefix: str) -> NDArray[np.float32]:
        found = self._read([prefix + text for text in texts], self._checkpoint.window)
        return self._encoder.encode([one.ids for one in found])
