"""The curves of a training as a page: loss and held-out loss over the steps, drawn without a library."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from nacre.finetuning.plan import Plan
from nacre.system.files import atomic_write

_WIDTH, _HEIGHT, _EDGE = 720, 260, 40
_COLOURS = {"loss": "#2563eb", "eval_loss": "#dc2626"}


def write_curves(folder: Path, curves: Sequence[Mapping[str, float]], plan: Plan) -> None:
    """Write report.html: the settings and the curves."""
    rows = "".join(f"<tr><th>{html.escape(k)}<td>{html.escape(str(v))}" for k, v in asdict(plan).items())
    head = f'<!doctype html><meta charset="utf-8"><title>{html.escape(folder.name)}</title>'
    page = f"{head}{drawn(curves)}<table>{rows}</table>"
    atomic_write(folder / "report.html", page)


def drawn(curves: Sequence[Mapping[str, float]]) -> str:
    """The curves as SVG."""
    lines = {name: [(c["step"], c[name]) for c in curves if name in c] for name in _COLOURS}
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    last, most = max(x for x, _ in points), max(y for _, y in points)
    least = min(0.0, *(y for _, y in points))

    def at(x: float, y: float) -> str:
        across = _EDGE + x / max(1, last) * (_WIDTH - 2 * _EDGE)
        down = _HEIGHT - _EDGE - (y - least) / max(1e-9, most - least) * (_HEIGHT - 2 * _EDGE)
        return f"{across:.1f},{down:.1f}"

    parts = [
        f'<polyline fill="none" stroke="{_COLOURS[name]}" points="{" ".join(at(x, y) for x, y in line)}">'
        f"<title>{name}</title></polyline>"
        for name, line in lines.items()
        if line
    ]
    labels = (
        f'<text x="4" y="{_EDGE}">{most:.2f}</text><text x="4" y="{_HEIGHT - _EDGE}">{least:.2f}</text>'
        f'<text x="{_WIDTH - 2 * _EDGE}" y="{_HEIGHT - 8}">{last:.0f}</text>'
    )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" font-size="12">{"".join(parts)}{labels}</svg>'
