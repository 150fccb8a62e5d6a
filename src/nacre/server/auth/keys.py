"""API keys: who asks, as whom they search, and how much they may ask. Only hashes are kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import secrets
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from nacre.errors import NacreError, UsageError
from nacre.server.records import open_tables
from nacre.store.places import scheme_of
from nacre.system.sqlite import Tables
from nacre.text.language import tr

_log = logging.getLogger("nacre.server.keys")
PREFIX = "nk-"
_SCHEMA = """
create table if not exists keys (
    id text primary key, name text not null unique, hash text not null unique, principals text not null,
    read_only integer not null, per_minute integer, tokens_per_day integer, created real not null, spend_limit text,
    write_main integer not null default 0
);
create table if not exists door (closed integer not null);
insert into door select 1 where exists (select 1 from keys) and not exists (select 1 from door);
"""
# No key is ever changed, so that each addition and each revocation moves one of these.
_STATE = "select count(*), coalesce(max(rowid), 0), (select count(*) from door) from keys"
# What a file of an older server lacks.
_ADDED = {"spend_limit": "text", "write_main": "integer not null default 0"}
_COLUMNS = (
    "id", "name", "principals", "read_only", "write_main", "per_minute", "tokens_per_day", "spend_limit", "created",
)  # fmt: skip
OWN = "key:"
"""Before a user's id: the principal that stands for it alone."""


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """How much money a key may use."""

    amount: Decimal
    period: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a limit.

        Example:
            >>> SpendLimit.parse("5.00/day").amount
            Decimal('5.00')
        """
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*/\s*(day|month)", text.strip(), re.ASCII)
        if match is None or not Decimal(match[1]):
            raise UsageError(tr("{text!r} is no limit in money. Write 5.00/day or 100/month.", text=text))
        return cls(Decimal(match[1]), match[2])

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.amount}/{self.period}"


@dataclass(frozen=True, slots=True)
class User:
    """Who sends a request: by a key or "local" where there is none; without principals he sees what is everyone's."""

    id: str
    name: str
    principals: tuple[str, ...] | None = None
    read_only: bool = False
    per_minute: int | None = None
    tokens_per_day: int | None = None
    spend_limit: SpendLimit | None = None
    write_main: bool = False

    @property
    def own(self) -> str:
        """The principal that stands for this user alone."""
        return OWN + self.id

    @property
    def sees(self) -> tuple[str, ...]:
        """As whom knowledge bases are searched: its principals, and itself."""
        return (*(self.principals or ()), self.own)

    @property
    def limited(self) -> bool:
        """Whether its requests are counted."""
        return any(limit is not None for limit in (self.per_minute, self.tokens_per_day, self.spend_limit))


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read when the keys looked so."""

    looks: tuple[int, ...] = ()
    users: dict[str, User] = field(default_factory=dict)
    were: bool = False


class Keys:
    """The API keys of a server, in a SQLite file of its data folder, or in the database of several.

    A key is 256 random bits, so a plain SHA-256 of it cannot be guessed back; slow hashes are for passwords.
    """

    def __init__(self, place: str | Path) -> None:
        self._place = place
        self._path = None if scheme_of(place) else Path(place) / "keys.sqlite"
        self._database = _open(place)
        self._file = _file(self._path)
        self._known = _Known()

    def add(
        self,
        name: str,
        principals: tuple[str, ...] | None = None,
        *,
        read_only: bool = False,
        per_minute: int | None = None,
        tokens_per_day: int | None = None,
        spend_limit: SpendLimit | None = None,
        write_main: bool = False,
    ) -> str:
        """Make a key."""
        name = name.strip()
        if not name or not name.isprintable():
            raise UsageError(tr("A key needs a name of printable characters."))
        if read_only and write_main:
            raise UsageError(tr("A key that may change nothing cannot write into main. Leave out one of the two."))
        if any(each.startswith(OWN) for each in principals or ()):
            told = tr("Principals that begin with {own!r} stand for single keys. Choose other names.", own=OWN)
            raise UsageError(told)
        if self._database.read("select 1 from keys where name = ?", (name,)):
            told = tr("There is a key named {name!r} already. Choose another name, or revoke it first.", name=name)
            raise UsageError(told)
        key = PREFIX + secrets.token_urlsafe(32)
        limit = None if spend_limit is None else str(spend_limit)
        may = (int(read_only), int(write_main), per_minute, tokens_per_day, limit)
        row = (secrets.token_hex(6), name, json.dumps(principals), *may, time.time(), _hash(key))
        sql = f"insert into keys ({', '.join(_COLUMNS)}, hash) values ({', '.join('?' * len(row))})"
        with self._database.write() as connection:
            connection.execute(sql, row)
            connection.execute("insert into door select 1 where not exists (select 1 from door)")
        return key

    def revoke(self, name: str) -> bool:
        """Take a key away; its next request is refused."""
        return bool(self._database.execute("delete from keys where name = ? or id = ? returning 1", (name, name)))

    def all(self) -> list[dict[str, Any]]:
        """Every key, without anything that would open a door."""
        rows = self._database.read(f"select {', '.join(_COLUMNS)} from keys order by created")
        told = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        for one in told:
            one["principals"] = json.loads(one["principals"])
            one |= {"read_only": bool(one["read_only"]), "write_main": bool(one["write_main"])}
        return told

    @property
    def shut(self) -> bool:
        """Whether there were keys at the last look, or ever: who lost the last one does not open by itself."""
        return self._known.were

    def open_door(self) -> None:
        """Let servers that start from now on answer this machine without a key."""
        if self.any():
            raise UsageError(tr("There are keys: nacre keys list. Revoke them first."))
        self._database.execute("delete from door")

    @property
    def fresh(self) -> bool:
        """Whether nobody has changed the file since it was read; of a database that cannot be seen."""
        return self._path is not None and self._known.looks == self._looks()

    def renew(self) -> None:
        """Read the keys anew, where they were changed; off the event loop. A database that is away is an error:
        nobody can be let in, or told that his key is wrong.
        """
        looks = self._looks()  # before reading, so that a change meanwhile is seen the next time
        if looks == self._known.looks:
            return
        were = self._known.were
        try:
            if self._file != _file(self._path):  # deleted, or another lies there: a backup that was restored
                self._database = _open(self._place)
                self._file = _file(self._path)
            rows = self._database.read("select * from keys")
            were = bool(self._database.read("select 1 from door limit 1")) or were
        except NacreError as error:
            if self._path is None:
                raise
            _log.error("the keys cannot be read, so nobody has one: %s", error)
            rows = []
        self._known = _Known(looks, {row["hash"]: _user(row) for row in rows}, were)

    def _looks(self) -> tuple[int, ...]:
        """What every commit of any process moves: time and length of the file and of its log."""
        if self._path is None:
            return tuple(self._database.read(_STATE)[0])
        seen: list[int] = []
        for path in (self._path, f"{self._path}-wal"):
            with contextlib.suppress(FileNotFoundError):
                facts = os.stat(path)  # noqa: PTH116 # asked with each request
                seen += (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        return tuple(seen)

    def any(self) -> bool:
        """Whether there are keys, so that every request needs one."""
        self.renew()
        return bool(self._known.users)

    def find(self, key: str) -> User | None:
        """Who a key, as the client sent it, belongs to; None for one that is not known."""
        self.renew()
        return self.recall(key)

    def recall(self, key: str) -> User | None:
        """As `find`, from memory, as of the last look."""
        return self._known.users.get(_hash(key))

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _open(place: str | Path) -> Tables:
    database = open_tables(place, "keys", _SCHEMA)
    if scheme_of(place):
        return database
    there = {row[1] for row in database.read("pragma table_info(keys)")}
    for name, kind in _ADDED.items():
        if name not in there:
            database.execute(f"alter table keys add column {name} {kind}")
    return database


def _file(path: Path | None) -> int:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path).st_ino if path else 0  # noqa: PTH116
    return 0


def _user(row: Any) -> User:
    named, money = json.loads(row["principals"]), row["spend_limit"]
    return User(
        row["id"],
        row["name"],
        None if named is None else tuple(named),
        bool(row["read_only"]),
        row["per_minute"],
        row["tokens_per_day"],
        SpendLimit.parse(money) if money else None,
        bool(row["write_main"]),
    )


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
