"""The items of a report, one a question: which went wrong, what failed, what belongs together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nacre.system.files import atomic_write, private_folder
from nacre.text.language import tr
from nacre.text.strict_json import to_json

Item = dict[str, Any]
# Metrics of which less is better.
LESS_IS_BETTER = frozenset({"false_refusals", "misled", "inconsistent"})
# Figures that are shown but are neither good nor bad in themselves.
NEUTRAL = frozenset({"abstained", "attempts"})


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON Lines, all or nothing."""
    private_folder(path.parent)
    atomic_write(path, "".join(to_json(row, ensure_ascii=False, default=str) + "\n" for row in rows))


def worst(metrics: Iterable[str]) -> Item:
    """What a question that failed counts as."""
    return {metric: float(metric in LESS_IS_BETTER) for metric in metrics if metric not in NEUTRAL}


def group_of(item: Mapping[str, Any]) -> str:
    """What an item belongs to: its group, else itself."""
    return str(item.get("group") or item["id"])


def went_wrong(item: Mapping[str, Any]) -> bool:
    """Whether a question went wrong: of several figures the first that decides it."""
    if "error" in item:
        return True
    named = ("contains", "right", "refusal_recall", "accuracy", "agreement", "success", "em")
    value = next((item[name] for name in named if item.get(name) is not None), None)
    return value is not None and float(value) < 0.5


def failures(data: Mapping[str, Any]) -> str:
    """How many questions failed, and why most of them did, in one sentence; "" where none did."""
    reasons = Counter(str(item["error"]) for item in data["items"] if "error" in item)
    if not reasons:
        return ""
    failed, most = sum(reasons.values()), reasons.most_common(1)[0][0][:200]
    names = ", ".join(str(item["id"]) for item in data["items"] if "error" in item)[:200]
    return tr(
        "{failed} of {count} questions failed and count as wrong ({names}); most often: {most}",
        failed=failed,
        count=len(data["items"]),
        names=names,
        most=most,
    )
