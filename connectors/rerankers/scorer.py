"""Score pairs of a question and a passage with an exported cross-encoder, within a time budget."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from nacre.connectors.embeddings.onnx_encoder import in_parallel, open_session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer


class PairScorer:
    """Scores of pairs.

    Args:
        path: the `.onnx` file.
        tokenizer: the model's own.
        window: the most tokens a pair may have; the longer of the two texts is cut.
    """

    def __init__(self, path: Path, tokenizer: Tokenizer, window: int) -> None:
        self._session = open_session(path)
        self._inputs = [value.name for value in self._session.get_inputs()]
        tokenizer.enable_truncation(window)
        self._tokenizer = tokenizer

    def score(
        self, question: str, passages: Sequence[str], deadline: float = float("inf"), threads: int | None = None
    ) -> list[float | None]:
        """Score passages for a question.

        Args:
            question: the question.
            passages: the passages, the likely ones first.
            deadline: a time of `time.monotonic`, in seconds; no pair is begun after it.
            threads: pairs at a time; None: one a core.

        Returns:
            A logit a passage (higher is better), None for those that there was no time for.
        """

        def one(passage: str) -> float | None:
            return None if time.monotonic() >= deadline else self._logit(question, passage)

        return in_parallel(one, passages, threads)

    def _logit(self, question: str, passage: str) -> float:
        pair = self._tokenizer.encode(question, passage)
        values = {"input_ids": pair.ids, "token_type_ids": pair.type_ids}
        feed = {name: np.array([values[name]], np.int32) for name in self._inputs}
        return float(self._session.run(None, feed)[0][0, 0])
