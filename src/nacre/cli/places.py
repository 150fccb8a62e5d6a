"""verify and copy: whether a place is whole, and the same base in another place."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, console, named, print_json, progress
from nacre.text.language import tr

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase

PlaceArgument = Annotated[
    str, typer.Argument(parser=named, metavar="PLACE", help=tr("A folder, or postgresql://user@host/db?base=NAME."))
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(help=tr("Check that a knowledge base is whole; --repair rebuilds its indexes."))(verify)
    app.command(help=tr("Copy a knowledge base to another place, without embedding anything."))(copy)


def verify(
    kb: KbOption,
    repair: Annotated[bool, typer.Option("--repair", help=tr("Rebuild both indexes from the catalog first."))] = False,
    against: Annotated[
        str | None,
        typer.Option("--against", parser=named, metavar="<place>", help=tr("Compare with the base in another place.")),
    ] = None,
    queries: Annotated[int, typer.Option("--queries", min=1, help=tr("How many sentences to ask both."))] = 200,
    as_json: JsonFlag = False,
) -> int:
    """Check a knowledge base; exit 1 when something is wrong."""
    if repair:
        from nacre.retrieval.knowledge_base import KnowledgeBase

        KnowledgeBase.repair(kb).close()
    base = opened(kb)
    told: dict[str, Any] = {"problems": base.verify(), **base.stats()}
    if against is not None:
        told |= _compared(base, against, queries, told["problems"])
    if as_json:
        print_json(told)
    else:
        _show(told)
    return 1 if told["problems"] or told.get("leaks") else 0


def _compared(base: KnowledgeBase, against: str, queries: int, problems: list[str]) -> dict[str, Any]:
    from nacre.retrieval.comparison import compare

    with opened(against) as other:
        found = compare(base, other, queries)
    return {
        "problems": [*problems, *found.problems],
        "same_hits": found.same_hits,
        "same_order": found.same_order,
        "leaks": found.leaks,
    }


def _show(told: dict[str, Any]) -> None:
    out = console()
    for problem in told["problems"]:
        out.print(problem, style="red", markup=False)
    if not told["problems"]:
        out.print(
            tr("Whole: {documents} documents, {chunks} chunks.", documents=told["documents"], chunks=told["chunks"])
        )
    if "leaks" in told:
        out.print(
            tr(
                "The same hits: {hits:.2%}; in the same order: {order:.2%}; shown to whom they are not for: {leaks}.",
                hits=told["same_hits"],
                order=told["same_order"],
                leaks=told["leaks"],
            )
        )


def copy(kb: PlaceArgument, place: PlaceArgument, as_json: JsonFlag = False) -> None:
    """Copy a knowledge base; run again after an interruption, it goes on where it stopped."""
    from nacre.store.copying import copy_store

    began = time.perf_counter()
    base = opened(kb)
    with progress(quiet=as_json) as bar:
        task = bar.add_task(tr("Copying"), total=None)
        counts = copy_store(base.store, place, lambda done, total: bar.update(task, completed=done, total=total))
    told = {**counts, "embedded": 0, "seconds": round(time.perf_counter() - began, 3)}
    if as_json:
        print_json(told)
    else:
        console().print(
            tr("Copied: {documents} documents, {chunks} chunks.", documents=told["documents"], chunks=told["chunks"])
        )
