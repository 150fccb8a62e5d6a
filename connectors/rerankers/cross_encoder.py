"""A cross-encoder as a LangChain document compressor that keeps to a time budget."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field, PrivateAttr

from nacre.connectors.embeddings import checkpoint
from nacre.connectors.embeddings.cache import file_hash
from nacre.connectors.embeddings.export import Choice, choose_precision, exported
from nacre.connectors.embeddings.locate import find_folder
from nacre.connectors.embeddings.onnx_encoder import in_parallel, open_session
from nacre.connectors.embeddings.transformer import cross_encoder
from nacre.errors import ModelError
from nacre.text.language import tr

if TYPE_CHECKING:
    from langchain_core.callbacks import Callbacks
    from onnx import ModelProto
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

    from nacre.connectors.embeddings.graph import Precision

_log = logging.getLogger(__name__)


class PairScorer:
    """Scores pairs of a question and a passage; of one longer than the window the longer text is cut."""

    def __init__(self, session: InferenceSession, tokenizer: Tokenizer, window: int) -> None:
        self._session = session
        self._inputs = [value.name for value in self._session.get_inputs()]
        tokenizer.enable_truncation(window)
        self._tokenizer = tokenizer

    def score(self, question: str, passages: Sequence[str], deadline: float = float("inf")) -> list[float | None]:
        """A logit a passage (higher is better), None for those that were not begun before a `time.monotonic`."""

        def one(passage: str) -> float | None:
            if time.monotonic() >= deadline:
                return None
            pair = self._tokenizer.encode(question, passage)
            values = {"input_ids": pair.ids, "token_type_ids": pair.type_ids}
            feed = {name: np.array([values[name]], np.int32) for name in self._inputs}
            return float(self._session.run(None, feed)[0][0, 0])

        return in_parallel(one, passages)


class Ranking(NamedTuple):
    """What a reranker found."""

    order: tuple[int, ...]
    scores: tuple[float | None, ...]  # 0 to 1 for each passage, in the order given; None where there was no time
    scored: int

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
        except checkpoint.UnsupportedCheckpointError as error:
            told = tr(
                "{model} cannot be used as a reranker ({error}). Give a BERT, RoBERTa or XLM-R "
                "cross-encoder with model.safetensors and tokenizer.json.",
                model=self.model,
                error=error,
            )
            raise ModelError(told, model=self.model) from error
        self._weights = file_hash(folder / checkpoint.WEIGHTS)

    @property
    def identity(self) -> dict[str, Any]:
        """What the scores depend on."""
        return {"id": self.model, "weights": self._weights, "max_tokens": self.max_tokens}

    def rank(self, question: str, passages: Sequence[str]) -> Ranking:
        """Rank passages within the time budget."""
        logits = self._scorer.score(question, passages, time.monotonic() + self.budget_s)
        scores = tuple(None if logit is None else 0.5 * (1 + math.tanh(0.5 * logit)) for logit in logits)  # sigmoid
        seen = [n for n, score in enumerate(scores) if score is not None]
        if len(seen) < len(scores):
            _log.warning("%s scored %d of %d passages in its %g s.", self.model, len(seen), len(scores), self.budget_s)
        order = sorted(seen, key=lambda n: -(logits[n] or 0.0)) + [n for n, score in enumerate(scores) if score is None]
        return Ranking(tuple(order), scores, len(seen))

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

        def ranked(n: int) -> Document:
            metadata = {**documents[n].metadata, "rerank": {"score": ranking.scores[n], **told}}
            return documents[n].model_copy(update={"metadata": metadata})

        return [ranked(n) for n in ranking.order[: self.top_n]]

    def _open(self, folder: Path) -> PairScorer:
        architecture = checkpoint.read_architecture(folder)
        tokenizer = checkpoint.load_tokenizer(folder)
        window = min(self.max_tokens or checkpoint.token_limit(folder, architecture), architecture.positions)
        precision = choose_precision(self.precision)

        def graph(precision: Precision) -> ModelProto:
            return cross_encoder(architecture, checkpoint.Tensors(folder), precision)

        return PairScorer(exported(folder, "pair", precision, graph, open_session), tokenizer, window)
