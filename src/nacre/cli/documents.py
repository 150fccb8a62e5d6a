"""ls, rm, verify, copy and reembed: what a knowledge base holds, whether it is whole, and where."""

from __future__ import annotations

import datetime
import difflib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, bar, command, named, print_json, say, tell
from nacre.errors import UsageError
from nacre.text.addresses import readable
from nacre.text.language import N_, listed, tr

_FIELDS = ("uri", "title", "mime", "chunks", "characters", "modified", "principals", "version")
_SHOWN_FIELDS = 6
_NEAR = 3  # addresses that are named instead of one that is not there


@command("ls", N_("List the documents of a knowledge base."))
def list_documents(kb: KbOption, as_json: JsonFlag = False) -> None:
    rows = [
        {**{name: row[name] for name in _FIELDS}, "fields": row.get("fields") or {}} for row in opened(kb).documents()
    ]
    if as_json:
        return print_json({"documents": rows})
    for row in rows:
        say((readable(row["uri"]), "cyan"))
        say(("   " + " · ".join(_facts(row)), "dim"))
    chunks = sum(row["chunks"] for row in rows)
    say(tr("{documents} documents, {chunks} chunks.", documents=len(rows), chunks=chunks))


def _facts(row: Mapping[str, Any]) -> list[str]:
    facts = [
        row["title"],
        row["mime"],
        tr("{count} chunks", count=row["chunks"]),
        tr("{count} characters", count=f"{row['characters']:,}"),
        _day(row["modified"]),
        tr("for {principals}", principals=listed(row["principals"])) if row["principals"] else "",
        *(f"{name}={value}" for name, value in list(row["fields"].items())[:_SHOWN_FIELDS]),
    ]
    return [fact for fact in facts if fact]


def _day(modified: float | None) -> str:
    try:
        return datetime.datetime.fromtimestamp(modified).date().isoformat() if modified is not None else ""
    except (ValueError, OverflowError, OSError):  # a source may say anything
        return ""


@command("rm", N_("Take documents out; while their source has them, its next sync brings them back."))
def remove(
    uris: Annotated[
        list[str], Argument(metavar="URI", help=tr("Addresses as `nacre ls` shows them, or paths of files."))
    ],
    kb: KbOption,
    as_json: JsonFlag = False,
) -> None:
    base = opened(kb)
    known = [row["uri"] for row in base.documents()]
    found = list(dict.fromkeys(_known(uri, known) for uri in uris))  # all of them or, where one is unknown, none
    for uri in found:
        base.delete(uri)
    tell(as_json, {"deleted": found}, "\n".join(tr("deleted {uri}", uri=readable(uri)) for uri in found))


def _known(given: str, known: Sequence[str]) -> str:
    """The exact address of what was named: as it is stored, as people read it, or by the path of its file."""
    if given in known:
        return given
    wanted = {readable(given), readable(_file(given))}
    found = [uri for uri in known if readable(uri) in wanted]
    if len(found) == 1:
        return found[0]
    near = found or _nearest(given, known)
    told = tr(" Nearest: {near}.", near=listed(map(readable, near))) if near else ""
    raise UsageError(
        tr("{given} is not the address of one document.", given=given) + told + tr(" nacre ls shows all of them.")
    )


def _file(given: str) -> str:
    try:
        return Path(given).absolute().as_uri()
    except ValueError:  # a zero byte
        return given


def _nearest(given: str, known: Sequence[str]) -> list[str]:
    wanted = readable(given).lower()
    shown = {readable(uri).lower(): uri for uri in known}
    holding = [text for text in shown if wanted in text]
    near = holding or difflib.get_close_matches(wanted, shown, _NEAR)
    return [shown[text] for text in near[:_NEAR]]


PlaceArgument = Annotated[
    str, Argument(parser=named, metavar="PLACE", help=tr("A folder, or postgresql://user@host/db?base=NAME."))
]


@command("verify", N_("Check that a knowledge base is whole; --repair rebuilds its indexes."))
def verify(
    kb: KbOption,
    repair: Annotated[bool, Option("--repair", help=tr("Rebuild both indexes from the catalog first."))] = False,
    against: Annotated[
        str | None,
        Option("--against", parser=named, metavar="<place>", help=tr("Compare with the base in another place.")),
    ] = None,
    queries: Annotated[int, Option("--queries", min=1, help=tr("How many sentences to ask both."))] = 200,
    as_json: JsonFlag = False,
) -> int:
    if repair:
        from nacre.retrieval.knowledge_base import KnowledgeBase

        KnowledgeBase.repair(kb).close()
    base = opened(kb)
    told: dict[str, Any] = {"problems": base.verify(), **base.stats()}
    if against is not None:
        from nacre.retrieval.comparison import compare

        with opened(against) as other:
            found = compare(base, other, queries)
        told["problems"] += found.problems
        told |= {"same_hits": found.same_hits, "same_order": found.same_order, "leaks": found.leaks}
    if as_json:
        print_json(told)
    else:
        _show(told)
    return 1 if told["problems"] or told.get("leaks") else 0


def _show(told: dict[str, Any]) -> None:
    for problem in told["problems"]:
        say((problem, "red"))
    if not told["problems"]:
        say(tr("Whole: {documents} documents, {chunks} chunks.", documents=told["documents"], chunks=told["chunks"]))
    if "leaks" in told:
        same = tr(
            "The same hits: {hits:.2%}; in the same order: {order:.2%}; shown to whom they are not for: {leaks}.",
            hits=told["same_hits"],
            order=told["same_order"],
            leaks=told["leaks"],
        )
        say(same)


@command("copy", N_("Copy a knowledge base to another place, without embedding anything."))
def copy(kb: PlaceArgument, place: PlaceArgument, as_json: JsonFlag = False) -> None:
    from nacre.store.copying import copy_store

    began = time.perf_counter()
    base = opened(kb)
    with bar(as_json, tr("Copying")) as show:
        counts = copy_store(base.store, place, show)
    told = {**counts, "embedded": 0, "seconds": round(time.perf_counter() - began, 3)}
    copied = {"documents": told["documents"], "chunks": told["chunks"]}
    tell(as_json, told, tr("Copied: {documents} documents, {chunks} chunks.", **copied))


@command("reembed", N_("Give a knowledge base the vectors of another embedder, while it is searched."))
def reembed(
    kb: KbOption,
    embedder: Annotated[
        str | None,
        Option("--embedder", parser=named, metavar="<name>", help=tr("The new embedder; left out: the default.")),
    ] = None,
    undo: Annotated[bool, Option("--undo", help=tr("Go back to the vectors from before the last time."))] = False,
    as_json: JsonFlag = False,
) -> None:
    base = opened(kb)
    if undo:
        name = base.undo_reembed()
        return tell(as_json, {"embedder": name}, tr("{name} is used again.", name=name))
    with bar(as_json, tr("Embedding")) as show:
        report = base.reembed(embedder, on_progress=show)
    told = tr(
        "{chunks} chunks embedded by {embedder} in {seconds} s. Back: nacre reembed --undo --kb {kb}", **report, kb=kb
    )
    tell(as_json, report, told)
    if not as_json and report["found_before"] is not None:
        before, after = f"{report['found_before']:.0%}", f"{report['found_after']:.0%}"
        told = tr(
            "Sentences that find their own passage by meaning: {before} before, {after} now.",
            before=before,
            after=after,
        )
        say((told, "dim"))
