"""reembed: another embedder for a knowledge base, while it is searched."""

from __future__ import annotations

from typing import Annotated

import typer

from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, console, named, print_json, progress
from nacre.text.language import tr


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(help=tr("Give a knowledge base the vectors of another embedder, while it is searched."))(reembed)


def reembed(
    kb: KbOption,
    embedder: Annotated[
        str | None,
        typer.Option("--embedder", parser=named, metavar="<name>", help=tr("The new embedder; left out: the default.")),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help=tr("Go back to the vectors from before the last time."))] = False,
    as_json: JsonFlag = False,
) -> None:
    """Embed every chunk anew beside the old vectors, then switch in one step."""
    base, out = opened(kb), console()
    if undo:
        name = base.undo_reembed()
        print_json({"embedder": name}) if as_json else out.print(tr("{name} is used again.", name=name), markup=False)
        return
    with progress(quiet=as_json) as bar:
        task = bar.add_task(tr("Embedding"), total=None)
        report = base.reembed(embedder, on_progress=lambda done, total: bar.update(task, completed=done, total=total))
    if as_json:
        print_json(report)
        return
    out.print(
        tr(
            "{chunks} chunks embedded by {embedder} in {seconds} s. Back: nacre reembed --undo --kb {kb}",
            **{key: report[key] for key in ("chunks", "embedder", "seconds")},
            kb=kb,
        ),
        markup=False,
    )
    if report["found_before"] is not None:
        before, after = f"{report['found_before']:.0%}", f"{report['found_after']:.0%}"
        told = tr(
            "Sentences that find their own passage by meaning: {before} before, {after} now.",
            before=before,
            after=after,
        )
        out.print(told, style="dim", markup=False)
