"""From the name of a place to the store that is there: a path is a folder, `scheme://` another kind of place.

Who writes a store registers its scheme under the entry point `nacre.stores`: a function `(place, embedder, create)`
that returns the store and the given embedder, as `open_store` does.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.errors import UsageError
from nacre.store.folder.manifest import is_made, read_manifest
from nacre.text.language import listed, tr
from nacre.validation import expect

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from nacre.store.encoder import Encoder
    from nacre.store.protocol import Store

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_POSTGRES = ("postgresql", "postgres")
_KEYWORDS = re.compile(r"^\s*(host|hostaddr|port|dbname|user|service|passfile)\s*=|\bpassword\s*=", re.IGNORECASE)
"""What shows libpq's other form, `host=… dbname=…`, which is no place."""


def open_store(place: str | Path, embedder: str | Embeddings | None, create: bool) -> tuple[Store, Encoder | None]:
    """Open a place, made when it is missing and may be, and the embedder that was given for it."""
    if scheme := scheme_of(place):
        opened: tuple[Store, Encoder | None] = _opener(scheme)(str(place), embedder, create)
        return opened
    from nacre.store.folder.store import open_folder

    if not create:
        check_exists(place)
    return open_folder(_folder(place), embedder)


class MadeWith:
    """Stands for the embedder that another place was made with: its identity is known, and nothing is embedded."""

    def __init__(self, identity: dict[str, Any]) -> None:
        self.identity = identity

    def embed_query(self, text: str) -> list[float]:
        """Never called by a copy."""
        raise NotImplementedError


def make_store(place: str | Path, made_with: dict[str, Any] | None) -> Store:
    """Open a place, or make it for the embedder of another one."""
    given: Any = MadeWith(made_with) if made_with else "none"
    return open_store(place, given, create=True)[0]


def scheme_of(place: str | Path) -> str:
    """The scheme of a place; empty for a folder."""
    found = _SCHEME.match(place) if isinstance(place, str) else None
    return found.group(1).lower() if found else ""


def is_postgres(place: str | Path) -> bool:
    """Whether a place is in PostgreSQL."""
    return scheme_of(place) in _POSTGRES


def shown(place: str | Path) -> str:
    """A place as people may see it: without a password."""
    if is_postgres(place):
        from nacre.store.postgres.address import parse_address

        return parse_address(str(place)).shown
    text = re.sub(r"(//[^/@:]*):[^@]*@", r"\1@", str(place))
    return f"{text.split('=')[0]}=…" if _KEYWORDS.search(text) else text


def within(place: str, base: str) -> str:
    """The place of another base on the same server."""
    from nacre.store.postgres.address import beside

    return beside(place, base)


def remove(place: str | Path) -> None:
    """Delete a base with all that it holds; one that is not there is gone already."""
    if scheme_of(place):
        from nacre.store.postgres.store import drop_postgres

        drop_postgres(str(place))
    else:
        shutil.rmtree(place, ignore_errors=True)


def mend_store(place: str | Path) -> None:
    """Make a place fit to be opened again, where what says how it was made is lost."""
    check_exists(place)
    if not scheme_of(place):
        from nacre.store.folder.store import restore_manifest

        restore_manifest(_folder(place))


def check_exists(place: str | Path) -> None:
    """Refuse a place without a knowledge base: a misspelt one is said, not made."""
    if scheme_of(place):
        open_store(place, None, create=False)[0].close()
        return
    folder = _folder(place)
    if not is_made(folder):
        raise UsageError(
            tr("There is no knowledge base in {folder}. Make one: nacre sync FOLDER --kb {folder}", folder=folder)
        )


def embedder_of(place: str | Path) -> str:
    """The name of the embedder that a place was made with; empty for none."""
    if scheme_of(place):
        store, _ = open_store(place, None, create=False)
        made_with = store.embedder
        store.close()
    else:
        manifest = read_manifest(_folder(place))
        made_with = manifest.embedder if manifest else None
    return str(made_with["id"]) if made_with else ""


def _opener(scheme: str) -> Any:
    if scheme in _POSTGRES:
        from nacre.store.postgres.store import open_postgres

        return open_postgres
    from importlib.metadata import entry_points

    registered = {entry.name: entry for entry in entry_points(group="nacre.stores")}
    if scheme not in registered:
        known = listed([*_POSTGRES[:1], *sorted(registered)])
        raise UsageError(
            tr(
                "No store is known for {scheme}://. Known are folders and {known}; others register under the entry "
                "point nacre.stores.",
                scheme=scheme,
                known=known,
            )
        )
    return registered[scheme].load()


def _folder(place: str | Path) -> Path:
    expect(place, "path", str, os.PathLike)
    if not str(place):
        raise UsageError(tr("The folder of the knowledge base is empty. Name one."))
    if _KEYWORDS.search(str(place)):
        raise UsageError(tr("A database is written as postgresql://USER@HOST/DATABASE?base=NAME, its password apart."))
    return Path(place)
