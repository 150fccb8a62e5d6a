"""A pooler before the server, and a replica that is behind it: what works, and the word where something cannot."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from nacre.errors import KnowledgeBaseError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.server.auth.keys import Keys, User
from nacre.server.auth.limits import Limits
from nacre.server.openai.errors import Problem
from nacre.server.records import Records

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
DOCUMENTS = [
    ("p:pearl", "The pearl is white and grew in a shell."),
    ("p:salary", "The salary of the captain is nine pearls."),
    ("p:harbour", "The harbour is deep and opens at dawn."),
]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def folder_of_nobody():
    with TemporaryDirectory(prefix="nacre-pg-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, 65534, 65534)
        yield folder


@pytest.fixture
def pooled(postgres, request):
    """The address of the server behind a pgbouncer in a mode."""
    if PGBOUNCER is None:
        pytest.skip("no pgbouncer here: apt-get install pgbouncer")
    port = free_port()
    with folder_of_nobody() as folder:
        (folder / "users").write_text('"nacre" ""\n')
        (folder / "ini").write_text(
            f"[databases]\npostgres = host=127.0.0.1 port={postgres.port} user=nacre\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
            f"auth_file = {folder}/users\npool_mode = {request.param}\n"
        )
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        with subprocess.Popen([PGBOUNCER, "-q", str(folder / "ini")], stderr=subprocess.DEVNULL, **user) as process:
            until = time.monotonic() + 20
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert time.monotonic() < until and process.poll() is None
                time.sleep(0.05)
            yield f"postgresql://nacre@127.0.0.1:{port}/postgres"
            process.terminate()


@pytest.fixture
def filled(place):
    with KnowledgeBase.open(place, "none") as base:
        base.sync(TextSource("p:", DOCUMENTS))
        yield base


@pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
def test_behind_a_pooler_in_transaction_mode_all_but_syncing_works(filled, place, pooled, postgres):
    query = place.partition("?")[2]
    other = f"{pooled}?base=other"
    with KnowledgeBase.open(f"{postgres.url}?base=other", "none") as base:
        base.sync(TextSource("p:", [("p:pearl", "The pearl of the others is black.")]))
    with KnowledgeBase.open(f"{pooled}?{query}") as here, KnowledgeBase.open(other) as there:
        for _ in range(8):  # both use the same sessions in turn; a statement that is asked often would be prepared
            assert here.search("pearl shell")[0].text == DOCUMENTS[0][1]
            assert there.search("pearl shell")[0].text == "The pearl of the others is black."
        with pytest.raises(KnowledgeBaseError, match="pooler in transaction mode") as told:
            here.sync(TextSource("p:", DOCUMENTS[:1]))
        assert "\n" not in str(told.value)
        assert here.stats()["documents"] == 3
    keys, records = Keys(other), [Records(other), Records(other)]
    key = keys.add("anna")
    assert keys.find(key).name == "anna"
    asker = User("a", "a", per_minute=2)
    for limits in map(Limits, records):
        limits.take(asker)
    with pytest.raises(Problem):
        Limits(records[0]).take(asker)
    for _ in range(8):
        records[0].journal.add("feedback", {"at": 1.0, "asker": "a", "verdict": "up", "record": "{}"})
        records[0].journal.settle()
    assert len(records[1].select("feedback")) == 8
    for each in (keys, *records):
        each.close()
    postgres.execute("DROP SCHEMA nacre_other CASCADE; DROP SCHEMA nacreserver_other CASCADE")


@pytest.mark.parametrize("pooled", ["session"], indirect=True)
def test_behind_a_pooler_in_session_mode_syncing_works_too(filled, place, pooled):
    with KnowledgeBase.open(f"{pooled}?{place.partition('?')[2]}") as base:
        assert base.sync(TextSource("p:", DOCUMENTS[:2])).deleted == 1
        assert base.verify() == []


@pytest.fixture
def replica(postgres):
    """A streaming replica; `pg_wal_replay_pause` lets it fall behind."""
    with folder_of_nobody() as folder:
        standby = type(postgres)(postgres.binaries, folder / "data", free_port())
        standby.run("pg_basebackup", "-d", postgres.url, "-R", "-X", "stream", "-c", "fast")
        standby.start()
        yield standby
        standby.stop("immediate")


def caught_up(postgres, replica) -> None:
    (position,) = postgres.execute("SELECT pg_current_wal_lsn()")[0]
    until = time.monotonic() + 30
    while not replica.execute(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")[0][0]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_replica_that_is_behind_shows_nobody_what_was_taken_from_him(filled, place, postgres, replica):
    with KnowledgeBase.open(f"{place}&read={replica.url}") as base:
        caught_up(postgres, replica)
        assert base.search("salary captain")[0].uri == "p:salary"
        replica.execute("SELECT pg_wal_replay_pause()")
        filled.delete("p:pearl")
        filled.sync(TextSource("p:", DOCUMENTS[1:2]), principals=["hr"], prune=False)
        filled.sync(TextSource("p:", [("p:harbour", "Today the harbour is closed, says the captain.")]), prune=False)
        for question in ("pearl shell", "salary captain", "harbour"):
            hits = base.search(question)
            assert {hit.uri for hit in hits} <= {"p:harbour"}
            assert all(base.text(hit.uri)[hit.start : hit.end] == hit.text for hit in hits)
        replica.execute("SELECT pg_wal_replay_resume()")
        caught_up(postgres, replica)
        assert base.search("harbour closed captain")[0].text.startswith("Today")
        assert base.search("salary captain", principals=["hr"])[0].uri == "p:salary"
    with KnowledgeBase.open(f"{replica.url}?{place.partition('?')[2]}") as alone:
        assert alone.search("harbour closed")[0].uri == "p:harbour"
        with pytest.raises(KnowledgeBaseError, match="this is a replica"):
            alone.sync(TextSource("p:", DOCUMENTS))


def test_vectors_of_another_embedder_are_searched_where_they_are(filled, place, postgres, replica):
    with KnowledgeBase.open(f"{place}&read={replica.url}") as base:  # of words only so far
        caught_up(postgres, replica)
        assert base.search("pearl shell")[0].uri == "p:pearl"
        replica.execute("SELECT pg_wal_replay_pause()")
        base.reembed("minilm")
        assert base.search("Which jewel grew in a shell?", arms=("vectors",))[0].uri == "p:pearl"
        replica.execute("SELECT pg_wal_replay_resume()")
        caught_up(postgres, replica)
        assert base.search("Which jewel grew in a shell?", arms=("vectors",))[0].uri == "p:pearl"
