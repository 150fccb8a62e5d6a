"""A local sentence encoder without torch: its model, its tokenizer, its prefixes. It has the methods of LangChain's `Embeddings`, but not LangChain."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from nacre.connectors.embeddings.cache import file_hash
from nacre.connectors.embeddings.checkpoint import WEIGHTS, read_checkpoint
from nacre.connectors.embeddings.coverage import Coverage
from nacre.connectors.embeddings.export import Choice, cache_place, exported
from nacre.connectors.embeddings.onnx_encoder import OnnxEncoder
from nacre.connectors.embeddings.prefixes import prefixes_for
from nacre.connectors.embeddings.tokens import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from nacre.connectors.embeddings.probe import Verdict


class LocalEncoder:
    """A BERT-family sentence encoder, run by onnxruntime.

    The first use of a model writes an ONNX file to the cache folder; later ones map it into memory.

    Args:
        name: what the model is called in an index; None: the folder's name.
        precision: "auto" takes 8 bits where they are measured to be as good and faster, else "fp32"; both can be forced.
        query_prefix: put before questions; None: what the model or the table of known models says.
        normalise: unit length; None: yes, unless the model was trained on dot products.
    """

    def __init__(
        self,
        folder: Path,
        name: str | None = None,
        *,
        precision: Choice = "auto",
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        normalise: bool | None = None,
    ) -> None:
        checkpoint = read_checkpoint(folder)
        known = prefixes_for(name or folder.name, checkpoint.prompts)
        self.folder = folder
        self.name = name or folder.name
        self.query_prefix = known.query if query_prefix is None else query_prefix
        self.document_prefix = known.document if document_prefix is None else document_prefix
        self.normalised = checkpoint.normalise if normalise is None else normalise
        self._checkpoint = checkpoint
        self._tokenizer = load_tokenizer(folder, checkpoint.lower_case)
        self._coverage = Coverage(self._tokenizer)
        self._encoder = self._open(precision)

    def _open(self, precision: Choice) -> OnnxEncoder:
        from nacre.connectors.embeddings.transformer import sentence_encoder

        def judge(exact: Path, quantised: Path) -> Verdict:
            from nacre.connectors.embeddings.probe import compare

            return compare(self._encoder_at(exact), self._encoder_at(quantised))

        place = cache_place(self.folder, f"sentence normalise={self.normalised}")
        path, self.precision = exported(
            place, precision, lambda p: sentence_encoder(self._checkpoint, p, self.normalised), judge
        )
        return self._encoder_at(path)

    def _encoder_at(self, path: Path) -> OnnxEncoder:
        return OnnxEncoder(path, self._tokenizer, self._checkpoint.window)

    @cached_property
    def _counting_tokenizer(self) -> Any:
        # Truncation is a setting of the tokenizer, and counting must not truncate. A search never counts.
        return load_tokenizer(self.folder, self._checkpoint.lower_case)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What an index must remember: two embedders with the same identity give comparable vectors."""
        return {
            "id": self.name,
            "weights": file_hash(self.folder / WEIGHTS),
            "dim": self._encoder.dimension,
            "query_prefix": self.query_prefix,
            "document_prefix": self.document_prefix,
            "normalised": self.normalised,
            "max_tokens": self.max_tokens,
        }

    @cached_property
    def max_tokens(self) -> int:
        """The most tokens (as `count_tokens` counts) a passage may have without being cut: special tokens and prefix are already taken off."""
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

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode passages.

        Returns:
            Shape (texts, dim), float32.
        """
        return self._encoder.encode(texts, self.document_prefix)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode questions.

        Returns:
            Shape (texts, dim), float32.
        """
        return self._encoder.encode(texts, self.query_prefix)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Encode passages."""
        vectors: list[list[float]] = self.encode_documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Encode a question."""
        vector: list[float] = self.encode_queries([text])[0].tolist()
        return vector
