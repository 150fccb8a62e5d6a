"""The ledger of a sync: what the sources list, which documents they no longer have, and who may see those that come.

What changed of those that they have, `sync` decides, one document at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from nacre.errors import NacreError
from nacre.ingest.archives import MARK
from nacre.ingest.source import Item, Source, Unreachable
from nacre.store.protocol import DocumentStore, WriteSession
from nacre.store.records import PUBLIC, DocumentState
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


class Permissions:
    """Who may see a document that a sync brings: whom this sync names, else who was named last for the same places."""

    def __init__(
        self, catalog: DocumentStore, session: WriteSession, principals: tuple[str, ...] | None, scopes: Sequence[str]
    ) -> None:
        self.session = session
        self.given = None if principals is None else session.audience(principals)
        if principals is not None:
            for scope in scopes:
                session.grant(scope, principals)
        self.remembered = {scope: session.audience(names) for scope, names in catalog.grants().items()}

    def audience(self, scope: str, item: Item, known: DocumentState | None) -> int:
        """The audience of one document."""
        if item.principals is not None:
            return self.session.audience(item.principals)
        if self.given is not None:
            return self.given
        if known is not None:
            return known.audience
        around = [
            place for place in self.remembered if place == scope or (place.endswith("/") and item.uri.startswith(place))
        ]
        return self.remembered[max(around, key=len)] if around else PUBLIC
