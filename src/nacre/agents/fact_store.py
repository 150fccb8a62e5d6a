"""Facts that agents keep across sessions: of one owner each, who can read and delete them, and seen by nobody else."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nacre.errors import ToolError
from nacre.store.bm25 import query_weights, terms
from nacre.system.sqlite import Database, Tables
from nacre.text.hygiene import clean_text
from nacre.text.language import tr

MOST, LONGEST = 200, 500
TABLE = """
create table if not exists facts (id text primary key, owner text not null, at real not null, said text);
create index if not exists facts_by_owner on facts (owner, at)
"""


def owner_of(principals: Sequence[str] | None) -> str:
    """Whose facts those of an agent are that asks as these principals: a set has facts of its own."""
    return "" if principals is None else json.dumps(sorted(set(principals)), ensure_ascii=False)


class FactStore:
    """A small knowledge base of what was told, for each owner: in a file, ":memory:", or a database with `TABLE`."""

    def __init__(self, place: str | Path | Tables, *, most: int = MOST) -> None:
        self._database: Tables = Database(place, TABLE) if isinstance(place, str | Path) else place
        self._most = most

    def generation(self, owner: str) -> str:
        """Another text whenever the owner's facts are others."""
        rows = self._database.read("select count(*), max(at) from facts where owner = ?", (owner,))
        return f"{self._database.identity}:{owner}:{tuple(rows[0])}"

    def add(self, owner: str, text: str) -> str:
        """Keep a fact, once; gives its id. One that is too long, or too many, raise a `ToolError`."""
        said = " ".join(clean_text(text).split())
        if not 0 < len(said) <= LONGEST:
            raise ToolError(tr("A fact has 1 to {most} characters, not {size}.", most=LONGEST, size=len(said)))
        number = f"fact_{secrets.token_hex(8)}"
        with self._database.write() as db:
            known = db.execute("select id from facts where owner = ? and said = ?", (owner, said)).fetchone()
            if known:
                return str(known[0])
            if db.execute("select count(*) from facts where owner = ?", (owner,)).fetchone()[0] >= self._most:
                raise ToolError(tr("There are {most} facts already. The user has to delete some.", most=self._most))
            db.execute(
                "insert into facts (id, owner, at, said) values (?, ?, ?, ?)", (number, owner, time.time(), said)
            )
        return number

    def all(self, owner: str) -> list[dict[str, Any]]:
        """The facts of an owner, the newest first, as `{"id", "at", "text"}`."""
        rows = self._database.read("select id, at, said from facts where owner = ? order by at desc", (owner,))
        return [{"id": number, "at": at, "text": said} for number, at, said in rows]

    def find(self, owner: str, query: str, k: int = 20) -> list[dict[str, Any]]:
        """The facts that share most with a query; where it shares a word with none, the newest."""
        facts = self.all(owner)
        weights = query_weights(query)
        scores = {fact["id"]: sum(weights.get(term, 0.0) for term in set(terms(fact["text"]))) for fact in facts}
        found = [fact for fact in facts if scores[fact["id"]]]
        return sorted(found or facts, key=lambda fact: -scores[fact["id"]])[:k]

    def delete(self, owner: str, number: str) -> bool:
        """Forget a fact; False where the owner has none of that id."""
        gone = self._database.execute("delete from facts where owner = ? and id = ? returning id", (owner, number))
        return bool(gone)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
