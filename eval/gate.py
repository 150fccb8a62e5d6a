"""Two runs compared, item by item; a gate that closes only on a significant loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nacre.errors import EvaluationError
from nacre.eval.statistics import bootstrap, paired_losses
from nacre.text.language import tr

# Metrics of which less is better; they are turned round before they are compared.
LESS_IS_BETTER = frozenset({"false_refusals", "misled"})
# Figures that are shown but are neither good nor bad in themselves.
NEUTRAL = frozenset({"abstained", "attempts"})
# A team that runs the gate two hundred times a year sees one false alarm in it.
ALPHA = 0.005


@dataclass(frozen=True)
class Change:
    """One metric in two runs.

    Args:
        metric: its name.
        before: mean over the items that both runs have.
        after: the same.
        p: the chance that two runs that are alike show a loss this sure, in this or any other metric.
        loss: whether that is a significant loss.
        interval: (low, high) of after minus before, bootstrap 95 %.
        worse: ids of the items that went worse, the worst first.
        better: ids of the items that went better, the best first.
        items: how many items both runs have.
    """

    metric: str
    before: float
    after: float
    p: float
    loss: bool
    interval: tuple[float, float]
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
        One change a metric that both have, and one for `answered`: whether a question got any answer or an error.

    Raises:
        EvaluationError: the reports are of different suites, or share no item.
    """
    if before["suite"] != after["suite"]:
        raise EvaluationError(
            tr(
                "Two different suites: {suite} and {suite2}. Compare runs of the same one.",
                suite=before["suite"],
                suite2=after["suite"],
            )
        )
    old, new = _by_id(before), _by_id(after)
    shared = [id for id in old if id in new]
    if not shared:
        raise EvaluationError(tr("The two runs share no question."))
    metrics = [*(metric for metric in before["metrics"] if metric in after["metrics"]), "answered"]
    pairs = {metric: _pairs(old, new, shared, metric) for metric in metrics}
    pairs = {metric: found for metric, found in pairs.items() if found}
    judged = [metric for metric in pairs if metric not in NEUTRAL]
    ps = (
        dict(zip(judged, paired_losses([_changes(m, pairs[m], shared) for m in judged]), strict=True)) if judged else {}
    )
    return [_change(metric, both, ps.get(metric, 1.0)) for metric, both in pairs.items()]


def _by_id(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Items by id; a question that failed has no scores, and that it failed is a loss of its own."""
    return {str(item["id"]): {**item, "answered": float("error" not in item)} for item in report["items"]}


def _pairs(
    old: Mapping[str, Any], new: Mapping[str, Any], shared: Sequence[str], metric: str
) -> dict[str, tuple[float, float]]:
    """The two values of every question that has both."""
    return {
        id: (float(old[id][metric]), float(new[id][metric]))
        for id in shared
        if old[id].get(metric) is not None and new[id].get(metric) is not None
    }


def _changes(metric: str, both: Mapping[str, tuple[float, float]], shared: Sequence[str]) -> list[float]:
    return [_sign(metric) * (both[id][1] - both[id][0]) if id in both else 0.0 for id in shared]


def _sign(metric: str) -> float:
    return -1.0 if metric in LESS_IS_BETTER else 1.0


def _change(metric: str, both: Mapping[str, tuple[float, float]], p: float) -> Change:
    sign = _sign(metric)
    before, after = [a for a, _ in both.values()], [b for _, b in both.values()]
    moved = sorted(((sign * (b - a), id) for id, (a, b) in both.items() if a != b))
    mean_before, mean_after = sum(before) / len(before), sum(after) / len(after)
    return Change(
        metric=metric,
        before=mean_before,
        after=mean_after,
        p=p,
        loss=p < ALPHA and sign * (mean_after - mean_before) < 0,
        interval=bootstrap([b - a for a, b in both.values()]),
        worse=tuple(id for change, id in moved if change < 0),
        better=tuple(id for change, id in reversed(moved) if change > 0),
        items=len(both),
    )


def same_corpus(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two reports were made over the same documents, however they were cut."""
    prints = [report.get("settings", {}).get("corpus") for report in (before, after)]
    return None in prints or prints[0] == prints[1]


def what_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Which settings differ between two reports: the first place to look for the cause of a loss."""
    old, new = before.get("settings", {}), after.get("settings", {})
    lines = [f"{name}: {old.get(name)} → {new.get(name)}" for name in {**old, **new} if old.get(name) != new.get(name)]
    if same_corpus(before, after) and old.get("chunks") != new.get("chunks"):
        lines.append(tr("the same documents, cut anew"))
    return lines
