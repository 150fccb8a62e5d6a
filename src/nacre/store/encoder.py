"""Any LangChain `Embeddings` as the knowledge base needs it: unit vectors, an identity, and a count of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nacre.errors import EmbedderMismatchError, ModelError
from nacre.text import tokens
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

_UNKNOWN_LIMIT = 512  # tokens; what most encoders and all embedding services take at least
_LONGEST_TOKEN = 32  # characters, spaces before it included; nearly all are far shorter
_TOGETHER = 2  # questions at a time: more than that a small machine has no cores for
_PROBE = "nacre 螺钿"


class Encoder:
    """An embedder with its limits.

    Args:
        embeddings: the embedder. What it tells of itself (`identity`, `max_tokens`, `count_tokens`, `token_offsets`)
            is used; what it does not is estimated, and its dimension is found by embedding two words.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        self.embeddings: Any = embeddings
        told = getattr(embeddings, "identity", None)
        self.identity: dict[str, Any] = dict(told() if callable(told) else told) if told else self._found_out()
        self.dim = int(self.identity["dim"])

    def _found_out(self) -> dict[str, Any]:
        kind = type(self.embeddings).__name__
        model = next(
            (str(v) for k in ("model", "model_name", "deployment") if (v := getattr(self.embeddings, k, None))), ""
        )
        dim = len(self.embeddings.embed_query(_PROBE))
        return {
            "id": f"{kind}:{model}" if model else kind,
            "dim": dim,
            "query_prefix": "",
            "document_prefix": "",
            "normalised": True,
            "max_tokens": _UNKNOWN_LIMIT,
            "named": False,
        }

    @property
    def max_tokens(self) -> int:
        """The most tokens of a text that the embedder reads."""
        return int(self.identity.get("max_tokens") or _UNKNOWN_LIMIT)

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, without the marks that encoders add."""
        told = getattr(self.embeddings, "token_offsets", None)
        return len(_whole(told(text), len(text))) if told else tokens.estimate(text)

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """Where the tokens of a text stand: (start, end) in characters."""
        told = getattr(self.embeddings, "token_offsets", None)
        return _whole(told(text), len(text)) if told else tokens.offsets(text)

    def coverage(self, text: str) -> float | None:
        """How far the embedder understands the language of a text, 0 to 1; None where it does not tell."""
        told = getattr(self.embeddings, "coverage", None)
        return min(1.0, max(0.0, float(told(text)))) if told else None

    def fitting(self, text: str) -> str:
        """What may be read of a text: tokenising what lies far beyond the embedder's window takes time for nothing."""
        return text[: _LONGEST_TOKEN * self.max_tokens]

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts to be found.

        Returns:
            Array of shape (len(texts), dim), rows of length 1; a zero row for a text that has no direction.
        """
        return self._checked(self.embeddings.embed_documents([self.fitting(text) for text in texts]), len(texts))

    def query(self, text: str) -> NDArray[np.float32]:
        """Embed a question.

        Returns:
            Array of shape (dim,), of length 1.
        """
        matrix = self._checked([self.embeddings.embed_query(self.fitting(text))], 1)
        return np.asarray(matrix[0], np.float32)

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions, beside each other where the embedder can; shape (len(texts), dim), rows of length 1."""
        together = getattr(self.embeddings, "encode_queries", None)
        if together is None:
            return np.array([self.query(text) for text in texts], np.float32)
        return self._checked(together([self.fitting(text) for text in texts]), len(texts))

    def each_query(self, texts: Sequence[str]) -> Iterator[NDArray[np.float32]]:
        """Embed questions, of which each is there while the next ones are still embedded; in their order."""
        if len(texts) == 1:
            yield self.query(texts[0])
            return
        with ThreadPoolExecutor(_TOGETHER, thread_name_prefix="nacre-queries") as pool:
            yield from pool.map(self.query, texts)

    def _checked(self, vectors: Any, count: int) -> NDArray[np.float32]:
        name = self.identity["id"]
        try:
            matrix = np.asarray(vectors, np.float32)
        except (TypeError, ValueError) as error:
            raise _bad_vectors(name) from error
        if matrix.ndim != 2 or len(matrix) != count or not np.isfinite(matrix).all():
            raise _bad_vectors(name)
        if matrix.shape[1] != self.dim:
            raise EmbedderMismatchError(
                tr(
                    "the embedder {name} gave vectors of {shape} numbers instead of {dim}. Build a new folder with it.",
                    name=name,
                    shape=matrix.shape[1],
                    dim=self.dim,
                ),
                path="",
            )
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        return np.asarray(np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0), np.float32)


def _bad_vectors(name: object) -> ModelError:
    return ModelError(
        tr(
            "the embedder {name} did not give one vector of finite numbers for each text. Check the "
            "model and its server.",
            name=name,
        ),
        model=str(name),
    )


class PlainTokeniser:
    """The estimate alone, for a folder of words only."""

    max_tokens = _UNKNOWN_LIMIT

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        return tokens.estimate(text)

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """Where the tokens stand: (start, end) in characters."""
        return tokens.offsets(text)


def _whole(spans: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """The tokens, and more where one is too long or where there is none: a vocabulary takes a word that it does not
    know, of whatever length, for one token, and drops what it cannot show. Otherwise megabytes would be a small
    passage.
    """
    found: list[tuple[int, int]] = []
    at = 0
    for span in [*spans, (length, length)]:
        start, end = span
        if start - at > _LONGEST_TOKEN:
            found += _pieces(at, start)[:-1]
        if end - start > _LONGEST_TOKEN:
            found += _pieces(start, end)
        else:
            found.append(span)
        at = max(at, end)
    found.pop()  # the end
    return found


def _pieces(start: int, end: int) -> list[tuple[int, int]]:
    """A stretch in parts of a long token's length, the last one shorter."""
    return [(at, min(end, at + _LONGEST_TOKEN)) for at in range(start, end, _LONGEST_TOKEN)]
