"""Runs that wait for a person's decision, in a SQLite file: they outlive the process, and each is decided once."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nacre.agents.approval import Decision
from nacre.errors import UsageError
from nacre.system.sqlite import Database, Tables
from nacre.text.language import tr
from nacre.text.strict_json import to_json

TABLE = """create table if not exists runs (id text primary key, owner text not null, at real not null, record text)"""
_DAY_S = 86_400
_TOO_MANY = """
delete from runs where at < ? or id in (select id from runs where owner = ? order by at desc limit 1000000000 offset ?)
"""
Record = dict[str, Any]


class RunStore:
    """Where runs wait, in a file, ":memory:", or a database that has `TABLE`: the latest `most` of each owner.

    A run is taken with its decision, and from then on nobody can decide it again.
    """

    def __init__(self, place: str | Path | Tables, *, days: float = 30, most: int = 200) -> None:
        self._database: Tables = Database(place, TABLE) if isinstance(place, str | Path) else place
        self._days, self._most = days, most

    @property
    def identity(self) -> str:
        """Where the runs are."""
        return self._database.identity

    def keep(self, owner: str, record: Record) -> str:
        """Keep a run; gives the id that decides it, which cannot be guessed."""
        number, now = f"run_{secrets.token_hex(16)}", time.time()
        text = to_json(record, ensure_ascii=False, default=str)
        with self._database.write() as db:
            db.execute("insert into runs (id, owner, at, record) values (?, ?, ?, ?)", (number, owner, now, text))
            db.execute(_TOO_MANY, (now - self._days * _DAY_S, owner, self._most))
        return number

    def waiting(self, owner: str = "") -> list[Record]:
        """The runs that wait for their owner's decision, oldest first."""
        asked = "select id, record from runs where owner = ? and record is not null order by at"
        records = [(number, json.loads(record)) for number, record in self._database.read(asked, (owner,))]
        return [{"run_id": number, "question": r["question"], "pending": r["pending"]} for number, r in records]

    def look(self, run_id: str, owner: str = "") -> Record:
        """A run that waits, without deciding it."""
        return self._waiting(run_id, self._database.read(_FIND, (run_id, owner)))

    def take(self, run_id: str, decision: Decision, owner: str = "") -> Record:
        """A run that waits, for whoever comes first: its record is gone from here on."""
        with self._database.write() as db:
            record = self._waiting(run_id, db.execute(_FIND, (run_id, owner)).fetchall())
            if isinstance(decision, dict) and len(record["pending"]) != 1:
                raise UsageError(
                    tr("Other arguments can be given where one call waits, not {calls}.", calls=len(record["pending"]))
                )
            db.execute("update runs set record = null where id = ?", (run_id,))
        return record

    def _waiting(self, run_id: str, rows: Sequence[Any]) -> Record:
        if not rows:
            raise UsageError(tr("No run {run_id!r} waits for you: it was never kept, or is forgotten.", run_id=run_id))
        if rows[0]["record"] is None:
            raise UsageError(tr("The run {run_id!r} has been decided already; it goes on once.", run_id=run_id))
        record: Record = json.loads(rows[0]["record"])
        return record

    def close(self) -> None:
        """Close the file."""
        self._database.close()


_FIND = "select record from runs where id = ? and owner = ?"


def checked(decision: Any) -> Decision:
    """A decision, or an error that says what one is: nothing is taken for a yes that is not one."""
    if isinstance(decision, bool | str | dict):
        return decision
    told = tr("A decision is True, False, a reason, or other arguments, not {decision!r}.", decision=decision)
    raise UsageError(told)
