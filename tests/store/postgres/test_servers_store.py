"""Several servers over one database answer as one: keys, limits, uploads, responses; killed, away, and refused."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

pytest.importorskip("fastapi")

from nacre.agents.runs import RunStore
from nacre.errors import FormatError, KnowledgeBaseError, NacreError, StackError, UnreachableError, UsageError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.server.app import create_app
from nacre.server.auth.keys import Keys, User
from nacre.server.auth.limits import Limits, spent
from nacre.server.ingestion.worker import work
from nacre.server.knowledge_bases import place_of
from nacre.server.openai.errors import Problem
from nacre.server.records import Records
from nacre.server.settings import Settings, read_settings

NACRE = str(Path(sys.executable).with_name("nacre"))
HOURS = "The workshop opens at nine in the morning. Tea is served until five."
NOW = time.time


@pytest.fixture
def store(postgres, place):
    """The servers' own tables beside a filled base."""
    with KnowledgeBase.open(place, "none") as base:
        others = [
            (f"memory:a/{n}.md", f"The {thing} is in the cellar.") for n, thing in enumerate(("map", "anchor", "oar"))
        ]
        base.sync(TextSource("memory:a/", [("memory:a/hours.md", HOURS), *others]))
    yield place
    made = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'nacreserver%' OR nspname LIKE 'nacre_vs%'"
    for (schema,) in postgres.execute(made):
        postgres.execute(f'DROP SCHEMA "{schema}" CASCADE')


@pytest.fixture
def both(store):
    """What two servers hold."""
    with ExitStack() as ends:
        found = [Records(store), Records(store)]
        for records in found:
            ends.callback(records.close)
        yield found


@pytest.fixture
def config(store, tmp_path):
    path = tmp_path / "nacre.yaml"
    kb = store.replace("//nacre@", "//nacre:pearl@")  # a password that no line may show
    settings = {"kb": kb, "model": "quote", "server": {"store": store, "trace": True, "trace_rows": True}}
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def nacre(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NACRE_LANG": "en"}
    return subprocess.run([NACRE, *arguments], capture_output=True, text=True, env=environment, timeout=120)


@contextmanager
def serving(config: str):
    """A server of its own process; gives its address and the process, whose group may be killed."""
    command = [NACRE, "serve", "--port", "0", "--config", config]
    environment = {**os.environ, "NACRE_LANG": "en"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            line = process.stderr.readline()
            assert "http:" in line and "pearl" not in line, line
            threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
            url = re.findall(r"http://[\d.]+:\d+", line)[0]
            with httpx.Client(transport=httpx.HTTPTransport(retries=10)) as client:
                assert client.get(f"{url}/readyz", timeout=60).status_code == 200
            yield url, process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def client(url: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60)


def wait_until(done, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.2)


# ------------------------------------------------------------------------------------------- two servers are one


def test_two_servers_answer_as_one(config, store, tmp_path):
    key = nacre("keys", "add", "anna", "--per-minute", "200", "--config", config).stdout.strip()
    with serving(config) as (one, _), serving(config) as (two, _), client(one, key) as a, client(two, key) as b:
        file = a.post("/v1/files", files={"file": ("pearls.md", b"The pearl is white.\n" * 9)}, data={}).json()["id"]
        assert b.get(f"/v1/files/{file}/content").content == b"The pearl is white.\n" * 9
        made = b.post("/v1/vector_stores", json={"file_ids": [file]}).json()["id"]
        wait_until(lambda: a.get(f"/v1/vector_stores/{made}").json()["file_counts"]["completed"] == 1)
        for each in (a, b):
            found = each.post(f"/v1/vector_stores/{made}/search", json={"query": "white pearl"}).json()["data"]
            assert found[0]["file_id"] == file and "pearl is white" in found[0]["content"][0]["text"]
        first = {"model": "nacre", "input": "When does the workshop open?", "store": True}
        said = a.post("/v1/responses", json=first).json()
        assert said["status"] == "completed"
        on = b.post("/v1/responses", json={**first, "previous_response_id": said["id"], "input": "And tea?"})
        assert on.status_code == 200 and on.json()["previous_response_id"] == said["id"]
        items = b.get(f"/v1/responses/{on.json()['id']}/input_items").json()["data"]
        assert "workshop open" in json.dumps(items)
        verdict = {"verdict": "down", "question": "Where are the pearls?", "answer": "Nobody knows."}
        assert a.post("/v1/feedback", json=verdict).status_code == 200
        assert b.get("/v1/feedback").json()["data"][0]["question"] == "Where are the pearls?"
        wait_until(lambda: len(b.get("/v1/traces").json()["data"]) == 2)
        assert b.delete(f"/v1/vector_stores/{made}").status_code == 200
        assert a.post(f"/v1/vector_stores/{made}/search", json={"query": "pearl"}).status_code == 404
        assert nacre("keys", "revoke", "anna", "--config", config).returncode == 0
        assert [each.get("/v1/models").status_code for each in (a, b)] == [401, 401]
    found = json.loads(nacre("gaps", "--config", config, "--json").stdout)
    assert ["Where are the pearls?"] in [gap["questions"] for gap in found["gaps"]]
    out = tmp_path / "rows.jsonl"
    assert (
        json.loads(nacre("eval", "from-feedback", "--config", config, "--out", str(out), "--json").stdout)["rows"] == 1
    )
    assert json.loads(nacre("eval", "from-traces", "--config", config, "--out", str(out), "--json").stdout)["rows"] == 2


def test_limits_and_money_hold_over_both(both):
    limits, asker, taken = [Limits(records) for records in both], User("a", "a", per_minute=20), []

    def ask(limit: Limits) -> None:
        for _ in range(30):
            try:
                limit.take(asker)
            except Problem as problem:
                assert problem.status == 429
            else:
                taken.append(1)

    began = time.monotonic()
    threads = [threading.Thread(target=ask, args=(limit,)) for limit in limits for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 20 <= len(taken) <= 21 + (time.monotonic() - began) / 3
    row = {"asker": "a", "model": "m", "currency": "USD", "input": 1, "output": 1, "nanos": 3 * 10**9}
    for records in both:
        records.journal.add("spend", {**row, "at": NOW()})
    both[0].journal.settle()
    both[1].journal.settle()
    assert [spent(records, "a", "USD", "day") for records in both] == [6, 6]


def test_a_key_is_known_and_refused_on_both_at_once(store):
    one, other = Keys(store), Keys(store)
    key = one.add("anna", ("hr",))
    assert other.find(key).principals == ("hr",) and other.any()
    with pytest.raises(UsageError):
        other.add("anna")
    assert one.revoke("anna") and other.find(key) is None and other.shut and not other.any()
    one.open_door()
    one.close(), other.close()


def test_an_approval_is_given_once_whoever_is_asked(both):
    stores, won = [RunStore(records.db) for records in both], []
    run = stores[0].keep("anna", {"question": "Pay?", "pending": [{"tool": "pay"}]})
    assert [waits.waiting("anna")[0]["run_id"] for waits in stores] == [run, run]

    def decide(store: RunStore) -> None:
        try:
            won.append(store.take(run, True, "anna"))
        except UsageError:
            won.append(None)

    threads = [threading.Thread(target=decide, args=(store,)) for store in stores * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one is not None for one in won) == 1


def test_hostile_texts_are_kept_or_refused(both):
    one, other = both
    row = {"id": "f", "owner": "a", "name": "50 % ?:x\0'\"", "bytes": 1, "purpose": "p", "created": 1}
    one.insert("files", row)
    assert other.one("files", "id = ?", "f")["name"] == "50 % ?:x\ufffd'\""
    assert other.one("files", "id = ?", "f\0") is None
    with pytest.raises(UnicodeEncodeError):
        one.insert("files", {**row, "name": "\ud800"})
    for wrong in ({"asker": "a"}, {"at": 1.0, "asker": "a", "verdict": "up", "record": "{}"}):
        one.journal.add("feedback", wrong)
    one.journal.settle()
    assert [found["verdict"] for found in other.select("feedback")] == ["up"]
    one.uploads.keep("f", io.BytesIO(bytes(range(256)) * 9000))
    assert b"".join(other.uploads.pieces("f")) == bytes(range(256)) * 9000
    other.uploads.delete("f")
    assert list(one.uploads.pieces("f")) == []


# ------------------------------------------------------------------------------------------- the work list


def queue(records: Records, store: str, owner: str, files: int) -> None:
    for n in range(files):
        file = f"file-{owner}{n}"
        row = {"id": file, "owner": owner, "name": f"{n}.md", "bytes": 30, "purpose": "p", "created": n}
        records.insert("files", row)
        records.uploads.keep(file, io.BytesIO(f"Pearl number {n} of {owner} is white.".encode()))
        entry = {"store": store, "file": file, "owner": owner, "attributes": "{}", "status": "in_progress"}
        records.insert("entries", {**entry, "bytes": 30, "created": n})


def test_each_file_is_read_once_by_two_ingestion_processes(both, store, monkeypatch):
    read = []
    for number, owner in enumerate(("anna", "bert", "carl")):
        queue(both[0], f"vs_{number}", owner, 6)
    for records in both:
        real = records.uploads.pieces
        monkeypatch.setattr(records.uploads, "pieces", lambda file, real=real: read.append(file) or real(file))
    threads = [
        threading.Thread(target=work, args=(store, records, lambda: time.sleep(0.05) or True, name))
        for records, name in zip(both, ("one", "two"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    states = both[0].select("entries")
    assert [(row["status"], row["tries"]) for row in states] == [("completed", 1)] * 18
    assert sorted(read) == sorted(row["file"] for row in states)
    assert both[1].select("leases") == []


def test_a_server_that_dies_in_an_ingestion_costs_nothing_twice(config, store):
    key = nacre("keys", "add", "anna", "--config", config).stdout.strip()
    with serving(config) as (one, process), serving(config) as (two, _), client(one, key) as a, client(two, key) as b:
        files = [
            a.post("/v1/files", files={"file": (f"{n}.md", f"Pearl {n} is white.\n\n".encode() * 400)}).json()["id"]
            for n in range(12)
        ]
        made = a.post("/v1/vector_stores", json={"file_ids": files}).json()["id"]
        counts = lambda: b.get(f"/v1/vector_stores/{made}/files", params={"limit": 100}).json()["data"]  # noqa: E731
        wait_until(lambda: any(row["status"] == "completed" for row in counts()))
        os.killpg(process.pid, signal.SIGKILL)
        wait_until(lambda: [row["status"] for row in counts()] == ["completed"] * 12)
        found = b.post(f"/v1/vector_stores/{made}/search", json={"query": "pearl 7 white"}).json()["data"]
        assert found
    with KnowledgeBase.open(place_of(store, made), "none") as base:
        assert sorted(row["version"] for row in base.documents()) == [1] * 12 and base.verify() == []


# ------------------------------------------------------------------------------------------- what goes wrong


def test_while_the_database_is_away_it_is_told_and_then_goes_on(config, postgres):
    key = nacre("keys", "add", "anna", "--config", config).stdout.strip()
    with serving(config) as (url, _), client(url, key) as asked:
        assert asked.get("/v1/models").status_code == 200
        postgres.stop("immediate")
        try:
            wait_until(lambda: asked.get("/v1/files").status_code == 503)
            began = time.monotonic()
            refused = [asked.get("/v1/files") for _ in range(20)]
            assert time.monotonic() - began < 10  # nobody waits for what is known to be away
            assert {answer.status_code for answer in refused} == {503}
            told = refused[0].json()["error"]["message"]
            assert "127.0.0.1" in told and "\n" not in told and "Check that PostgreSQL runs there" in told
            assert asked.get("/healthz").status_code == 200 and asked.get("/readyz").status_code == 503
        finally:
            postgres.start()
        wait_until(lambda: asked.get("/v1/files").status_code == 200, 15)
        wait_until(lambda: asked.get("/readyz").status_code == 200, 15)
        found = asked.post("/v1/vector_stores/main/search", json={"query": "when does the workshop open"}).json()[
            "data"
        ]
        assert "nine in the morning" in found[0]["content"][0]["text"]


@pytest.fixture
def roles(postgres):
    """A role with a password, and one that may only read."""
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + before)
    postgres.execute("CREATE ROLE guarded LOGIN PASSWORD 'pearl'; CREATE ROLE reader LOGIN; SELECT pg_reload_conf()")
    yield
    rules.write_text(before)
    postgres.execute("DROP OWNED BY guarded, reader; DROP ROLE guarded, reader; SELECT pg_reload_conf()")


def test_wrong_password_reader_later_version_and_slow_statements_are_told(postgres, roles, store):
    as_other = lambda who: store.replace("//nacre@", f"//{who}@")  # noqa: E731
    with pytest.raises(UnreachableError, match="PGPASSWORD") as told:
        Records(as_other("guarded:pearls"))
    assert "pearls" not in str(told.value) and "guarded@127.0.0.1" in str(told.value) and "\n" not in str(told.value)
    Records(store).close()
    schema = postgres.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'nacreserver%'")[0][0]
    postgres.execute(
        f"GRANT USAGE ON SCHEMA {schema} TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader"
    )
    records = Records(as_other("reader"))  # `nacre gaps` may
    assert records.select("feedback") == []
    with pytest.raises(KnowledgeBaseError, match="use a role that may write"):
        records.insert("files", {"id": "f"})
    records.close()
    with pytest.raises(KnowledgeBaseError, match="use a role that may write"):  # a server may not
        create_app(Settings.model_validate({"kb": store, "server": {"store": as_other("reader")}}))
    slow = Records(store + "&options=-c%20statement_timeout%3D50")
    with pytest.raises(KnowledgeBaseError, match="statement_timeout"):
        slow.db.read("select pg_sleep(1)")
    slow.close()
    postgres.execute(f"UPDATE {schema}.made SET version = 99")
    with pytest.raises(FormatError, match="pip install"):
        Records(store)


def test_a_pool_that_is_exhausted_is_told_and_given_back(store, monkeypatch):
    monkeypatch.setattr("nacre.store.postgres.database._WAIT_S", 1.0)
    records = Records(store)
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(records.db._database.connection())
        with pytest.raises(UnreachableError, match="all 8 connections"):
            records.select("files")
    assert records.select("files") == []
    records.close()


def test_the_settings_name_one_place_and_no_password(tmp_path, store):
    settings = Settings.model_validate({"kb": store, "server": {"store": store}})
    assert settings.store == store
    with pytest.raises(StackError, match=r"server\.store"):
        _ = Settings.model_validate({"kb": store}).store
    with pytest.raises(StackError, match="exclude each other"):
        _ = Settings.model_validate({"kb": store, "server": {"store": store, "data": tmp_path}}).store
    wrong = tmp_path / "nacre.yaml"
    wrong.write_text("kb: ./kb\nserver:\n  store: mysql://root:pearl@db/x\n")
    with pytest.raises(StackError, match=r"nacre\.yaml:3") as told:
        read_settings(wrong)
    assert "pearl" not in str(told.value)


def test_the_error_of_a_command_is_one_line(store, tmp_path):
    away = store.replace("//nacre@", "//nacre:pearl@").replace("127.0.0.1:", "127.0.0.1:1")
    path = tmp_path / "nacre.yaml"
    path.write_text(yaml.safe_dump({"kb": store, "server": {"store": re.sub(r":\d+/", ":1/", away)}}))
    done = nacre("keys", "list", "--config", str(path))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "pearl" not in done.stderr
    assert issubclass(UnreachableError, NacreError) and ":1/" in done.stderr
