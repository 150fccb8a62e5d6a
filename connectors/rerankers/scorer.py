"""Score pairs of a question and a passage with an exported cross-encoder, within a time budget."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from nacre.connectors.embeddings.onnx_encoder import cores, open_session
from nacre.connectors.embeddings.probe import Verdict, probe_set, side_by_side, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Tokenizer


class PairScorer:
    """Scores of pairs.

    Args:
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
            deadline: a time of `time.monotonic`, in seconds; no pair is begun after it.
        """

        def one(passage: str) -> float | None:
            return None if time.monotonic() >= deadline else self._logit(question, passage)

        workers = min(threads or cores(), len(passages))
        if workers <= 1:
            return [one(passage) for passage in passages]
        with ThreadPoolExecutor(workers, thread_name_prefix="nacre-reranker") as pool:
            return list(pool.map(one, passages))

    def _logit(self, question: str, passage: str) -> float:
        pair = self._tokenizer.encode(question, passage)
        values = {"input_ids": pair.ids, "token_type_ids": pair.type_ids}
        feed = {name: np.array([values[name]], np.int32) for name in self._inputs}
        return float(self._session.run(None, feed)[0][0, 0])


def compare(exact: PairScorer, quantised: PairScorer) -> Verdict:
    """Compare two scorers of one model: each probe question with its passage and with another one."""
    questions, passages = probe_set()
    pairs = list(zip(questions, passages, passages[1:] + passages[:1], strict=True))
    (one, two), speed_up = side_by_side(
        lambda pair: exact.score(pair[0], pair[1:], threads=1),
        lambda pair: quantised.score(pair[0], pair[1:], threads=1),
        pairs,
    )
    correlation = float(np.corrcoef(one.ravel(), two.ravel())[0, 1])
    same = float(np.mean((one[:, 0] > one[:, 1]) == (two[:, 0] > two[:, 1])))
    return verdict(correlation, correlation, same, speed_up)
