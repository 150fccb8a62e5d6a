"""sync: a knowledge base brought up to date with its sources."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, command, named, principals, print_json, progress, say
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
