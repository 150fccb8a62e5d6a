"""The last runs of a folder: what each reached, as a table and as a page with a line for each figure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nacre.errors import EvaluationError
from nacre.eval.pages import HTML, escaped, frame, table
from nacre.system.files import private_file
from nacre.text.language import tr
from nacre.text.strict_json import to_json

NAME = "history.jsonl"
_WIDE, _HIGH = 560, 120


def remember(folder: Path, data: Mapping[str, Any]) -> None:
    """Add a run to the history of its folder."""
    means = {name: data[name] for name in data["metrics"] if data.get(name) is not None}
    row = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "suite": data["suite"],
        "items": len(data["items"]),
        "errors": sum("error" in item for item in data["items"]),
        **{name: data[name] for name in ("seconds_p50", "cost") if name in data},
        "means": means,
        "intervals": data["intervals"],
    }
    private_file(folder / NAME)
    with (folder / NAME).open("a", encoding="utf-8") as file:
        file.write(to_json(row, ensure_ascii=False) + "\n")


def history(folders: Sequence[Path], last: int = 20) -> list[dict[str, Any]]:
    """The last runs of some folders, the oldest first."""
    rows = []
    for folder in folders:
        file = folder / NAME if folder.is_dir() else folder
        if not file.is_file():
            raise EvaluationError(tr("{folder} has no history. A run with --out {folder} writes it.", folder=folder))
        for line in file.read_text("utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                rows.append({**row, "run": folder.name, "at": str(row["at"]), "means": dict(row["means"])})
            except (ValueError, TypeError, LookupError):
                continue  # a line that was left half written
    return sorted(rows, key=lambda row: row["at"])[-last:]


def trend(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """The first and the last value of every figure."""
    names = dict.fromkeys(name for row in rows for name in row["means"])
    values = {name: [float(row["means"][name]) for row in rows if name in row["means"]] for name in names}
    return {name: (found[0], found[-1]) for name, found in values.items()}


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The history as an HTML page that needs nothing else."""
    changes = trend(rows)
    told = "; ".join(f"{name} {first:.3f} → {last:.3f}" for name, (first, last) in list(changes.items())[:4])
    heads = (tr("when"), tr("run"), tr("questions"), tr("errors"), *changes)
    cells = "".join(
        "<tr>"
        + "".join(f"<td>{escaped(row.get(name, ''))}" for name in ("at", "run", "items", "errors"))
        + "".join(f"<td class=n>{_shown(row['means'].get(name))}" for name in changes)
        for row in rows
    )
    lines = "".join(line(name, [row["means"].get(name) for row in rows]) for name in changes)
    head = tr("{count} runs. From the first to the last: {told}.", count=len(rows), told=told)
    return frame(
        tr("History"), f"<p class=verdict>{escaped(head)}</p><div class=grid>{lines}</div>{table(heads, cells)}"
    )


def _shown(value: Any) -> str:
    return "" if value is None else f"{float(value):.3f}"


def line(name: str, values: Sequence[Any]) -> str:
    """A figure over the runs, on the scale from 0 to 1 (or to its largest value)."""
    known = [(n, float(value)) for n, value in enumerate(values) if value is not None]
    top = max(1.0, *(value for _, value in known))
    step = (_WIDE - 20) / max(1, len(values) - 1)
    points = [(10 + n * step, _HIGH - 10 - (_HIGH - 20) * value / top, value) for n, value in known]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dots = "".join(HTML["dot"].format(x=x, y=y, value=value) for x, y, value in points)
    label = escaped(f"{name}: {known[0][1]:.3f} → {known[-1][1]:.3f}")
    edges = {"bottom": _HIGH - 10, "right": _WIDE - 10}
    return HTML["line"].format(label=label, wide=_WIDE, high=_HIGH, path=path, dots=dots, **edges)
