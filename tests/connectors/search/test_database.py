"""Asking a real SQLite database: answers, limits, and no way to change anything."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nacre import ReAct, ScriptedChatModel
from nacre.errors import ToolError, UsageError

pytest.importorskip("sqlalchemy")
from nacre.connectors.search.database import ReadOnlyDatabase
from nacre.connectors.search.tools import database_tool


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE 商品 (id INTEGER PRIMARY KEY, name TEXT, price REAL); CREATE VIEW cheap AS SELECT * FROM 商品 WHERE price < 5;"
    )
    connection.executemany("INSERT INTO 商品 (name, price) VALUES (?, ?)", [(f"shell {n}", n) for n in range(200)])
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def database(file: Path):
    database = ReadOnlyDatabase(f"sqlite:///{file}", max_rows=5, timeout_s=1)
    yield database
    database.engine.dispose()


def test_rows_schema_and_limit(database) -> None:
    assert database.query("SELECT count(*) AS n FROM 商品;") == "n\n200"
    lines = database.query("-- all\nSELECT name FROM 商品 ORDER BY price DESC").split("\n")
    assert lines[1] == "shell 199" and len(lines) == 7 and "first 5" in lines[-1]
    assert "商品(id INTEGER" in database.schema() and "cheap(" in database.schema()
    assert database.query("WITH x AS (SELECT 1 AS a) SELECT a FROM x") == "a\n1"


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM 商品", "DROP TABLE 商品", "INSERT INTO 商品 (name) VALUES ('x')", "UPDATE 商品 SET price = 0", "SELECT 1; DELETE FROM 商品", "ATTACH DATABASE 'x.db' AS x",
     "PRAGMA query_only = OFF", "WITH x AS (SELECT 1) DELETE FROM 商品", "/* SELECT */ DELETE FROM 商品", "SELECT load_extension('x')", "VACUUM INTO 'copy.db'",
     "CREATE TABLE t AS SELECT 1", "", "SELECT * FROM nowhere", "EXPLAIN DELETE FROM 商品"],
)  # fmt: skip
def test_nothing_but_reading(database, file: Path, statement: str) -> None:
    with pytest.raises(ToolError):
        database.query(statement)
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT count(*), sum(price) FROM 商品").fetchone() == (200, 19900.0)
    connection.close()
    assert [path.name for path in file.parent.iterdir()] == ["shop.db"]


@pytest.mark.timeout(60)
def test_an_endless_statement_ends(database) -> None:
    with pytest.raises(ToolError):
        database.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")


def test_a_given_engine_stays_writable_for_others(file: Path) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    ReadOnlyDatabase(engine).query("SELECT 1")
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM 商品 WHERE id = 1")
    assert ReadOnlyDatabase(engine).query("SELECT count(*) FROM 商品").endswith("199")
    engine.dispose()


def test_an_engine_that_cannot_be_guarded_is_refused() -> None:
    class Engine:
        class dialect:
            name = "oracle"

    with pytest.raises(UsageError):
        ReadOnlyDatabase(Engine())
    ReadOnlyDatabase(Engine(), assume_read_only=True)


def test_an_agent_asks_the_database(database) -> None:
    script = [
        'Action: query_database\nAction Input: {"statement": "SELECT max(price) AS highest FROM 商品"}',
        "Final Answer: 199",
    ]
    model = ScriptedChatModel(script)
    reply = ReAct(inner=model, tools=[database_tool(database)], protocol="text").invoke("最贵的商品多少钱？")
    assert reply.response_metadata["nacre"]["trajectory"][0]["observation"] == "highest\n199.0"
    assert "商品(id INTEGER" in model.calls[0][0].text
