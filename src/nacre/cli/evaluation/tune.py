"""eval tune: settings of a knowledge base, chosen on half of a question set and judged by the other half."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.evaluation.reports import Asked, OutOption, finish
from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, ModelOption, bar, console
from nacre.text.language import tr


def tune(
    kb: KbOption,
    data: Annotated[Path, typer.Option("--data", help=tr("Questions with answers."))],
    model: ModelOption = None,
    grid: Annotated[
        str | None, typer.Option("--grid", help=tr('What to try: {"k": [4, 8], "chunk_size": [100, "auto"]}'))
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help=tr("Keep the choice in the knowledge base, if it is surely better."))
    ] = False,
    as_json: JsonFlag = False,
    out: OutOption = None,
) -> int:
    """Tune retrieval settings."""
    from nacre.connectors.models import load_model
    from nacre.eval.datasets import load_questions
    from nacre.eval.tuning import read_grid
    from nacre.eval.tuning import tune as tuned

    questions, _ = load_questions(data)
    wanted = read_grid(grid) if grid else None
    with bar(as_json, tr("Trying")) as show:
        report = tuned(opened(kb), questions, load_model(model), grid=wanted, write=write, on_progress=show)
    status = finish(report, as_json, out, Asked())
    if not as_json:
        _show_tried(report.figures)
    return status


def _show_tried(figures: Mapping[str, Any]) -> None:
    """The best settings of the first half, today's among them, and what the second half says of them."""
    from rich.table import Table

    names = list(figures["present"])
    table = Table(*names, tr("right"), tr("evidence"), tr("tokens"), box=None, pad_edge=False)
    ranked = sorted(figures["tried"], key=lambda row: (-row["success"], row["tokens_in"]))
    for place, row in enumerate(ranked):
        today = all(row[name] == figures["present"][name] for name in names)
        if place < 5 or today:
            cells = [
                *(str(row[name]) for name in names),
                f"{row['success']:.3f}",
                f"{row['evidence']:.3f}",
                f"{row['tokens_in']:.0f}",
            ]
            table.add_row(*cells, style="bold" if today else "")
    out = console()
    out.print(tr("\nOn the half that was tried on (today's settings in bold):"))
    out.print(table)
    out.print(figures["verdict"], markup=False)
    if figures["written"]:
        out.print(tr("Written to settings.json."))
    elif figures["chosen"] != figures["present"]:
        out.print(tr("Add --write to keep it."), style="dim")
