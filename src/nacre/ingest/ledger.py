"""The ledger of a sync: what the sources list, and which documents they no longer have.

What changed of those that they have, `sync` decides, one document at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from nacre.errors import NacreError
from nacre.ingest.archives import MARK
from nacre.ingest.source import Item, Source, Unreachable
from nacre.store.records import DocumentState
from nacre.text.hygiene import clean_text
from nacre.text.language import tr

_MANY = 10  # documents that nobody takes out of a source all at once


@dataclass
class Listing:
    """What all sources of a run list."""

    items: dict[str, tuple[str, Item]] = field(default_factory=dict)
    complete: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


def list_sources(sources: Iterable[Source]) -> Listing:
    """Ask every source what it has."""
    found = Listing()
    for source in sources:
        try:
            for item in source.items():
                if isinstance(item, Unreachable):
                    found.unreachable.append(item.uri)
                    found.failed.append((item.uri, item.reason))
                else:
                    uri = clean_text(item.uri)
                    found.items.setdefault(uri, (source.scope, item if uri == item.uri else replace(item, uri=uri)))
        except (NacreError, OSError) as error:
            found.failed.append((source.scope, str(error)))
        else:
            found.complete.append(source.scope)
    return found


def _doubt_empty(states: Collection[DocumentState], seen: Listing) -> None:
    """Who lists nothing where there were many documents, as a folder whose drive is not mounted, is away."""
    listed = {scope for scope, _ in seen.items.values()}
    for scope in [scope for scope in seen.complete if scope not in listed]:
        had = sum(state.scope == scope for state in states)
        if had >= _MANY:
            seen.complete.remove(scope)
            told = tr("nothing is there where {count} documents were; they stay: mount it, or use nacre rm", count=had)
            seen.failed.append((scope, told))


def find_gone(states: Collection[DocumentState], seen: Listing) -> list[DocumentState]:
    """Documents that their source no longer has."""
    _doubt_empty(states, seen)
    folders = tuple(scope for scope in seen.complete if scope.endswith("/"))
    complete = set(seen.complete)
    return [
        state
        for state in states
        if state.uri not in seen.items
        and (state.scope in complete or state.uri.startswith(folders))
        and not any(_below(state.uri, place) for place in seen.unreachable)
    ]


def _below(uri: str, place: str) -> bool:
    return uri == place or uri.startswith((place if place.endswith("/") else place + "/", place + MARK))
