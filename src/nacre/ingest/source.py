"""What a source is to a knowledge base: a named scope that lists items, each readable later.

Three facts travel from a source to the ledger, and all three are in the types here:

* what is there: an `Item` for each document;
* what could not be seen: an `Unreachable` for a file, a folder or a page that exists or may exist but
  cannot be listed or read now. Documents at or below its uri are kept, never deleted;
* whether the listing is complete: `items()` that ends normally is complete; one that raises is not,
  and then nothing of that scope is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Item:
    """One document that a source offers. Cheap to make: the content comes only when `read` is called.

    Args:
        read: gives the content, bytes to be parsed or text as it is; may raise `SourceError` or `OSError`. Called at
            most once, perhaps from another thread, but never beside another `read` of the same source.
        mime: type if the source knows it ("text/html"); empty lets the parser look at name and content.
        stamp: changes whenever the content may have changed (an ETag, or size and mtime in ns); equal to the
            last sync's means "unchanged, need not be read"; empty means "read it and compare".
        modified: time of the last change in seconds since 1970, or None when unknown.
        principals: who may see it, when the source itself knows; None leaves that to `sync(principals=…)`.
        metadata: what the source says of it: text, numbers, true or false, or lists of these. They are fields of the
            document, before those that it has of itself.
    """

    uri: str
    read: Callable[[], bytes | str]
    mime: str = ""
    stamp: str = ""
    title: str = ""
    modified: float | None = None
    principals: tuple[str, ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unreachable:
    """A place that could not be listed or read now; documents at or below it stay as they are."""

    uri: str
    reason: str


@runtime_checkable
class Source(Protocol):
    """Something that lists documents.

    `scope` names the source, the same on every run. A sync deletes only documents that were listed under
    this scope before, or, for a scope that ends in "/", whose uri begins with it.
    """

    @property
    def scope(self) -> str:
        """Name of the source: a uri, and for a folder the folder's uri with a final slash."""
        ...

    def items(self) -> Iterator[Item | Unreachable]:
        """List every document; raise `SourceError` when the listing itself fails."""
        ...


class TextSource:
    """Documents that are already in memory.

    Args:
        scope: name of the collection, "memory:faq/"; documents that an earlier run listed and this one does not are
            pruned.
        mime: type of all the texts; "text/markdown" lets headings be found.

    Example:
        >>> source = TextSource("memory:faq/", [("memory:faq/1", "Nacre is mother-of-pearl.", "What is nacre?")])
        >>> [item.title for item in source.items()]
        ['What is nacre?']
    """

    def __init__(self, scope: str, documents: Iterable[Sequence[str]], mime: str = "text/plain") -> None:
        self.scope = scope
        self._documents = list(documents)
        self._mime = mime

    def items(self) -> Iterator[Item]:
        """List the documents."""
        for uri, text, *title in self._documents:
            yield Item(uri=uri, read=partial(str, text), mime=self._mime, title=title[0] if title else "")
