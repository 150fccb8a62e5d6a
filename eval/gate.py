"""Two runs compared, item by item; a gate that closes only on a significant loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nacre.errors import EvaluationError
from nacre.eval.items import LESS_IS_BETTER, NEUTRAL, failures, group_of
from nacre.eval.metrics import contains, exact_match, held, token_f1
from nacre.eval.statistics import bootstrap, grouped, paired_losses
from nacre.text.language import tr
from nacre.text.markers import MARKER

# A team that runs the gate two hundred times a year sees one false alarm in it.
ALPHA = 0.005
_BESIDE = frozenset({"em", "f1"})  # say little where `contains` is there: whole sentences are never the gold answer


@dataclass(frozen=True)
class Change:
    """One metric in two runs.

    Args:
        metric: its name.
        before: mean over the items that both runs have.
        after: the same.
        p: the chance that two runs that are alike show a loss this sure, in this or any other metric.
        loss: whether that is a significant loss.
        doubt: whether it is worse, but not surely: its interval leaves 0 out, and the corrected test does not.
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
    doubt: bool = False

    @property
    def better_now(self) -> bool:
        """Whether it is surely better."""
        return judged(self.metric) and (self.interval[1] < 0 if self.metric in LESS_IS_BETTER else self.interval[0] > 0)


@dataclass(frozen=True)
class Paired:
    """The items of two runs, question by question."""

    pairs: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]  # (before, after) by id in the later run
    missing: tuple[str, ...]  # in the earlier run only
    new: tuple[str, ...]  # in the later run only
    changed: tuple[str, ...]  # of both, those whose question (or whether it has an answer) is another now


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Compare two reports of one suite.

    Each question that both have is compared with itself, as its gold answer is now; those that stand in one run only
    are left out here (`nacre.eval.gated` refuses them).

    Args:
        before: the baseline, as from `read_report`.
        after: the new run.

    Returns:
        One change a metric that both have, and one for `answered`: whether a question got any answer or an error.

    Raises:
        EvaluationError: the reports are of different suites, share no question, or questions of the baseline failed.
    """
    if before["suite"] != after["suite"]:
        told = tr(
            "Two different suites: {suite} and {suite2}. Compare runs of the same one.",
            suite=before["suite"],
            suite2=after["suite"],
        )
        raise EvaluationError(told)
    check_baseline(before)
    found = paired(before, after)
    if not found.pairs:
        raise EvaluationError(tr("The two runs share no question."))
    metrics = [*(metric for metric in before["metrics"] if metric in after["metrics"]), "answered"]
    values = {metric: _values(found, metric) for metric in metrics}
    values = {metric: both for metric, both in values.items() if both}
    tested = [metric for metric in values if judged(metric, metrics)]
    groups = {id: group_of(new) for id, (_, new) in found.pairs.items()}
    changes = [[_turned(metric, values[metric].get(id)) for id in found.pairs] for metric in tested]
    ps = dict(zip(tested, paired_losses(grouped(changes, list(groups.values()))), strict=True))
    return [_change(metric, both, ps.get(metric), groups) for metric, both in values.items()]


def check_baseline(report: Mapping[str, Any]) -> None:
    """Refuse a baseline of which questions failed: beside it every loss would look smaller."""
    if failed := failures(report):
        told = tr("The baseline is no measure: {failed}. Run it again: only what failed is asked.", failed=failed)
        raise EvaluationError(told)


def judged(metric: str, beside: Sequence[str] = ()) -> bool:
    """Whether a figure is good or bad in itself, among the others."""
    return metric not in NEUTRAL and not (metric in _BESIDE and "contains" in beside)


def paired(before: Mapping[str, Any], after: Mapping[str, Any]) -> Paired:
    """Which items of two runs are of the same question."""
    old, new = ({_key(item): item for item in report["items"]} for report in (before, after))
    pairs, changed = {}, []
    for key in old.keys() & new.keys():
        both = _same_gold(old[key], new[key])
        if both:
            pairs[str(new[key]["id"])] = both
        else:
            changed.append(str(new[key]["id"]))
    order = {str(item["id"]): n for n, item in enumerate(after["items"])}
    return Paired(
        {id: pairs[id] for id in sorted(pairs, key=order.__getitem__)},
        tuple(str(item["id"]) for key, item in old.items() if key not in new),
        tuple(str(item["id"]) for key, item in new.items() if key not in old),
        tuple(sorted(changed)),
    )


def _key(item: Mapping[str, Any]) -> str:
    """What an item is found by in another run: its id, or where the set gives none, its question."""
    return f"? {item.get('question')}" if item.get("named") is False else str(item["id"])


def _same_gold(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Both items, the earlier answer scored by the gold answer of today; None where they are not of one question."""
    asked = [item["question"] for item in (old, new) if "question" in item]
    golds = [item["gold"] for item in (old, new) if "gold" in item]
    if len(asked) == 2 and asked[0] != asked[1]:
        return None
    if len(golds) < 2 or golds[0] == golds[1]:
        return old, new
    if "contains" not in old or "contains" not in new or "answer" not in old:
        return None
    said = MARKER.sub("", str(old["answer"]))
    scores = {"contains": 0.0 if old.get("abstained") else contains(said, golds[1])}
    scores |= {"em": exact_match(said, golds[1]), "f1": token_f1(said, golds[1])}
    if "evidence" in old:
        scores["evidence"] = held(old["shown"], golds[1]) if old.get("shown") else old["evidence"]
    return {**old, **scores}, new


def _values(found: Paired, metric: str) -> dict[str, tuple[float, float]]:
    """The two values of every question that has both."""
    if metric == "answered":  # a question that failed, which is a loss of its own
        return {id: (float("error" not in a), float("error" not in b)) for id, (a, b) in found.pairs.items()}
    return {
        id: (float(a[metric]), float(b[metric]))
        for id, (a, b) in found.pairs.items()
        if a.get(metric) is not None and b.get(metric) is not None
    }


def _turned(metric: str, both: tuple[float, float] | None) -> float:
    """After minus before, so that less than 0 is worse."""
    if both is None:
        return 0.0
    return both[0] - both[1] if metric in LESS_IS_BETTER else both[1] - both[0]


def _change(metric: str, both: Mapping[str, tuple[float, float]], p: float | None, groups: Mapping[str, str]) -> Change:
    """The change of a metric; one without a p is shown, not judged."""
    moved = sorted(((_turned(metric, pair), id) for id, pair in both.items() if pair[0] != pair[1]))
    before, after = (sum(pair[n] for pair in both.values()) / len(both) for n in (0, 1))
    low, high = bootstrap([b - a for a, b in both.values()], groups=[groups[id] for id in both])
    fell = _turned(metric, (before, after)) < 0
    loss = p is not None and p < ALPHA and fell
    surely = low > 0 if metric in LESS_IS_BETTER else high < 0
    return Change(
        metric=metric,
        before=before,
        after=after,
        p=1.0 if p is None else p,
        loss=loss,
        interval=(low, high),
        worse=tuple(id for change, id in moved if change < 0),
        better=tuple(id for change, id in reversed(moved) if change > 0),
        items=len(both),
        doubt=p is not None and not loss and fell and surely,
    )


def same_corpus(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two reports were made over the same documents, however they were cut."""
    prints = [report.get("settings", {}).get("corpus") for report in (before, after)]
    return None in prints or prints[0] == prints[1]


def what_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Which settings differ between two reports: the first place to look for the cause of a loss."""
    old, new = (_flat(report.get("settings", {})) for report in (before, after))
    lines = [f"{name}: {old.get(name)} → {new.get(name)}" for name in {**old, **new} if old.get(name) != new.get(name)]
    if same_corpus(before, after) and old.get("chunks") != new.get("chunks"):
        lines.append(tr("the same documents, cut anew"))
    return lines


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with each prompt under a name of its own: "prompts rag/answer"."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        one_each = name in ("prompts", "prompt texts") and isinstance(value, Mapping)
        found |= {f"{name} {inner}": each for inner, each in value.items()} if one_each else {name: value}
    return found
