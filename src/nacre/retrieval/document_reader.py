"""What a knowledge base tells of its documents, by address or by number."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from nacre.errors import UsageError
from nacre.retrieval.arguments import check_principals
from nacre.retrieval.search import audiences
from nacre.store.protocol import Store
from nacre.text.language import tr
from nacre.validation import expect


class DocumentReader:
    """Reads the documents of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def text(self, uri: str) -> str:
        """The extracted text of a document, whoever may see it: check with `visible` before showing it to others.

        Raises:
            UsageError: no document has that address.
        """
        expect(uri, "uri", str)
        found = self.store.catalog.text(uri)
        if found is None:
            raise UsageError(tr("No document has the address {uri}. kb.documents() lists them all.", uri=uri))
        return found

    def text_of_version(self, number: int, version: int, principals: Iterable[str] | None = None) -> str | None:
        """What a document said in a version, as far as the asker may see both that one and what it is today.

        Args:
            number: the document's, which hits and citations carry beside its version.
            principals: as whom, as in `search`.

        Returns:
            The text; None where there is no such version, or none is kept (setting `keep_versions`).
        """
        expect(version, "version", Integral)
        found = self.store.catalog.find(int(number))
        seen = audiences(self.store.catalog.audiences(), check_principals(principals))
        if found is None or found.audience not in seen:
            return None
        if found.version == version:
            return self.store.catalog.text(found.uri)
        kept = (old for old in self.store.catalog.versions(found.id) if old.version == version)
        return next((old.text for old in kept if old.audience in seen), None)

    def visible(self, uri: str, principals: Iterable[str] | None = None) -> bool:
        """Whether a document is there and the asker may see it.

        Args:
            principals: as whom, as in `search`.
        """
        expect(uri, "uri", str)
        found, asker = self.store.catalog.find(uri), check_principals(principals)
        return found is not None and found.audience in audiences(self.store.catalog.audiences(), asker)

    def document(self, number: int) -> dict[str, Any] | None:
        """A document by the number that hits and citations carry, whoever may see it: check with `visible`."""
        expect(number, "number", Integral)
        if not 0 < number < 1 << 63:
            return None
        found = self.store.catalog.find(int(number))
        return {name: getattr(found, name) for name in ("uri", "title", "mime", "version")} if found else None

    def metadata(self, uri: str) -> dict[str, str]:
        """What a document's source said of it besides its text."""
        expect(uri, "uri", str)
        found = self.store.catalog.find(uri)
        return found.metadata if found else {}

    def documents(self) -> list[dict[str, Any]]:
        """All documents, sorted by address.

        Returns:
            uri, title, mime, version, principals, modified (seconds or None), chunks, characters, document_id,
            metadata, and the scope of its source.
        """
        return self.store.catalog.documents()
