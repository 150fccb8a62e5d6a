"""finetune check, merge, list, remove: what is done with what has been trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.evaluation.reports import Limit, OutOption, bar
from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, console, folder, folder_to_write, print_json
from nacre.text.language import listed, tr

_Adapter = Annotated[Path, typer.Argument(help=tr("A folder that was trained."))]


def check(
    adapter: _Adapter,
    data: Annotated[Path, typer.Option("--data", help=tr("The rows; those held out are asked."))],
    kb: Annotated[
        Path | None, typer.Option("--kb", parser=folder, metavar="<path>", help=tr("Ask over it too."))
    ] = None,
    suites: Annotated[str, typer.Option("--suites", help="answers,refusal,sample")] = "answers,refusal,sample",
    limit: Limit = 40,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Check; exit 1 where something is surely worse than the base."""
    from nacre.finetuning.checking import check as checked

    with bar(as_json, tr("Asking")) as show:
        found = checked(
            adapter, data, suites=[name.strip() for name in suites.split(",") if name.strip()],
            kb=opened(kb) if kb else None, limit=limit, out=out, on_progress=show,
        )  # fmt: skip
    told = {suite: {who: report.summary() for who, report in each.items()} for suite, each in found.reports.items()}
    if as_json:
        gate = {"passed": found.passed, "losses": found.losses}
        print_json({"suites": told, "gate": gate, "against_quote": found.against_quote})
    else:
        _show(told)
        if found.losses:
            console(stderr=True).print(tr("Surely worse than the base: ") + listed(found.losses), style="red")
        if found.against_quote:
            console().print(tr("Surely worse than quote, which costs nothing: ") + listed(found.against_quote))
    return 0 if found.passed else 1


def _show(told: dict[str, dict[str, dict[str, Any]]]) -> None:
    from rich.table import Table

    table = Table("", *next(iter(told.values())), box=None, pad_edge=False)
    for suite, each in told.items():
        for metric in next(iter(each.values()))["intervals"]:
            cells = [_cell(summary, metric) for summary in each.values()]
            table.add_row(f"{suite} {metric}", *cells)
    console().print(table)


def _cell(summary: dict[str, Any], metric: str) -> str:
    value, interval = summary.get(metric), summary["intervals"].get(metric)
    return "–" if value is None or not interval else f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def merge(
    adapter: _Adapter,
    out: Annotated[Path, typer.Option("--out", callback=folder_to_write, help=tr("Folder of the merged model."))],
    as_json: JsonFlag = False,
) -> None:
    """Merge."""
    from nacre.finetuning.merging import merge as merged

    done = merged(adapter, out)
    if as_json:
        print_json(vars(done))
        return
    told = tr("{out}: the same answers as the adapter's on {count} rows.", out=done.out, count=done.compared)
    console().print(told, markup=False)
    console().print(tr("As GGUF, by llama.cpp: ") + done.gguf, style="dim", markup=False)


def listing(
    place: Annotated[Path, typer.Argument(help=tr("Where to look, two folders deep."))] = Path(),
    as_json: JsonFlag = False,
) -> None:
    """List."""
    from nacre.finetuning.card import found_in

    names = ("kind", "method", "base_model", "created")
    rows: list[dict[str, Any]] = []
    for path, card in found_in(place):
        gate = card.get("gate") or {}
        count = (card.get("data") or {}).get("rows")
        rows.append(
            {"path": str(path), **{name: card.get(name) for name in names}, "rows": count, "passed": gate.get("passed")}
        )
    if as_json:
        print_json({"adapters": rows})
        return
    for row in rows:
        console().print("  ".join(str(value) for value in row.values() if value is not None), markup=False)
    if not rows:
        console().print(tr("Nothing has been trained in {place}.", place=place), markup=False)


def remove(
    adapter: _Adapter,
    yes: Annotated[bool, typer.Option("--yes", help=tr("Do not ask."))] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove a folder that `nacre finetune` has written, and no other."""
    import sys

    from nacre.finetuning.card import removable

    path = removable(adapter)
    if not yes and sys.stdin.isatty():
        typer.confirm(tr("Remove {adapter} and all in it?", adapter=adapter), abort=True)
    shutil.rmtree(path)
    if as_json:
        print_json({"removed": str(adapter)})
    else:
        console().print(tr("Removed: {adapter}", adapter=adapter), markup=False)
