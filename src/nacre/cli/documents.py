"""sync, ls, rm, verify, copy and reembed: what a knowledge base takes in and holds, whether it is whole, and where."""

from __future__ import annotations

import datetime
import difflib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, bar, command, named, principals, print_json, progress, say, tell
from nacre.errors import UsageError
from nacre.text.addresses import readable
from nacre.text.language import N_, listed, tr

if TYPE_CHECKING:
    from nacre.ingest.report import Progress, SyncReport
    from nacre.ingest.source import Source


_WEB = re.compile(r"(sitemap:)?https?:", re.IGNORECASE)
WorkersOption = Annotated[
    str | None,
    Option(
        "--workers", parser=named, metavar="<ray>", help=tr("Parse and embed on a Ray cluster: ray, ray://HOST:PORT.")
    ),
]
HiddenOption = Annotated[
    bool | None,
    Option(
        "--include-hidden/--no-include-hidden",
        help=tr("Read hidden sheets, rows, columns and slides too; else as settings.json says (no)."),
    ),
]
PicturesOption = Annotated[
    bool | None,
    Option(
        "--pictures/--no-pictures",
        help=tr("Read the writing in pictures inside office files too, by OCR; else as settings.json says (no)."),
    ),
]
_FIELDS = ("uri", "title", "mime", "chunks", "characters", "modified", "principals", "version")
_SHOWN_FIELDS = 6
_NEAR = 3  # addresses that are named instead of one that is not there
PlaceArgument = Annotated[
    str, Argument(parser=named, metavar="PLACE", help=tr("A folder, or postgresql://user@host/db?base=NAME."))
]


@command("sync", N_("Bring a knowledge base up to date with files, folders or URLs."))
def sync(
    sources: Annotated[list[str], Argument(help=tr("Files, folders or URLs."))],
    kb: KbOption,
    who: Annotated[
        str | None, Option("--principals", help=tr("Only these may see the documents, comma separated."))
    ] = None,
    embedder: Annotated[
        str | None, Option("--embedder", parser=named, metavar="<name>", help=tr("Embedder for a new knowledge base."))
    ] = None,
    prune: Annotated[bool, Option("--prune/--no-prune", help=tr("Delete documents whose file is gone."))] = True,
    allow_private: Annotated[
        bool,
        Option(
            "--allow-private",
            help=tr("Let http(s) sources and what they redirect to lie on this machine and in private networks."),
        ),
    ] = False,
    follow_links: Annotated[
        bool, Option("--follow-links", help=tr("Also read what links in a folder name outside of it."))
    ] = False,
    fail_on_error: Annotated[
        bool, Option("--fail-on-error", help=tr("Exit with 1 when a document could not be read."))
    ] = False,
    workers: WorkersOption = None,
    include_hidden: HiddenOption = None,
    pictures: PicturesOption = None,
    as_json: JsonFlag = False,
) -> int:
    began = time.perf_counter()
    base = opened(kb, embedder, create=True)
    found = [_with_leave(source, allow_private, follow_links) for source in sources]
    with _shown(quiet=as_json) as show:
        report = base.sync(
            *found,
            principals=principals(who),
            prune=prune,
            on_progress=show,
            workers=workers,
            include_hidden=include_hidden,
            pictures=pictures,
        )
    report.seconds = time.perf_counter() - began
    _show_report(report, as_json)
    if report.failed and fail_on_error:
        return 1
    if not report.failed or report.added or report.updated or report.deleted or report.unchanged:
        return 0
    (uri, reason), count = report.failed[0], len(report.failed)
    more = tr(" ({count} failed)", count=count) if count > 1 else ""
    raise UsageError(tr("Nothing could be read. {first}{more}", first=f"{readable(uri)}: {reason}", more=more))


def _with_leave(source: str, allow_private: bool, follow_links: bool) -> Source:
    """A web source that may lie in a private network, a folder whose links may lead out; any other as it is."""
    from nacre.connectors.sources import resolve
    from nacre.connectors.sources.files import Files

    if allow_private and _WEB.match(source):
        return resolve(source, allow_private=True)
    found = resolve(source)
    if isinstance(found, Files):
        found.follow_links = follow_links
    return found


@contextmanager
def _shown(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """What to call with each step, shown as a bar that names the document."""
    with progress(quiet=quiet) as bar:
        task = bar.add_task(tr("Syncing"), total=None)

        def show(step: Progress) -> None:
            name = PurePosixPath(readable(step.uri).rstrip("/")).name[:40]
            part = f" {step.share:.0%}" if step.share < 1 else ""
            bar.update(task, completed=step.done, total=step.total or None, description=tr("Syncing ") + name + part)

        yield show


def show_languages(languages: list[dict[str, Any]]) -> None:
    """One line of which languages there are, and one of those that the embedder does not read."""
    if languages:
        shares = ", ".join(f"{each['name']} {each['share']:.0%}" for each in languages)
        say((tr("Languages: {shares}", shares=shares), "dim"))
    if strange := [each["name"] for each in languages if each["read"] is False]:
        told = tr(
            "The embedder does not read these: {names}. Such passages are found by their words alone; "
            "another embedder may read them (nacre reembed --embedder …).",
            names=listed(strange),
        )
        say((told, "yellow"))


def _show_report(report: SyncReport, as_json: bool) -> None:
    if as_json:
        return print_json(report.to_dict())
    names = {"added": tr("added"), "updated": tr("updated"), "deleted": tr("deleted"), "unchanged": tr("unchanged")}
    counts = [piece for key, name in names.items() for piece in ((str(getattr(report, key)), "bold"), f" {name}  ")]
    say(*counts, (f"{report.embedded} {tr('chunks embedded')}, {report.seconds:.3f} s", "dim"))
    show_languages(report.languages)
    if report.recut:
        say(tr("{recut} documents cut anew: chunk_size in settings.json has changed.", recut=report.recut))
    for uri, reason in report.failed:
        say((tr("failed "), "red"), f"{readable(uri)}: {reason}")
    by_document: dict[str, list[dict[str, Any]]] = {}
    for each in report.hidden_text:
        by_document.setdefault(each["uri"], []).append(each)
    for uri, found in by_document.items():
        first, more = found[0], len(found) - 1
        place = readable(uri) + (f" ({first['page']})" if first["page"] else "")
        rest = tr(" ({count} more)", count=more) if more else ""
        shown = f"{place}: {first['what']}: {first['excerpt'][:80]}{rest}"
        say((tr("left out, as nobody sees it "), "yellow"), shown)


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
        "{chunks} chunks embedded by {embedder} in {seconds} s. Back: nacre reembed --undo --kb {kb}",
        **report,
        kb=base.place,
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
