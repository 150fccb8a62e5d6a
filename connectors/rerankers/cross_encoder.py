"""A cross-encoder as a LangChain document compressor that keeps to a time budget."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field, PrivateAttr

from nacre.connectors.embeddings.cache import file_hash
from nacre.connectors.embeddings.checkpoint import (
    WEIGHTS,
    Tensors,
    UnsupportedCheckpointError,
    load_tokenizer,
    read_architecture,
    token_limit,
)
from nacre.connectors.embeddings.export import Choice, choose_precision, exported
from nacre.connectors.embeddings.locate import find_folder
from nacre.connectors.embeddings.transformer import cross_encoder
from nacre.connectors.rerankers.scorer import PairScorer
from nacre.errors import ModelError
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.callbacks import Callbacks

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ranking:
    """What a reranker found.

    Args:
        scores: 0 to 1 for each passage, in the order they were given; None where there was no time.
    """

    order: tuple[int, ...]
    scores: tuple[float | None, ...]
    scored: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every passage was scored."""
        return self.scored == len(self.scores)


class CrossEncoderReranker(BaseDocumentCompressor):
    """Ranks documents by reading each one together with the question.

    Passages are scored in the order given. What is not scored when the time is up stays behind the scored ones, in
    its old order, and the metadata of the documents say so.

    Args:
        top_n: how many documents to give back; None: all.
        budget_s: seconds for one question.
        max_tokens: the most tokens of question and passage together; None: the model's window, at most 512.
        precision: "auto" takes 8 bits where the processor has instructions for them.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    top_n: int | None = Field(default=None, ge=1)
    budget_s: float = Field(default=1.0, gt=0)
    max_tokens: int | None = Field(default=None, ge=8)
    precision: Choice = "auto"
    _scorer: PairScorer = PrivateAttr()
    _weights: str = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Load the model, exporting it on first use."""
        folder, _ = find_folder(self.model)
        try:
            self._scorer = self._open(folder)
        except UnsupportedCheckpointError as error:
            raise ModelError(
                tr(
                    "{model} cannot be used as a reranker ({error}). Give a BERT, RoBERTa or XLM-R "
                    "cross-encoder with model.safetensors and tokenizer.json.",
                    model=self.model,
                    error=error,
                ),
                model=self.model,
            ) from error
        self._weights = file_hash(folder / WEIGHTS)

    @property
    def identity(self) -> dict[str, Any]:
        """What the scores depend on."""
        return {"id": self.model, "weights": self._weights, "max_tokens": self.max_tokens}

    def rank(self, question: str, passages: Sequence[str]) -> Ranking:
        """Rank passages within the time budget."""
        start = time.monotonic()
        logits = self._scorer.score(question, passages, start + self.budget_s)
        scores = tuple(None if logit is None else _sigmoid(logit) for logit in logits)
        seen = [n for n, score in enumerate(scores) if score is not None]
        order = sorted(seen, key=lambda n: -(logits[n] or 0.0)) + [n for n, score in enumerate(scores) if score is None]
        ranking = Ranking(tuple(order), scores, len(seen), time.monotonic() - start)
        if not ranking.complete:
            _log.warning(
                "%s scored %d of %d passages in its %g s.", self.model, ranking.scored, len(scores), self.budget_s
            )
        return ranking

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Rank documents.

        Returns:
            Copies in the new order, the first `top_n`; `metadata["rerank"]` holds the score (0 to 1, None if there
            was no time) and how many were scored.
        """
        ranking = self.rank(query, [document.page_content for document in documents])
        told = {"model": self.model, "scored": ranking.scored, "of": len(documents)}
        return [
            documents[n].model_copy(
                update={"metadata": {**documents[n].metadata, "rerank": {"score": ranking.scores[n], **told}}}
            )
            for n in ranking.order[: self.top_n]
        ]

    def _open(self, folder: Path) -> PairScorer:
        architecture = read_architecture(folder)
        tokenizer = load_tokenizer(folder)
        window = min(self.max_tokens or token_limit(folder, architecture), architecture.positions)
        precision = choose_precision(self.precision)
        path = exported(folder, "pair", precision, lambda p: cross_encoder(architecture, Tensors(folder), p))
        return PairScorer(path, tokenizer, window)


def _sigmoid(logit: float) -> float:
    return 0.5 * (1 + math.tanh(0.5 * logit))
