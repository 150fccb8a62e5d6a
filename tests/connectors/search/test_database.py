"""Asking a real SQLite database: answers, limits, and no way to change anything."""

from __future__ import annotations

import sqlite3
import tracemalloc
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


B = "replace(printf('%900d', 0), ' ', replace(printf('%140d', 0), ' ', 'b'))"  # 126,000 characters
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT zeroblob(9)", "SELECT randomblob(9)", "SELECT length(hex(zeroblob(400000000)))", f"SELECT hex({B})", f"SELECT {B} || {B}",
        "SELECT printf('%.*c', 800000000, 'x')", "SELECT printf('%800000000d', 1)", "SELECT format('%s%*d', 'a', 1000000000, 1)", "SELECT printf('%-.99999999c', 'x')",
        f"{NUMBERS} SELECT group_concat({B}) FROM n LIMIT 9", f"{NUMBERS} SELECT json_group_array(i) FROM n", "SELECT 'a' LIKE '" + "%a" * 200 + "'",
        "SELECT " + "+".join("1" * 300), "SELECT 1" + " UNION SELECT 1" * 100, "SELECT " + "(" * 300 + "1" + ")" * 300, "SELECT 1 -- " + "x" * 9000,
        "SELECT " + ", ".join("1" * 200), "SELECT fts3_tokenizer('simple')", "SELECT sqlite_log(1, 'x')", "SELECT * FROM pragma_database_list", "SELECT last_insert_rowid()",
    ],
)  # fmt: skip
@pytest.mark.timeout(60)
def test_what_takes_memory_or_time_without_bound_is_refused(database, statement: str) -> None:
    with pytest.raises(ToolError):
        database.query(statement)


@pytest.mark.timeout(60)
def test_a_row_and_a_result_stay_within_bounds(database) -> None:
    tracemalloc.start()
    try:
        wide = database.query("SELECT " + ", ".join([B] * 60))
        _, highest = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert highest < 32 << 20 and len(wide) < 25_000
    deep = ReadOnlyDatabase(database.engine, max_rows=100_000, max_cell=50_000)
    many = deep.query(f"{NUMBERS} SELECT substr({B}, 1, 50000) FROM n LIMIT 50")
    assert len(many) < 300_000 and "only the first 4 are shown" in many


def test_a_wide_table_is_still_there(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "wide.db")
    connection.execute(f"CREATE TABLE wide ({', '.join(f'c{n}' for n in range(500))})")
    connection.execute("INSERT INTO wide (c7) VALUES ('seven')")
    connection.commit()
    connection.close()
    database = ReadOnlyDatabase(f"sqlite:///{tmp_path / 'wide.db'}")
    assert database.query("SELECT c7, c8 FROM wide") == "c7 | c8\nseven | None"
    with pytest.raises(ToolError, match="columns"):
        database.query("SELECT * FROM wide")
    database.engine.dispose()


@pytest.mark.parametrize(
    "call",
    [
        "trim(' a b ')", "trim('xxaxx', 'x')", "ltrim('xyaxy', 'yx')", "rtrim('xyaxy', 'yx')", "trim(null)", "trim('a', null)", "trim(5500, 5)", "ltrim('中中文', '中')",
        "printf('%05.2f|%s|%d%%', 3.14159, 'a', 7)", "format('%,d', 1234567)", "printf('%s')", "printf(null)", "printf('%05d|%-2s|', 42, 'bcd')", "printf('%!.15g', 0.1)",
        "printf('%Q', 'it''s')", "trim('')", "rtrim('a  ')",
    ],
)  # fmt: skip
def test_functions_that_stand_in_for_slow_ones_say_the_same(database, call: str) -> None:
    plain = sqlite3.connect(":memory:")
    expected = plain.execute(f"SELECT quote({call})").fetchone()[0]
    plain.close()
    assert database.query(f"SELECT quote({call}) AS a") == f"a\n{expected}"


@pytest.mark.timeout(60)
def test_trimming_long_by_long_takes_no_minutes(database) -> None:
    others = B.replace("'b'", "'a'").replace("printf('%900d', 0)", "printf('%900d', 0) || '0b'")
    assert database.query(f"SELECT length(trim({B}, {others})) AS a") == "a\n0"


def test_functions_of_the_owner_are_called_when_named(file: Path) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    sqlalchemy.event.listen(engine, "connect", lambda raw, _: raw.create_function("Twice", 1, lambda n: 2 * n))
    with pytest.raises(ToolError, match="not authorized"):
        ReadOnlyDatabase(engine).query("SELECT twice(4) AS a")
    assert ReadOnlyDatabase(engine, functions=["TWICE"]).query("SELECT twice(4) AS a") == "a\n8"
    engine.dispose()
