"""What a `postgresql://` place says: where the server is, which base, and how it is to be searched.

    postgresql://user@host/db?base=handbook&index=exact|hnsw&words=auto|sql|textsearch&read=URL&arms=qdrant+http://…

Every other parameter is libpq's. A password better stands in PGPASSWORD, `.pgpass` or a service file; where it stands
here, it goes to the server and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from nacre.errors import UsageError
from nacre.store.qdrant.engine import ArmsAddress, parse_arms
from nacre.text.language import tr

_BASE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_OURS = {"base": "nacre", "index": "exact", "words": "auto", "read": "", "arms": ""}
_CHOICES = {"index": ("exact", "hnsw"), "words": ("auto", "sql", "textsearch")}
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\],@]*)(?::\d{1,5})?"  # several mean whichever answers
_SERVER = re.compile(rf"(?:(?P<user>[^:@]*)(?::(?P<password>[^@]*))?@)?(?P<hosts>{_HOST}(?:,{_HOST})*)")
_SHOWN = ("host", "hostaddr", "port", "dbname", "user", "service", "sslmode", "target_session_attrs")
"""Of libpq's parameters those that may be seen. What is misspelt may be a password."""


@dataclass(frozen=True)
class Address:
    """A place in PostgreSQL.

    Args:
        primary: libpq's connection string of the server that is written.
        replica: that of one to search in; empty for the same.
        secrets: the passwords in both, as they were written.
        shown: the place as people may see it: without a password.
        arms: where both arms of a search are, beside the truth.
    """

    primary: str = field(repr=False)
    replica: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
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
    url, pairs, server = _read(place)
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
    replica, ours["read"] = ours["read"], ""
    secrets = _secrets(server, theirs)
    if replica:
        at, more, its = _read(replica)
        ours["read"], secrets = _shown(at, its, more), secrets + _secrets(its, more)
    kept = [(key, value) for key, value in ours.items() if (value and value != _OURS[key]) or key == "base"]
    return Address(
        primary=urlunsplit(("postgresql", url.netloc, url.path, _query(theirs), "")),
        replica=replica,
        secrets=secrets,
        shown=_shown(url, server, theirs, kept),
        base=ours["base"],
        index=ours["index"],
        words=ours["words"],
        arms=arms,
    )


def _read(text: str) -> tuple[SplitResult, list[tuple[str, str]], re.Match[str]]:
    """The parts of a URL, its parameters, and who is called where. What cannot be read is not shown: a character that
    should have been written as % and two digits splits a password anywhere.
    """
    server = None
    with suppress(ValueError):
        url = urlsplit(text)
        pairs = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
        known = url.scheme in ("postgresql", "postgres") and not url.fragment and "@" not in url.path
        if known and all(re.fullmatch(r"[A-Za-z_]+", key) for key, _ in pairs):
            server = _SERVER.fullmatch(url.netloc)
    if server is None:
        raise UsageError(
            tr(
                "The address of the database cannot be read. Write postgresql://USER@HOST/DATABASE?base=NAME, and the "
                "password into PGPASSWORD or ~/.pgpass; in an address, all but its letters and digits is "
                "percent-encoded."
            )
        )
    return url, pairs, server


def _shown(
    url: SplitResult, server: re.Match[str], theirs: list[tuple[str, str]], ours: Sequence[tuple[str, str]] = ()
) -> str:
    """A URL as people may see it."""
    user = f"{server['user']}@" if server["user"] else ""
    pairs = [*((key, value) for key, value in theirs if key in _SHOWN), *ours]
    query = urlencode(pairs, safe="/:+@", quote_via=quote)
    return urlunsplit(("postgresql", f"{user}{server['hosts']}", url.path, query, ""))


def _secrets(server: re.Match[str], theirs: list[tuple[str, str]]) -> tuple[str, ...]:
    found = [server["password"], *(value for key, value in theirs if "pass" in key.lower())]
    return tuple(each for written in found if written for each in {written, unquote(written)})


def beside(place: str, base: str) -> str:
    """Another base where a place is; its arms are a collection of its own."""
    url = urlsplit(place)
    pairs = [(key, value) for key, value in parse_qsl(url.query, keep_blank_values=True) if key != "base"]
    pairs = [
        (key, f"qdrant+{parse_arms(value, base).url}" if key == "arms" and value else value) for key, value in pairs
    ]
    return urlunsplit(url._replace(query=_query([*pairs, ("base", base)])))


def _query(pairs: list[tuple[str, str]]) -> str:
    return urlencode(pairs, safe="/:@", quote_via=quote)  # libpq reads no + as a space
