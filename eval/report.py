"""A report: figures with intervals, and every item behind them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nacre.errors import EvaluationError
from nacre.eval.items import Item as Item
from nacre.eval.items import group_of
from nacre.eval.statistics import interval
from nacre.extras import need
from nacre.system.files import atomic_write, private_folder
from nacre.text.language import tr
from nacre.text.strict_json import to_json


@dataclass(frozen=True)
class Report:
    """The result of a suite.

    Args:
        suite: its name, "retrieval".
        metrics: names of the figures that are means over the items; an item that lacks one is left out of that mean.
        items: one object a question: its `id`, a number for each metric, and what a reader wants to see.
        figures: figures that are no means: counts, seconds, percentiles.
        settings: what was measured: data set, stack, model, fingerprints of corpus and questions, versions of prompts.
        problems: what was wrong with the data, one line each.
    """

    suite: str
    metrics: tuple[str, ...]
    items: Sequence[Item]
    figures: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[str] = ()

    def values(self, metric: str) -> list[float]:
        """The numbers behind a mean.

        Args:
            metric: its name.

        Returns:
            One number an item that has one.
        """
        return [float(item[metric]) for item in self.items if item.get(metric) is not None]

    def to_pandas(self) -> Any:
        """The items as a table, one row a question.

        Returns:
            A `pandas.DataFrame`.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return need("pandas", install="pip install pandas").DataFrame(list(self.items)).set_index("id")

    def __repr__(self) -> str:
        """One line, not all answers."""
        means = ", ".join(f"{m} {_mean(self.values(m))}" for m in self.metrics if self.values(m))
        return f"Report({self.suite!r}, {len(self.items)} items: {means})"

    def summary(self) -> dict[str, Any]:
        """The figures as one flat object, intervals and settings beside them.

        Returns:
            Plain data, without the items.
        """
        means = {metric: _mean(self.values(metric)) for metric in self.metrics}
        intervals = {}
        for metric in (metric for metric in self.metrics if self.values(metric)):
            groups = [group_of(item) for item in self.items if item.get(metric) is not None]
            intervals[metric] = [_round(bound) for bound in interval(self.values(metric), groups=groups)]
        return {
            "suite": self.suite,
            **means,
            **self.figures,
            "intervals": intervals,
            "settings": dict(self.settings),
            "problems": list(self.problems),
        }

    def data(self) -> dict[str, Any]:
        """All of it as plain data, as `read_report` gives it.

        Returns:
            The summary with the names of the metrics and the items.
        """
        return {**self.summary(), "metrics": list(self.metrics), "items": list(self.items)}

    def write(self, folder: Path) -> None:
        """Write report.json, report.md and report.html.

        Args:
            folder: made when missing.
        """
        from nacre.eval.history import remember
        from nacre.eval.pages import html_page, markdown_page

        private_folder(folder)
        data = self.data()
        for name, text in (
            ("report.json", to_json(data, ensure_ascii=False, indent=1, default=str)),
            ("report.md", markdown_page(data)),
            ("report.html", html_page(data)),
        ):
            atomic_write(folder / name, text)  # an interrupted run leaves no half report
        remember(folder, data)


def read_report(path: Path) -> dict[str, Any]:
    """Read a report.json.

    Args:
        path: the file, or the folder that it is in.

    Returns:
        The data that `Report.write` wrote.

    Raises:
        EvaluationError: there is none, it is cut short, or it is something else.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        data = json.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        told = tr("{file} is no report: {error}. Write one with: nacre eval … --out FOLDER", file=file, error=error)
        raise EvaluationError(told) from error
    if not isinstance(data, dict) or not {"suite", "metrics", "items"} <= set(data):
        raise EvaluationError(tr("{file} is no report: it lacks suite, metrics or items.", file=file))
    return data


def fingerprint(texts: Iterable[str]) -> str:
    """16 hexadecimal digits for a set of texts, the same however they are ordered."""
    each = sorted(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts)
    return hashlib.sha256("".join(each).encode()).hexdigest()[:16]


def percentile(values: Sequence[float], share: float) -> float:
    """A percentile by the nearest rank; a share of 0.5 is the median."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def _mean(values: Sequence[float]) -> float | None:
    return _round(sum(values) / len(values)) if values else None


def _round(value: float) -> float:
    return round(value, 6)
