"""Rows before they are trained on: their tokens, what does not fit, and one of them as the model sees it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from nacre.connectors.models.local_weights import load_weights, local_base
from nacre.finetuning.encoding import Encoder, fitting
from nacre.finetuning.plan import PASSES
from nacre.finetuning.quiet import alone
from nacre.finetuning.rows import Row
from nacre.text.tokens import estimate


def preview(rows: Sequence[Row], base: str | None) -> dict[str, Any]:
    """Figures of rows.

    Args:
        base: whose tokens are counted; None estimates them, and marks nothing.
    """
    more: dict[str, Any] = {}
    if base is None:
        lengths = [sum(estimate(turn["content"]) for turn in row.prompt) + estimate(row.answer) for row in rows]
    else:
        with alone():
            weights = load_weights(local_base(base).place, adapter=None, device="cpu", dtype=None, revision=None)
        encoder = Encoder.of(weights.model, weights.tokenizer)
        lengths = [encoder.length(row) for row in rows]
        misfits = fitting(rows, encoder)[1]
        more = {"window": encoder.window, "misfits": misfits, "sample": encoder.marked(rows[0])}
    return {
        "rows": len(rows),
        "refusals": sum(row.kind == "refusal" for row in rows),
        "tokens": sum(lengths),
        "tokens_median": statistics.median(lengths),
        "tokens_longest": max(lengths),
        "tokens_trained": PASSES * sum(lengths),
        **more,
    }
