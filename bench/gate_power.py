"""How often the gate cries wolf, and what it sees: `python bench/gate_power.py [--runs 300] [--json] [--only null …]`.

Simulated runs of `nacre eval answers`: 85 % right, a fifth unanswerable, seven figures that are judged. "Noise" is the
share of questions whose outcomes are drawn anew in each run; in "groups" questions flip together. False alarms must be
at most 1 %; the drop that the gate prints as the smallest one it sees must be the one that it sees four times of five,
within 20 %.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections.abc import Iterator
from typing import Any

from nacre.eval.gate import compare
from nacre.eval.verdict import gated

RIGHT, UNANSWERABLE = 0.85, 0.2
SHARES = {
    "contains": RIGHT,
    "evidence": 0.92,
    "citation_precision": 0.97,
    "citation_recall": 0.95,
    "same_language": 0.99,
}
METRICS = (*SHARES, "refusal_recall", "false_refusals")
Row = tuple[str, str, str, bool | None]  # what, value, target, reached


def draw(dice: random.Random, n: int, group: int = 1) -> list[dict[str, Any]]:
    """The outcomes of n questions; those of a group are alike."""
    items: list[dict[str, Any]] = []
    for number in range(n):
        if number % group:
            items.append({**items[-1], "id": str(number)})
            continue
        item: dict[str, Any] = {"id": str(number), "group": f"g{number // group}"}
        if dice.random() < UNANSWERABLE:
            items.append({**item, "refusal_recall": float(dice.random() < RIGHT)})
        else:
            found = {name: float(dice.random() < share) for name, share in SHARES.items()}
            items.append({**item, **found, "false_refusals": float(dice.random() < 0.05)})
    return items


def again(dice: random.Random, items: list[dict[str, Any]], noise: float, group: int = 1) -> list[dict[str, Any]]:
    """Another run of the same system: of some questions the outcome is drawn anew, for a group together."""
    fresh, redrawn = draw(dice, len(items), group), False
    found = []
    for number, item in enumerate(items):
        if number % group == 0:
            redrawn = dice.random() < noise
        new = {name: value for name, value in fresh[number].items() if name in item} if redrawn else {}
        found.append({**item, **new, "id": item["id"], "group": item["group"]})
    return found


def worse(dice: random.Random, items: list[dict[str, Any]], drop: float) -> list[dict[str, Any]]:
    """The same items with `contains` lower by so many points."""
    right = sum(item.get("contains", 0.0) for item in items) / sum("contains" in item for item in items)
    lost = min(1.0, drop / right)
    return [
        {**item, "contains": 0.0} if item.get("contains") == 1.0 and dice.random() < lost else item for item in items
    ]


def report(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Items as `compare` takes them."""
    return {"suite": "answers", "metrics": list(METRICS), "items": items, "settings": {}}


def closed(before: list[dict[str, Any]], after: list[dict[str, Any]], metric: str = "") -> bool:
    """Whether the gate closes, by any figure or a certain one."""
    changes = compare(report(before), report(after))
    return any(change.loss for change in changes if not metric or change.metric == metric)


def null(runs: int) -> Iterator[Row]:
    """Runs that are alike but for chance."""
    for n, noise, group in ((50, 0.1, 1), (100, 0.3, 1), (300, 0.1, 1), (300, 0.3, 1), (200, 0.3, 5), (400, 0.3, 10)):
        dice, alarms = random.Random(n * 1000 + group), 0
        for _ in range(runs):
            items = draw(dice, n, group)
            alarms += closed(again(dice, items, noise, group), again(dice, items, noise, group))
        what = f"false alarms, n {n}, noise {noise:.0%}" + (f", groups of {group}" if group > 1 else "")
        yield what, f"{alarms / runs:.4f}", "<= 0.01", alarms <= 0.01 * runs


def seen(dice: random.Random, n: int, noise: float, drop: float, runs: int) -> float:
    """How often a drop of `contains` closes the gate."""
    hits = 0
    for _ in range(runs):
        items = draw(dice, n)
        hits += closed(items, worse(dice, again(dice, items, noise), drop), "contains")
    return hits / runs


def power(runs: int) -> Iterator[Row]:
    """What share of drops the gate sees."""
    for n in (50, 100, 200, 400, 800, 1600):
        dice = random.Random(n)
        cells = [f"−{100 * drop:.0f}: {seen(dice, n, 0.1, drop, runs):.2f}" for drop in (0.03, 0.05, 0.1)]
        yield f"power, n {n}, noise 10 %", "  ".join(cells), "", None


def printed(runs: int) -> Iterator[Row]:
    """The printed smallest drop beside the one that is seen four times of five."""
    for n, noise in ((100, 0.0), (300, 0.0), (300, 0.1), (600, 0.1), (600, 0.3), (1600, 0.1)):
        dice = random.Random(n)
        said = []
        for _ in range(20):
            items = draw(dice, n)
            drop = gated(report(worse(dice, again(dice, items, noise), 0.03)), report(items)).smallest_drop
            said.append(drop or 1.0)
        told = statistics.median(said)
        low, high = told * 0.8, min(told * 1.2, RIGHT)
        below, above = (seen(dice, n, noise, drop, runs) for drop in (low, high))
        yield (
            f"printed drop {100 * told:.1f} points, n {n}, noise {noise:.0%}",
            f"seen {below:.2f} at −20 %, {above:.2f} at +20 %",
            "0.8 lies between",
            below <= 0.8 <= above,
        )


PARTS = {"null": null, "power": power, "printed": printed}


def main() -> int:
    """Print the table; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for part in given.only:
        for row in PARTS[part](given.runs if part == "null" else max(20, given.runs // 3)):
            rows.append(row)
            if not given.json:
                what, value, target, reached = row
                print(
                    f"{what:<60} {value:<44} {target:<18} {'' if reached is None else 'ok' if reached else 'MISSED'}",
                    flush=True,
                )
    if given.json:
        print(json.dumps([dict(zip(("what", "value", "target", "reached"), row, strict=True)) for row in rows]))
    return int(any(row[3] is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
