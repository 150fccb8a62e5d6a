"""Two runs compared, item by item; a gate that closes only on a significant loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nacre.errors import EvaluationError
from nacre.eval.statistics import paired_loss
from nacre.language import tr

# Metrics of which less is better; they are turned round before they are compared.
LESS_IS_BETTER = frozenset({"false_refusals"})
ALPHA = 0.05


@dataclass(frozen=True)
class Change:
    """One metric in two runs.

    Args:
        metric: its name.
        before: mean over the items that both runs have.
        after: the same.
        p: the chance of a loss this large between two runs that are alike.
        loss: whether that is a significant loss.
        worse: ids of the items that went worse, the worst first.
        better: ids of the items that went better, the best first.
        items: how many items both runs have.
    """

    metric: str
    before: float
    after: float
    p: float
    loss: bool
    worse: tuple[str, ...]
    better: tuple[str, ...]
    items: int


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Compare two reports of one suite.

    Only items that both have are compared, by their id, so that a corpus that was cut anew or a question more is not
    read as a collapse.

    Args:
        before: the baseline, as from `read_report`.
        after: the new run.

    Returns:
        One change a metric that both have.

    Raises:
        EvaluationError: the reports are of different suites, or share no item.
    """
    if before["suite"] != after["suite"]:
        raise EvaluationError(
            tr(
                f"Two different suites: {before['suite']} and {after['suite']}. Compare runs of the same one.",
                f"两个不同的评测：{before['suite']} 与 {after['suite']}。请比较同一评测的两次运行。",
            )
        )
    old = {str(item["id"]): item for item in before["items"]}
    new = {str(item["id"]): item for item in after["items"]}
    shared = [id for id in old if id in new]
    if not shared:
        raise EvaluationError(tr("The two runs share no question.", "两次运行没有共同的问题。"))
    metrics = [metric for metric in before["metrics"] if metric in after["metrics"]]
    changes = (_change(metric, {id: (old[id].get(metric), new[id].get(metric)) for id in shared}) for metric in metrics)
    return [change for change in changes if change is not None]


def _change(metric: str, pairs: Mapping[str, tuple[Any, Any]]) -> Change | None:
    both = {id: (float(a), float(b)) for id, (a, b) in pairs.items() if a is not None and b is not None}
    if not both:
        return None
    sign = -1.0 if metric in LESS_IS_BETTER else 1.0
    before, after = [a for a, _ in both.values()], [b for _, b in both.values()]
    _, p = paired_loss([sign * a for a in before], [sign * b for b in after])
    moved = sorted(((sign * (b - a), id) for id, (a, b) in both.items() if a != b))
    mean_before, mean_after = sum(before) / len(before), sum(after) / len(after)
    return Change(
        metric=metric,
        before=mean_before,
        after=mean_after,
        p=p,
        loss=p < ALPHA and sign * (mean_after - mean_before) < 0,
        worse=tuple(id for change, id in moved if change < 0),
        better=tuple(id for change, id in reversed(moved) if change > 0),
        items=len(both),
    )


def same_corpus(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two reports were made over the same documents, however they were cut.

    Args:
        before: a report.
        after: another.

    Returns:
        True also where a report does not say.
    """
    prints = [report.get("settings", {}).get("corpus") for report in (before, after)]
    return None in prints or prints[0] == prints[1]
