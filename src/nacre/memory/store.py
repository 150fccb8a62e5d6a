"""Conversations in a SQLite file, behind LangChain's `BaseChatMessageHistory`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Row

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from nacre.system.sqlite import Database
from nacre.text.strict_json import to_json

_SCHEMA = """
create table if not exists messages (
    n integer primary key autoincrement,
    session text not null,
    at text not null default current_timestamp,
    message text not null
);
create index if not exists messages_of_session on messages (session, n);
"""
_LAST = """
select message from messages where session = ? and n >= coalesce((
    select n from messages where session = ? and json_extract(message, '$.type') = 'human'
    order by n desc limit 1 offset ?
), 0) order by n
"""


class SQLiteConversations:
    """Many conversations in one file, or in ":memory:". Calling it with a key gives that conversation."""

    def __init__(self, path: str | Path = ":memory:") -> None:
        self._database = Database(path, _SCHEMA)

    @property
    def identity(self) -> str:
        """Where the conversations are."""
        return self._database.identity

    def __call__(self, key: str) -> SQLiteHistory:
        """One conversation."""
        return SQLiteHistory(self._database, key)

    def keys(self) -> list[str]:
        """All conversations."""
        return [key for (key,) in self._database.read("select distinct session from messages order by session")]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class SQLiteHistory(BaseChatMessageHistory):
    """One conversation. Messages that are added together are kept together or not at all."""

    def __init__(self, database: Database, key: str) -> None:
        self._database = database
        self.key = key

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """The messages, oldest first."""
        rows = self._database.read("select message from messages where session = ? order by n", (self.key,))
        return _messages(rows)

    def last(self, turns: int) -> list[BaseMessage]:
        """The end of the conversation, in a time that does not grow with what was said before it."""
        if turns < 1:
            return []
        return _messages(self._database.read(_LAST, (self.key, self.key, turns - 1)))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages at the end, in one transaction."""
        rows = [(self.key, to_json(message_to_dict(m), ensure_ascii=False)) for m in messages]
        with self._database.write() as connection:
            connection.executemany("insert into messages (session, message) values (?, ?)", rows)

    def clear(self) -> None:
        """Forget the conversation."""
        self._database.execute("delete from messages where session = ?", (self.key,))


def _messages(rows: Sequence[Row]) -> list[BaseMessage]:
    return messages_from_dict([json.loads(row) for (row,) in rows])
