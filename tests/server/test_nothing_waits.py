"""Whatever somebody else does to the server's files, the event loop goes on, and so does whoever needs none of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from nacre import KnowledgeBase
from nacre.errors import NacreError, StorageError
from nacre.server.auth.keys import Keys, SpendLimit
from nacre.server.auth.limits import spent
from nacre.server.journal import Journal
from nacre.server.openai.errors import Problem
from nacre.server.records import Records
from nacre.system.sqlite import Database

QUESTION = {"messages": [{"role": "user", "content": "When does the workshop open?"}]}
PRICES = {"currency": "USD", "models": {"scripted": {"input": 100_000, "output": 100_000}}}
_HOLDS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("begin immediate")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process holds a file's write lock."""
    command = [sys.executable, "-c", _HOLDS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.stdin.close()


class Heart:
    """Beats on the server's event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.beats = 0
        self._future = asyncio.run_coroutine_threadsafe(self._beat(), loop)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0.005)
            self.beats += 1

    def stop(self) -> None:
        self._future.cancel()


def ask(url: str, key: str = "none", **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(
        f"{url}/v1/chat/completions", json={"model": "nacre", **QUESTION, **more}, headers=headers, timeout=25
    )


def test_the_loop_goes_on_and_questions_are_answered_while_the_records_are_locked(serve):
    server = serve(trace=True, prices=PRICES)
    key = server.state.keys.add("rich", spend_limit=SpendLimit.parse("900000/day"))
    counted = server.state.keys.add("counted", per_minute=1000)
    assert ask(server.url, key).status_code == 200
    waiting: list[httpx.Response] = []
    heart = Heart(server.loop)
    with locked(server.settings.store / "records.sqlite"):
        # These must write before they may ask: they wait for the lock, and nobody waits for them.
        patient = [threading.Thread(target=lambda: waiting.append(ask(server.url, counted))) for _ in range(40)]
        for one in patient:
            one.start()
        headers = {"authorization": f"Bearer {server.state.keys.add('late')}"}
        before = heart.beats
        for _ in range(5):
            assert ask(server.url, key).status_code == 200
            assert '"content":' in ask(server.url, key, stream=True).text
            assert httpx.get(f"{server.url}/healthz", timeout=15).status_code == 200
            assert httpx.get(f"{server.url}/v1/models", headers=headers, timeout=25).status_code == 200
        beat = heart.beats
        assert not waiting  # the lock was held all the while
    heart.stop()
    for one in patient:
        one.join(60)
    assert beat > before
    assert [answer.status_code for answer in waiting] == [200] * 40
    rows = server.state.records.select("audit")
    assert len(rows) == 51 and {row["status"] for row in rows} == {"ok"}
    assert len(server.state.records.select("spend")) == 51 and len(server.state.records.select("traces")) == 51


def test_money_that_is_not_written_yet_is_spent(serve):
    server = serve(prices=PRICES)
    key = server.state.keys.add("poor", spend_limit=SpendLimit.parse("0.01/day"))
    few = server.state.keys.add("few", tokens_per_day=5)
    with locked(server.settings.store / "records.sqlite"):
        for one in (key, few):
            assert ask(server.url, one).status_code == 200
            assert ask(server.url, one).json()["error"]["code"] == "insufficient_quota"
        assert server.state.records.db.read("select 1 from spend") == []


def test_a_key_that_another_process_takes_away_is_refused_at_once_and_others_cost_no_query(serve, monkeypatch):
    server = serve()
    kept, leaving = server.state.keys.add("kept"), server.state.keys.add("leaving")
    path = f"{server.url}/v1/models"
    assert [httpx.get(path, headers={"authorization": f"Bearer {key}"}).status_code for key in (kept, leaving)] == [
        200
    ] * 2
    elsewhere = Keys(server.settings.store)
    assert elsewhere.revoke("leaving")
    elsewhere.close()
    assert [httpx.get(path, headers={"authorization": f"Bearer {key}"}).status_code for key in (kept, leaving)] == [
        200,
        401,
    ]

    def never(*_: Any) -> None:
        raise AssertionError("a query")

    monkeypatch.setattr(server.state.keys._database, "read", never)
    assert httpx.get(path, headers={"authorization": f"Bearer {kept}"}).status_code == 200


STACKS = {
    "nacre": {"layers": ["rag"]},
    "layered": {"layers": ["memory", "cache", "rag"]},
    "agent": {"layers": [{"use": "react", "tools": ["kb"]}]},
}


def test_no_query_and_no_opening_runs_on_the_event_loop(serve, monkeypatch):
    server = serve(trace=True, prices=PRICES, stacks=STACKS, store_responses=True)
    key = server.state.keys.add(
        "anna", ("hr",), per_minute=10_000, tokens_per_day=10**9, spend_limit=SpendLimit.parse("900000/day")
    )
    wrong: list[str] = []

    def watched(kind: type, name: str) -> None:
        really = getattr(kind, name)

        def call(*args: Any, **options: Any) -> Any:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop()
                wrong.append("".join(traceback.format_stack(limit=8)))
            return really(*args, **options)

        monkeypatch.setattr(kind, name, call)

    for name in ("read", "execute", "write"):
        watched(Database, name)
    watched(KnowledgeBase, "open")
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        file = client.post("/v1/files", files={"file": ("a.txt", b"The boat is red.")}).json()["id"]
        store = client.post("/v1/vector_stores", json={"file_ids": [file]}).json()["id"]
        server.state.bases._idle_s = -1.0
        server.state.bases.close_idle()
        for model in (*STACKS, f"nacre@{store}"):
            for stream in (False, True):
                body = {"model": model, "stream": stream, **QUESTION}
                assert client.post("/v1/chat/completions", json=body).status_code == 200
        first = client.post("/v1/responses", json={"model": "nacre", "input": "When does tea end?"}).json()["id"]
        tool = {"type": "file_search", "vector_store_ids": [store]}
        body = {"model": "nacre", "input": "And then?", "previous_response_id": first, "tools": [tool]}
        assert client.post("/v1/responses", json=body).status_code == 200
        gets = ["/readyz", "/metrics", "/v1/me", "/v1/files", f"/v1/files/{file}", f"/v1/files/{file}/content"]
        gets += ["/v1/vector_stores", f"/v1/vector_stores/{store}", f"/v1/vector_stores/{store}/files", "/v1/traces"]
        gets += [f"/v1/responses/{first}", "/v1/feedback", "/v1/sources/1"]
        assert {client.get(path).status_code for path in gets} == {200}
        for path in (f"/v1/responses/{first}", f"/v1/vector_stores/{store}", f"/v1/files/{file}"):
            assert client.delete(path).status_code == 200
    assert not wrong, wrong[0]


# ---------------------------------------------------------------------------------------------------- the journal


def paid(asker: str = "a", nanos: int = 1) -> dict[str, Any]:
    return {"at": time.time(), "asker": asker, "model": "m", "currency": "USD", "input": 1, "output": 1, "nanos": nanos}


def test_what_is_queued_is_written_before_the_end(tmp_path):
    records = Records(tmp_path)
    with locked(tmp_path / "records.sqlite"):
        for _ in range(1200):
            records.journal.add("spend", paid())
        ending = threading.Thread(target=records.close)
        ending.start()
    ending.join(60)
    assert not ending.is_alive()
    again = Records(tmp_path)
    assert again.total("spend", "nanos", "a", 0.0) == 1200
    again.close()


def test_every_row_counts_once_whether_it_is_queued_or_written(tmp_path):
    records = Records(tmp_path)
    for n in range(400):
        records.journal.add("spend", paid())
        assert spent(records, "a", "USD", "day") == Decimal(n + 1) / 10**9
    assert spent(records, "b", "USD", "day") == spent(records, "a", "EUR", "day") == 0
    records.close()


def test_a_row_that_cannot_be_written_holds_up_no_other(tmp_path):
    def broken() -> dict[str, Any]:
        raise KeyError("no such thing")

    records = Records(tmp_path)
    for row in ({"asker": "a"}, paid(asker="\ud800"), paid(nanos=1 << 70), broken, paid()):
        records.journal.add("spend", row)
    assert [row["nanos"] for row in records.select("spend")] == [1]
    records.close()


def test_where_nothing_can_be_written_questions_are_refused_before_rows_are_lost(tmp_path):
    database = Database(tmp_path / "t.sqlite", "create table if not exists t (n integer, text text)")
    journal = Journal(database, most_rows=3, most_bytes=1000)
    journal.check_room()
    with locked(tmp_path / "t.sqlite"):
        for n in range(5):  # those of answers that were under way
            journal.add("t", {"n": n}, 10)
        with pytest.raises(Problem) as refused:
            journal.check_room()
        assert refused.value.status == 503
    journal.settle()
    journal.check_room()
    with locked(tmp_path / "t.sqlite"):
        journal.add("t", {"n": 5, "text": "x" * 2000}, 2000)
        with pytest.raises(Problem):
            journal.check_room()
    journal.close()
    assert [row["n"] for row in database.read("select n from t order by n")] == [0, 1, 2, 3, 4, 5]
    database.close()


def test_traces_that_are_too_old_go_with_the_next_one(serve):
    server = serve(trace=True)
    ask(server.url)
    (row,) = server.state.records.select("traces")
    server.state.records.insert("traces", {**row, "request": "old", "at": time.time() - 31 * 86_400})
    ask(server.url)
    assert "old" not in [row["request"] for row in server.state.records.select("traces")]


# ---------------------------------------------------------------------------------------------------- one wrapper


def test_errors_after_opening_are_ours(tmp_path):
    keys = Keys(tmp_path)
    other = sqlite3.connect(tmp_path / "keys.sqlite", isolation_level=None)
    other.execute("drop table keys")
    other.close()
    assert keys.find("nk-any") is None  # a file that cannot be read lets nobody in
    with pytest.raises(StorageError, match=r"keys\.sqlite"):
        keys.revoke("a")
    keys.close()
    with pytest.raises(NacreError, match="closed"):
        keys.revoke("a")


def test_readers_do_not_wait_for_a_writer_of_their_own_process(tmp_path):
    database = Database(tmp_path / "t.sqlite", "create table if not exists t (n integer)")
    seen: list[int] = []
    with database.write() as connection:
        connection.execute("insert into t values (1)")
        reading = threading.Thread(target=lambda: seen.append(len(database.read("select * from t"))))
        reading.start()
        reading.join(20)
        assert seen == [0]
    assert len(database.read("select * from t")) == 1
    with pytest.raises(StorageError):
        database.read("insert into t values (2)")
    database.close()


def test_a_locked_file_is_told_and_half_a_transaction_is_undone(tmp_path):
    database = Database(tmp_path / "t.sqlite", "create table if not exists t (n integer unique)", wait_s=0.05)
    with locked(tmp_path / "t.sqlite"), pytest.raises(StorageError, match=r"t\.sqlite"):
        database.execute("insert into t values (1)")
    with pytest.raises(StorageError), database.write() as connection:
        connection.execute("insert into t values (1)")
        connection.execute("insert into t values (1)")
    assert database.read("select * from t") == []
    database.close()


def test_the_schema_of_the_api_has_texts_of_its_own(serve):
    found = json.dumps(serve().app.openapi())
    assert "List the models" in found
    for word in ("Args:", "Returns:", "Raises:", "Yields:"):
        assert word not in found
