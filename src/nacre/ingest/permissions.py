"""Who may see a document that a sync brings: what was said last, never more than that by omission."""

from __future__ import annotations

import json

from nacre.ingest.source import Item
from nacre.store.folder.catalog import Catalog
from nacre.store.records import PUBLIC, State


class Rights:
    """Principals given to a sync, and those that earlier syncs gave to the same places."""

    def __init__(self, catalog: Catalog, principals: tuple[str, ...] | None, scopes: list[str]) -> None:
        self.catalog = catalog
        self.given = None if principals is None else catalog.audience(principals)
        if principals is not None:
            for scope in scopes:
                catalog.remember_scope(scope, json.dumps(principals, ensure_ascii=False))
        self.remembered = {scope: catalog.audience(json.loads(names)) for scope, names in catalog.scopes()}

    def audience(self, scope: str, item: Item, known: State | None) -> int:
        """The audience of one document.

        Args:
            item: the document as the source lists it; principals that the source itself names come first.
        """
        if item.principals is not None:
            return self.catalog.audience(item.principals)
        if self.given is not None:
            return self.given
        if known is not None:
            return known.audience
        around = [
            place for place in self.remembered if place == scope or (place.endswith("/") and item.uri.startswith(place))
        ]
        return self.remembered[max(around, key=len)] if around else PUBLIC
