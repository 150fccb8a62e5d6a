"""What a `postgresql://` place says: where the server is, which base, and how it is to be searched.

    postgresql://user@host/db?base=handbook&index=exact|hnsw&words=auto|sql|textsearch&read=URL&arms=qdrant+http://…

Every other parameter is libpq's. A password better stands in PGPASSWORD, `.pgpass` or a service file; where it stands
here, it goes to the server and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from nacre.errors import UsageError
from nacre.store.qdrant.engine import ArmsAddress, parse_arms
from nacre.text.language import tr

_BASE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_OURS = {"base": "nacre", "index": "exact", "words": "auto", "read": "", "arms": ""}
_CHOICES = {"index": ("exact", "hnsw"), "words": ("auto", "sql", "textsearch")}


@dataclass(frozen=True)
class Address:
    """A place in PostgreSQL.

    Args:
        primary: libpq's connection string of the server that is written.
        replica: that of one to search in; empty for the same.
        shown: the place as people may see it: without a password.
        arms: where both arms of a search are, beside the truth.
    """

    primary: str
    replica: str
    shown: str
    base: str
    index: str
    words: str
    arms: ArmsAddress | None
    prefix: str = "nacre_"
    """Before the base's name: whose tables are meant. No base has another's: its own is `nacre_`, up to the first
    underscore."""

    @property
    def schema(self) -> str:
        """The schema that holds the tables."""
        return self.prefix + self.base


def parse_address(place: str) -> Address:
    """Read a place; raises `UsageError` for a parameter that means nothing."""
    try:
        url = urlsplit(place)
        pairs = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
        port = url.port
    except ValueError as error:
        raise UsageError(tr("The address of the database cannot be read ({error}).", error=error)) from None
    ours = {**_OURS, **{key: value for key, value in pairs if key in _OURS}}
    ours["words"] = ours["words"].removeprefix("pg_")
    theirs = [(key, value) for key, value in pairs if key not in _OURS]
    if not _BASE.fullmatch(ours["base"]):
        raise UsageError(
            tr(
                "base is {base!r}: write a small letter, then small letters, digits or _, 48 in all.",
                base=ours["base"][:80],
            )
        )
    for key, choices in _CHOICES.items():
        if ours[key] not in choices:
            raise UsageError(
                tr("{key} is {value!r}; choose from {choices}.", key=key, value=ours[key], choices=", ".join(choices))
            )
    arms = parse_arms(ours["arms"], ours["base"]) if ours["arms"] else None
    ours["arms"] = arms.shown if arms else ""
    host = f"[{url.hostname}]" if url.hostname and ":" in url.hostname else url.hostname or ""
    user = f"{quote(url.username)}@" if url.username else ""
    port_part = f":{port}" if port else ""
    kept = [(key, value) for key, value in ours.items() if (value and value != _OURS[key]) or key == "base"]
    shown = [*_without_secrets(theirs), *((key, _shown(value) if key == "read" else value) for key, value in kept)]
    return Address(
        primary=urlunsplit(("postgresql", url.netloc, url.path, _query(theirs), "")),
        replica=ours["read"],
        shown=urlunsplit(
            ("postgresql", f"{user}{host}{port_part}", url.path, urlencode(shown, safe="/:+@", quote_via=quote), "")
        ),
        base=ours["base"],
        index=ours["index"],
        words=ours["words"],
        arms=arms,
    )


def beside(place: str, base: str) -> str:
    """Another base where a place is."""
    url = urlsplit(place)
    pairs = [(key, value) for key, value in parse_qsl(url.query, keep_blank_values=True) if key != "base"]
    return urlunsplit(url._replace(query=_query([*pairs, ("base", base)])))


def _query(pairs: list[tuple[str, str]]) -> str:
    return urlencode(pairs, safe="/:@", quote_via=quote)  # libpq reads no + as a space


def _shown(url: str) -> str:
    """The address of a replica without its password."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1@", url)


def _without_secrets(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(key, value) for key, value in pairs if "password" not in key and key != "sslkey"]
