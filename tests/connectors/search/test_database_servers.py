"""The read-only guard against real servers: PostgreSQL and MariaDB, where their programs are installed."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nacre.errors import ToolError

pytest.importorskip("sqlalchemy")
import sqlalchemy

from nacre.connectors.search.database import ReadOnlyDatabase

POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
if POSTGRES is None and (found := shutil.which("initdb")):
    POSTGRES = Path(found).parent
MARIADB = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
WIDE = 5000  # rows whose product with itself keeps a server busy for minutes


def run_as(user: str) -> dict[str, Any]:
    """These servers refuse to run as root."""
    return {"user": user} if os.geteuid() == 0 else {}


@contextmanager
def own_folder(user: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nacre-db-"))
    if os.geteuid() == 0:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def serving(command: list[str], folder: Path, user: str, url: str) -> Iterator[Any]:
    """A server process, and an engine for its administrator once it answers."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **run_as(user))
    engine = sqlalchemy.create_engine(url)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                engine.connect().close()
                break
            except sqlalchemy.exc.DBAPIError:
                assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text(
                    "utf-8", "replace"
                )
                time.sleep(0.1)
        yield engine
    finally:
        engine.dispose()
        process.terminate()
        process.wait(60)


def fill(engine: Any, statements: list[str]) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    if POSTGRES is None:
        pytest.skip("no PostgreSQL server here (Debian: apt install postgresql)")
    if importlib.util.find_spec("pg8000") is None:
        pytest.skip("pip install pg8000")
    with own_folder("postgres") as folder:
        make = [
            str(POSTGRES / "initdb"),
            "-D",
            str(folder / "data"),
            "-A",
            "trust",
            "-U",
            "admin",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        subprocess.run(make, check=True, cwd=folder, stdout=subprocess.DEVNULL, **run_as("postgres"))
        port = free_port()
        options = ["listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
        command = [
            str(POSTGRES / "postgres"),
            "-D",
            str(folder / "data"),
            "-p",
            str(port),
            *(part for option in options for part in ("-c", option)),
        ]
        with serving(command, folder, "postgres", f"postgresql+pg8000://admin@127.0.0.1:{port}/postgres") as admin:
            fill(admin, [
                "CREATE TABLE 商品 (id int, name text, data json)",
                f"INSERT INTO 商品 SELECT g, 'shell ' || g, '{{\"n\": 1}}' FROM generate_series(1, {WIDE}) g",
                "CREATE SEQUENCE seq",
                "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM 商品; SELECT 1'",
                "CREATE ROLE reader LOGIN", "GRANT ALL ON ALL TABLES IN SCHEMA public TO reader", "GRANT ALL ON SEQUENCE seq TO reader",
                "CREATE ROLE filer LOGIN", "GRANT pg_read_server_files TO filer",
            ])  # fmt: skip
            yield admin


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Any]:
    installer = shutil.which("mariadb-install-db")
    if MARIADB is None or installer is None:
        pytest.skip("no MariaDB server here (Debian: apt install mariadb-server)")
    if importlib.util.find_spec("pymysql") is None:
        pytest.skip("pip install PyMySQL")
    with own_folder("mysql") as folder:
        make = [
            installer,
            "--no-defaults",
            f"--datadir={folder}/data",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        subprocess.run(
            make, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **run_as("mysql")
        )
        port = free_port()
        command = [MARIADB, "--no-defaults", f"--datadir={folder}/data", f"--port={port}", "--bind-address=127.0.0.1",
                   f"--socket={folder}/socket", f"--pid-file={folder}/pid"]  # fmt: skip
        with serving(command, folder, "mysql", f"mysql+pymysql://root@127.0.0.1:{port}/mysql") as root:
            fill(root, [
                "CREATE DATABASE shop CHARACTER SET utf8mb4", "USE shop", "CREATE TABLE 商品 (id int, name text)",
                f"INSERT INTO 商品 SELECT seq, concat('shell ', seq) FROM seq_1_to_{WIDE}", "CREATE SEQUENCE seq",
                "CREATE FUNCTION wipe() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM 商品; RETURN 1; END",
                "CREATE USER reader@'%%'", "GRANT ALL ON shop.* TO reader@'%%'", "CREATE USER filer@'%%'", "GRANT FILE ON *.* TO filer@'%%'",
                "GRANT SELECT ON shop.* TO filer@'%%'",
            ])  # fmt: skip
            yield sqlalchemy.create_engine(root.url.set(database="shop"))


def as_user(admin: Any, name: str, **options: Any) -> ReadOnlyDatabase:
    engine = sqlalchemy.create_engine(admin.url.set(username=name), poolclass=sqlalchemy.pool.NullPool)
    return ReadOnlyDatabase(engine, max_rows=5, timeout_s=1, **options)


def counted(admin: Any) -> int:
    with admin.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM 商品").scalar())


READING = {
    "SELECT count(*) AS n FROM 商品": f"n\n{WIDE}",
    "SELECT name FROM 商品 WHERE name LIKE '%l 1%' AND id < 2": "name\nshell 1",
    "SELECT 5 % 3 AS m, ':b' AS c, '%s' AS d": "m | c | d\n2 | :b | %s",
    "WITH x AS (SELECT 1 AS a) SELECT a FROM x": "a\n1",
}
WRITING = [
    "DELETE FROM 商品", "WITH x AS (SELECT 1) DELETE FROM 商品", "SELECT wipe()", "SELECT * FROM 商品 FOR UPDATE", "EXPLAIN ANALYZE DELETE FROM 商品",
    "/* SELECT */ DROP TABLE 商品", "SELECT 1; DELETE FROM 商品", "SET TRANSACTION READ WRITE", "COMMIT", "SELECT nothing FROM nowhere",
]  # fmt: skip
POSTGRES_WRITING = [
    "SELECT nextval('seq')", "SELECT * INTO copied FROM 商品", "WITH x AS (DELETE FROM 商品 RETURNING *) SELECT * FROM x",
    "SELECT set_config('transaction_read_only', 'off', true)", "SELECT set_config('transaction_read_only', 'off', false)", "COPY 商品 TO PROGRAM 'true'",
    "SELECT '--'; COMMIT; DELETE FROM 商品", "SELECT $$/*$$; COMMIT; DELETE FROM 商品; SELECT '*/'",
    "SELECT pg_sleep(30)", "SELECT set_config('statement_timeout', '0', false), pg_sleep(30)", "SELECT pg_read_file('/etc/hostname')",
]  # fmt: skip
MARIADB_WRITING = [
    "SELECT nextval(seq)", "SELECT SLEEP(30)", "SELECT name INTO OUTFILE '{folder}/out' FROM 商品", "SELECT 1 /*! INTO OUTFILE '{folder}/out' */",
    "SELECT 1 INTO DUMPFILE '{folder}/out'", "SELECT '--'; COMMIT; SET SESSION TRANSACTION READ WRITE; DELETE FROM 商品",
]  # fmt: skip
BUSY = "SELECT count(*) FROM 商品 a, 商品 b, 商品 c WHERE a.name < b.name OR b.name < c.name"


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_servers_answer_what_only_reads(request: pytest.FixtureRequest, kind: str) -> None:
    database = as_user(request.getfixturevalue(kind), "reader")
    for statement, answer in READING.items():
        assert database.query(statement) == answer
    lines = database.query("SELECT id FROM 商品 ORDER BY id DESC").split("\n")
    assert lines[1] == str(WIDE) and "first 5" in lines[-1]
    assert "商品(id INTEGER, name TEXT" in database.schema()
    assert database.query("EXPLAIN SELECT 1")
    assert len(database.query("SELECT a.name FROM 商品 a, 商品 b").split("\n")) == 7, (
        "25 million rows stay with the server"
    )


@pytest.mark.parametrize(
    "statement",
    ["SELECT repeat('x', 3000000)", "SELECT * FROM 商品, repeat('x', 2000000) AS long LIMIT 1", "VALUES (repeat('x', 2000000))",
     "SELECT 1) AS q UNION ALL (SELECT repeat('x', 2000000)", "WITH x AS (SELECT repeat('x', 2000000) AS a) SELECT a, a FROM x -- end"],
)  # fmt: skip
def test_postgres_sends_no_row_that_is_too_long(postgres: Any, statement: str) -> None:
    with pytest.raises(ToolError):
        as_user(postgres, "reader").query(statement)
    lines = as_user(postgres, "reader").query("SELECT repeat('x', 900000) AS a, 1 AS b, 2 AS b -- end").split("\n")
    assert lines[0] == "a | b | b" and lines[1] == f"{'x' * 200} | 1 | 2"


def test_postgres_casts_and_slices_are_no_parameters(postgres: Any) -> None:
    statement = "SELECT data::json->>'n' AS n, (ARRAY[1, 2, 3])[2:3] AS part, 'a\\:b' AS c FROM 商品 WHERE id = 1"
    assert as_user(postgres, "reader").query(statement) == "n | part | c\n1 | [2, 3] | a\\:b"


@pytest.mark.parametrize("statement", [*WRITING, *POSTGRES_WRITING, BUSY])
def test_postgres_refuses_everything_else(postgres: Any, statement: str) -> None:
    with pytest.raises(ToolError):
        as_user(postgres, "reader").query(statement)
    assert counted(postgres) == WIDE


@pytest.mark.parametrize("statement", [*WRITING, *MARIADB_WRITING, BUSY])
def test_mariadb_refuses_everything_else(mariadb: Any, tmp_path: Path, statement: str) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ToolError):
        as_user(mariadb, "reader").query(statement.replace("{folder}", str(tmp_path)))
    assert counted(mariadb) == WIDE and not list(tmp_path.iterdir())


def test_a_url_of_mariadb_or_mysql_finds_a_mariadb_server(mariadb: Any) -> None:
    for driver in ("mysql+pymysql", "mariadb+pymysql"):
        engine = sqlalchemy.create_engine(
            mariadb.url.set(drivername=driver, username="reader"), poolclass=sqlalchemy.pool.NullPool
        )
        assert ReadOnlyDatabase(engine).query("SELECT 1 AS a") == "a\n1"


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_an_account_that_reaches_files_is_refused(request: pytest.FixtureRequest, kind: str) -> None:
    admin = request.getfixturevalue(kind)
    for name in (admin.url.username, "filer"):
        with pytest.raises(ToolError, match="may only read"):
            as_user(admin, name).query("SELECT 1 AS a")
        assert as_user(admin, name, assume_read_only=True).query("SELECT 1 AS a") == "a\n1"


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_an_engine_in_use_elsewhere_stays_able_to_write(request: pytest.FixtureRequest, kind: str) -> None:
    engine = sqlalchemy.create_engine(
        request.getfixturevalue(kind).url.set(username="reader"), pool_size=1, max_overflow=0
    )
    database = ReadOnlyDatabase(engine)
    with pytest.raises(ToolError):
        database.query("SELECT nothing FROM nowhere")
    assert database.query("SELECT 1 AS a") == "a\n1"
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO 商品 (id) VALUES (0)")
        connection.exec_driver_sql("DELETE FROM 商品 WHERE id = 0")
    engine.dispose()
