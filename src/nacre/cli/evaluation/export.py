"""eval export: answers in the columns of other tools."""

from __future__ import annotations

from typing import Annotated

import typer

from nacre.cli.evaluation.reports import FileOption, ReportFile
from nacre.cli.knowledge import opened
from nacre.cli.output import console, kb_place
from nacre.text.language import tr


def export(
    report: ReportFile,
    out: FileOption,
    to: Annotated[str, typer.Option("--to", help="ragas, deepeval")] = "ragas",
    kb: Annotated[
        str | None, typer.Option("--kb", parser=kb_place, metavar="<place>", help=tr("Take whole passages from it."))
    ] = None,
) -> None:
    """Export answers."""
    from nacre.eval.exports import exported
    from nacre.eval.items import write_rows
    from nacre.eval.report import read_report

    rows = exported(read_report(report), to, opened(kb) if kb else None)
    write_rows(out, rows)
    console().print(tr("{count} rows in {out}.", count=len(rows), out=out), markup=False)
