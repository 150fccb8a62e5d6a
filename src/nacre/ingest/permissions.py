"""Who may see a document that a sync brings: what was said last, never more than that by omission."""

from __future__ import annotations

from collections.abc import Sequence

from nacre.ingest.source import Item
from nacre.store.protocol import DocumentStore, WriteSession
from nacre.store.records import PUBLIC, DocumentState


class Permissions:
    """Principals given to a sync, and those that earlier syncs gave to the same places."""

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
