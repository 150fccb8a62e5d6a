"""Questions to a database in SQL: one reading statement at a time, a bounded number of rows, nothing ever written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from nacre.connectors.search.sqlite_guard import LONGEST_VALUE, guarded
from nacre.errors import ToolError, UsageError
from nacre.extras import need
from nacre.text.language import tr

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_READS = re.compile(r"(?:select|with|values|explain)\b", re.IGNORECASE)
# What each engine is told before the statement, so that the engine itself refuses to write.
_GUARDS = {
    "sqlite": ("PRAGMA query_only = ON",),
    "postgresql": ("SET TRANSACTION READ ONLY", "SET LOCAL statement_timeout = {milliseconds}"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION MAX_EXECUTION_TIME = {milliseconds}"),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION max_statement_time = {seconds}"),
}


# Whether an account reaches beyond the tables. A transaction that may not write does not stop `SELECT … INTO OUTFILE`,
# `LOAD_FILE`, `pg_read_file`, or a function that writes a file of the server.
_GRANTS = {
    "postgresql": "SELECT rolsuper OR pg_has_role(current_user, 'pg_read_server_files', 'member')"
    " OR pg_has_role(current_user, 'pg_write_server_files', 'member')"
    " OR pg_has_role(current_user, 'pg_execute_server_program', 'member') FROM pg_roles WHERE rolname = current_user",
    "mysql": "SHOW GRANTS",
    "mariadb": "SHOW GRANTS",
}
# PostgreSQL tells nobody how long a row will be before it has sent it: it is asked to, and a cast fails where it is too
# long.
_ROW_BOUND = (
    "SELECT q.* FROM ({statement}\n) AS q WHERE CASE WHEN octet_length(q::text) > {bytes}"
    " THEN CAST('a row of ' || octet_length(q::text) || ' bytes' AS integer) = 0 ELSE true END LIMIT {rows}"
)
_LARGEST_ROW = 1 << 20  # bytes
_LARGEST_RESULT = 200_000  # characters
_WIDE_GRANT = re.compile(r"\b(?:ALL PRIVILEGES|FILE|SUPER)\b.* ON \*\.\*", re.IGNORECASE)


class ReadOnlyDatabase:
    """A database that can be asked and not changed.

    Args:
        max_cell: characters that are kept of a value.
        timeout_s: seconds that a statement may take (SQLite, PostgreSQL, MySQL, MariaDB).
        assume_read_only: the account itself may only read; needed for other engines than these four, and to use an
            account that may reach files of the database's machine (a superuser, the privilege FILE).
        max_value: bytes that one value on SQLite may have, also one that is only read on the way.
    """

    def __init__(
        self,
        engine: Any,
        *,
        max_rows: int = 50,
        max_cell: int = 200,
        timeout_s: float = 10.0,
        functions: Iterable[str] = (),
        max_value: int = LONGEST_VALUE,
        assume_read_only: bool = False,
    ) -> None:
        self._sqlalchemy = need("sqlalchemy", extra="sql")
        self.engine = self._sqlalchemy.create_engine(engine) if isinstance(engine, str) else engine
        self.dialect = str(self.engine.dialect.name)
        self.max_rows = max_rows
        self.max_cell = max_cell
        self.timeout_s = timeout_s
        self.functions = tuple(functions)
        self.max_value = max_value
        self._trusted = assume_read_only
        if self.dialect not in _GUARDS and not assume_read_only:
            told = tr(
                "{dialect} cannot be made read-only from here. Give an account that may only read, and "
                "assume_read_only=True.",
                dialect=self.dialect,
            )
            raise UsageError(told)

    def query(self, statement: str) -> str:
        """Run one reading statement."""
        checked = _single_read(statement)
        with self._connection() as connection:
            try:
                # A cursor of the server, so that a huge result stays there; it takes everything that reads but EXPLAIN.
                cursor = not checked.lower().startswith("explain")
                asked = self._bounded(connection, checked) if cursor else checked
                # Colons are escaped, since nothing here is a parameter; a driver's own % is escaped by SQLAlchemy.
                asked = self._sqlalchemy.text(asked.replace(":", "\\:"))
                options = connection.execution_options(stream_results=cursor, max_row_buffer=1)
                return self._written(options.execute(asked))
            except Exception as error:  # each driver has its own
                why = str(getattr(error, "orig", None) or error).split("\n")[0][:300]
                told = tr("The database refuses: {error}", error=why)
                raise ToolError(told, tool="query_database") from error

    def schema(self) -> str:
        """Describe the tables."""
        inspector = self._sqlalchemy.inspect(self.engine)
        lines = []
        for table in (*inspector.get_table_names(), *inspector.get_view_names()):
            columns = ", ".join(f"{column['name']} {column['type']}" for column in inspector.get_columns(table))
            lines.append(f"{table}({columns})")
        return "\n".join(lines)

    def _bounded(self, connection: Any, statement: str) -> str:
        """The statement such that the server sends no row that is too long, where it can be told so."""
        if connection.dialect.name != "postgresql":
            return statement
        # That it stands alone says that it has no bracket too many, so that it can stand inside another.
        connection.execute(self._sqlalchemy.text(f"PREPARE nacre AS {statement}".replace(":", "\\:")))
        connection.exec_driver_sql("DEALLOCATE nacre")
        return _ROW_BOUND.format(statement=statement, bytes=_LARGEST_ROW, rows=self.max_rows + 1)

    def _written(self, result: Any) -> str:
        """A result as text; a row is let go of before the next one is fetched."""
        names = result.keys()  # a result itself iterates over its rows
        lines = [" | ".join(str(name)[: self.max_cell] for name in names)]
        size = 0
        for row in result:
            line = " | ".join(self._cell(value) for value in row)
            size += len(line)
            if len(lines) > self.max_rows or size > _LARGEST_RESULT:
                shown = len(lines) - 1
                lines.append(tr("(more rows; only the first {shown} are shown)", shown=shown))
                break
            lines.append(line)
        return "\n".join(lines)

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with self.engine.connect() as connection:
            # A server of MariaDB is known as such when it has been asked; its URL may begin with "mysql".
            kind = "mariadb" if getattr(connection.dialect, "is_mariadb", False) else self.dialect
            raw: Any = connection.connection.dbapi_connection
            try:
                self._check_account(connection, kind)
                values = {"milliseconds": int(self.timeout_s * 1000), "seconds": self.timeout_s}
                for guard in _GUARDS.get(kind, ()):
                    connection.exec_driver_sql(guard.format(**values))
                with (
                    guarded(raw, self.timeout_s, self.functions, self.max_value) if kind == "sqlite" else nullcontext()
                ):
                    yield connection
            finally:
                # The guarded connection goes back to nobody, and rows that nobody asked for are not fetched first.
                connection.invalidate()

    def _check_account(self, connection: Any, kind: str) -> None:
        """Refuse an account whose reading statements reach files of the database's machine; asked once."""
        if self._trusted or kind not in _GRANTS:
            return
        rows = connection.exec_driver_sql(_GRANTS[kind]).fetchall()
        connection.rollback()  # what follows is told to a transaction that has not begun
        if any(row[0] is True or _WIDE_GRANT.search(str(row[0])) for row in rows):
            told = tr(
                "This account may reach files of the database's machine (superuser, FILE), also by a "
                "statement that only reads. Give one that may only read the tables, or "
                "assume_read_only=True."
            )
            raise ToolError(told, tool="query_database")
        self._trusted = True

    def _cell(self, value: Any) -> str:
        text = f"<{len(value)} bytes>" if isinstance(value, (bytes, memoryview)) else str(value)
        return " ".join(text[: 8 * self.max_cell].split())[: self.max_cell]


def _single_read(statement: str) -> str:
    text = statement.strip().rstrip(";").strip()
    bare = _COMMENT.sub(" ", text).strip()
    # No semicolon at all: what a comment or a text is, each engine says otherwise, and what begins like one is none
    # (SELECT '--'; COMMIT; DROP TABLE x).
    if ";" in text or not _READS.match(bare):
        raise ToolError(tr("Write one SELECT statement, without a semicolon inside."), tool="query_database")
    return text
