"""ls and rm: what a knowledge base holds, and taking documents out."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nacre.cli.knowledge import opened
from nacre.cli.output import JsonFlag, KbOption, console, print_json
from nacre.errors import UsageError
from nacre.text.addresses import readable
from nacre.text.language import listed, tr

_FIELDS = ("uri", "title", "mime", "chunks", "characters", "modified", "principals", "version")
_SHOWN_FIELDS = 6
_NEAR = 3  # addresses that are named instead of one that is not there


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(name="ls", help=tr("List the documents of a knowledge base."))(list_documents)
    app.command(name="rm", help=tr("Take documents out; while their source has them, its next sync brings them back."))(
        remove
    )


def list_documents(kb: KbOption, as_json: JsonFlag = False) -> None:
    """List the documents."""
    rows = [
        {**{name: row[name] for name in _FIELDS}, "fields": row.get("fields") or {}} for row in opened(kb).documents()
    ]
    if as_json:
        print_json({"documents": rows})
        return
    out = console()
    for row in rows:
        out.print(readable(row["uri"]), style="cyan", markup=False)
        out.print("   " + " · ".join(_facts(row)), style="dim", markup=False)
    chunks = sum(row["chunks"] for row in rows)
    out.print(tr("{documents} documents, {chunks} chunks.", documents=len(rows), chunks=chunks))


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


def remove(
    uris: Annotated[
        list[str], typer.Argument(metavar="URI", help=tr("Addresses as `nacre ls` shows them, or paths of files."))
    ],
    kb: KbOption,
    as_json: JsonFlag = False,
) -> None:
    """Take documents out: all of them or, where an address is unknown, none."""
    base = opened(kb)
    known = [row["uri"] for row in base.documents()]
    found = list(dict.fromkeys(_known(uri, known) for uri in uris))
    for uri in found:
        base.delete(uri)
    if as_json:
        print_json({"deleted": found})
        return
    for uri in found:
        console().print(tr("deleted {uri}", uri=readable(uri)), markup=False)


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
