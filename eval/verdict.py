"""What a gate says of a run: green, yellow or red, why, and how small a loss it could have seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, median
from typing import Any, Literal

from nacre.errors import EvaluationError
from nacre.eval.gate import ALPHA, Change, Paired, compare, judged, paired
from nacre.eval.items import group_of, went_wrong
from nacre.eval.statistics import grouped, paired_losses, smallest_drop
from nacre.text.language import listed, tr

# How much slower, or how many more tokens, is a loss; below, and above the last, a doubt.
_DEARER = {"seconds": 2.0, "tokens": 1.5}
_DOUBTFUL = 1.25
_LEAST_S = 0.1  # a machine that is busy makes answers of milliseconds twice as slow
_WANTED = 0.03  # the drop for which the number of questions is told


@dataclass(frozen=True)
class Rules:
    """What a gate asks for.

    Args:
        allow_missing: whether questions may stand in one run only.
        least: the least value of a figure, `{"contains": 0.9}`.
        most: the largest value of a figure, `{"seconds_p95": 2}`.
    """

    allow_missing: bool = False
    least: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What a gate says.

    Args:
        changes: one a metric, as from `compare`; empty without a baseline.
        reasons: why it is red, a sentence each.
        doubts: why it is yellow, a sentence each.
        paired: which questions were compared.
        power: how small a loss could have been seen, in one sentence.
        smallest_drop: the same as a number, from 0 to 1; None where no loss could be seen.
    """

    changes: Sequence[Change] = ()
    reasons: Sequence[str] = ()
    doubts: Sequence[str] = ()
    paired: Paired = field(default_factory=lambda: Paired({}, (), (), ()))
    power: str = ""
    smallest_drop: float | None = None

    @property
    def state(self) -> Literal["green", "yellow", "red"]:
        """The result in one word."""
        return "red" if self.reasons else "yellow" if self.doubts else "green"

    @property
    def passed(self) -> bool:
        """Whether the gate stays open."""
        return not self.reasons

    @property
    def told(self) -> str:
        """The result in words, the losses first."""
        better = [change.metric for change in self.changes if change.better_now]
        most = max((change.items for change in self.changes), default=0)
        if self.reasons or self.doubts:
            return " ".join([*self.reasons, *self.doubts])
        if better:
            return tr("No significant loss over {most} questions; better: {better}.", most=most, better=listed(better))
        return tr("No significant loss over {most} questions.", most=most) if self.changes else ""

    def data(self) -> dict[str, Any]:
        """As `--json` prints it.

        Returns:
            Plain data and the changes.
        """
        one_run = {"missing": self.paired.missing, "new": self.paired.new, "changed": self.paired.changed}
        return {
            "passed": self.passed,
            "state": self.state,
            "verdict": self.told,
            "reasons": list(self.reasons),
            "doubts": list(self.doubts),
            "changes": list(self.changes),
            **{name: list(ids) for name, ids in one_run.items()},
            "smallest_drop": self.smallest_drop,
        }


def gated(
    after: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    *,
    anchors: Sequence[Mapping[str, Any]] = (),
    rules: Rules | None = None,
) -> Verdict:
    """Judge a run.

    Args:
        after: the run, as from `read_report`.
        before: the baseline; None compares with none.
        anchors: further runs that it must not fall behind, such as that of the last release: ten losses too small to be
            seen one by one are seen there.
        rules: what else is asked; None for `Rules()`.

    Returns:
        The verdict; without a baseline, on the rules and the must-pass questions alone.

    Raises:
        EvaluationError: as `compare`, or a rule names an unknown figure.
    """
    asked = rules or Rules()
    reasons, doubts = [*_floors(after, asked)], list[str]()
    if failed := [str(item["id"]) for item in after["items"] if item.get("must") and went_wrong(item)]:
        reasons.append(tr("Must-pass questions went wrong: {failed}.", failed=listed(failed[:20])))
    for anchor in anchors:
        found = compare(anchor, after)
        reasons += [tr("Beside the anchor: {loss}", loss=_worse(change)) for change in found if change.loss]
    if before is None:
        return Verdict(reasons=reasons)
    changes, both = compare(before, after), paired(before, after)
    reasons += [_worse(change) for change in changes if change.loss]
    doubts += [_worse(change) for change in changes if change.doubt]
    reasons += [] if asked.allow_missing else _missing(both)
    for name, limit in _DEARER.items():
        red, yellow = _dearer(both, name, limit)
        reasons += red
        doubts += yellow
    drop, power = _power(changes, both)
    return Verdict(changes, reasons, doubts, both, power, drop)


def _worse(change: Change) -> str:
    told = tr(
        "{metric} {before} → {after} ({worse} questions worse, {better} better, p {p})",
        metric=change.metric,
        before=f"{change.before:.3f}",
        after=f"{change.after:.3f}",
        worse=len(change.worse),
        better=len(change.better),
        p=f"{change.p:.4f}",
    )
    return tr("Worse: {change}.", change=told) if change.loss else tr("Worse, but not surely: {change}.", change=told)


def _missing(both: Paired) -> list[str]:
    told = (
        (both.missing, tr("of the baseline are missing")),
        (both.new, tr("are not in the baseline")),
        (both.changed, tr("ask something else under the same id")),
    )
    return [
        tr(
            "{count} questions {what}: {ids}. Run the baseline with the same questions, or allow it: --allow-missing.",
            count=len(ids),
            what=what,
            ids=listed(ids[:10]),
        )
        for ids, what in told
        if ids
    ]


def _floors(after: Mapping[str, Any], rules: Rules) -> list[str]:
    found = []
    for limits, sign, option in ((rules.least, 1, "--min"), (rules.most, -1, "--max")):
        for name, limit in limits.items():
            value = after.get(name)
            if not isinstance(value, int | float):
                known = listed(key for key, each in after.items() if isinstance(each, int | float))
                told = tr(
                    "{option}: there is no figure {name!r}; there are {known}.", option=option, name=name, known=known
                )
                raise EvaluationError(told)
            if sign * (value - limit) < 0:
                asked = {"name": name, "value": f"{value:.3f}", "option": option, "limit": limit}
                found.append(tr("{name} is {value}; {option} asks for {limit}.", **asked))
    return found


def _dearer(both: Paired, name: str, limit: float) -> tuple[list[str], list[str]]:
    """Whether answers got slower or longer: a loss or a doubt, in a sentence."""
    pairs = {id: (_spent(old, name), _spent(new, name)) for id, (old, new) in both.pairs.items()}
    known = {id: (a, b) for id, (a, b) in pairs.items() if a and b}
    if not known:
        return [], []
    before, after = (median(pair[n] for pair in known.values()) for n in (0, 1))
    ratio = after / before
    if ratio < _DOUBTFUL or (name == "seconds" and after - before < _LEAST_S):
        return [], []
    changes = [[math.log(a / b) for a, b in known.values()]]
    p = paired_losses(grouped(changes, [group_of(both.pairs[id][1]) for id in known]))[0]
    figures = {"seconds": tr("seconds"), "tokens": tr("tokens")}
    told = tr(
        "{what} a question {before} → {after} (× {ratio}, p {p})",
        what=figures[name],
        before=f"{before:.3g}",
        after=f"{after:.3g}",
        ratio=f"{ratio:.1f}",
        p=f"{p:.4f}",
    )
    if p >= ALPHA:
        return [], []
    red = ratio >= limit
    return ([tr("Worse: {change}.", change=told)], []) if red else ([], [tr("Dearer: {change}.", change=told)])


def _spent(item: Mapping[str, Any], name: str) -> float:
    if name == "tokens":
        return float(item.get("tokens_in", 0) + item.get("tokens_out", 0))
    return float(item.get(name) or 0)


def _power(changes: Sequence[Change], both: Paired) -> tuple[float | None, str]:
    """The smallest drop of the first figure that would be seen four times of five, as a number and in a sentence."""
    tested = [change for change in changes if judged(change.metric, [c.metric for c in changes])]
    if not tested:
        return None, ""
    first = tested[0]
    moved = sum(bool(change.worse or change.better) for change in tested)
    has = [new for old, new in both.pairs.values() if None not in (old.get(first.metric), new.get(first.metric))]
    n = len({group_of(item) for item in has})
    groups = {str(item["id"]): group_of(item) for item in has}
    gained = len({groups[id] for id in first.better})
    noise = min(1.0, 2 * gained / max(1, n))
    drop = smallest_drop(n, noise, ALPHA / max(1, moved))
    if drop is None:
        told = tr(
            "With {n} questions no loss of {metric} could be seen at all; eight that count as one each are the least.",
            n=n,
            metric=first.metric,
        )
        return None, told
    told = tr(
        "With {n} questions a drop of {metric} below {drop} points is likely missed.",
        n=n,
        metric=first.metric,
        drop=f"{100 * drop:.1f}",
    )
    if drop > _WANTED:
        sure, often = (NormalDist().inv_cdf(1 - x) for x in (ALPHA / max(1, moved), 0.2))
        changed = noise + _WANTED
        root = sure * math.sqrt(changed) + often * math.sqrt(changed - _WANTED**2)
        told += tr(
            " About {needed} would be needed to see {wanted}.",
            needed=int(10 * math.ceil((root / _WANTED) ** 2 / 10)),
            wanted=round(100 * _WANTED),
        )
    return drop, told
