"""A whole knowledge base in PostgreSQL: synced, searched, copied, locked, broken off."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest

from nacre.cli import run
from nacre.errors import (
    EmbedderMismatchError,
    FormatError,
    KnowledgeBaseError,
    LockedError,
    UnreachableError,
    UsageError,
)
from nacre.ingest.source import TextSource
from nacre.retrieval.comparison import compare
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.copying import copy_store
from nacre.store.filters import Filter
from nacre.testing.stores import StoreEmbeddings

PEARLS = [
    ("p:1", "# Pearls\n\nThe pearl is white. It grew in a shell."),
    ("p:2", "The harbour is deep. 港口很深，夏天涨潮。"),
    ("p:3", "Salaries are secret."),
]


@pytest.fixture
def base(place, embedder):
    with KnowledgeBase.open(place, embedder) as base:
        yield base


def test_the_same_calls_work_there(base, tmp_path, embedder):
    report = base.sync(TextSource("p:", PEARLS))
    assert (report.added, report.failed) == (3, [])
    assert base.sync(TextSource("p:", PEARLS)).embedded == 0
    with KnowledgeBase.open(tmp_path / "kb", embedder) as folder:
        folder.sync(TextSource("p:", PEARLS))
        for question in ("pearl shell", "港口", "harbour"):
            mine, theirs = base.search(question), folder.search(question)
            assert [(hit.uri, hit.start, hit.end) for hit in mine] == [(hit.uri, hit.start, hit.end) for hit in theirs]
            assert all(base.text(hit.uri)[hit.start : hit.end] == hit.text for hit in mine)
    assert base.search("pearl", where=Filter(uri_prefix="p:2"))[0].uri == "p:2"
    base.sync(TextSource("p:", PEARLS[2:]), principals=["hr"], prune=False)
    assert "p:3" not in {hit.uri for hit in base.search("salaries")}
    assert base.search("salaries", principals=["hr"])[0].uri == "p:3"
    assert base.sync(TextSource("p:", PEARLS[:1])).deleted == 2
    assert base.verify() == [] and base.stats()["documents"] == 1


def test_settings_hold_in_every_process(base, place, embedder):
    base.store.save_settings({"k": 3, "chunk_size": 64})
    with KnowledgeBase.open(place, embedder) as other:
        assert other.settings == {"k": 3, "chunk_size": 64}
    with pytest.raises(KnowledgeBaseError, match="chunk_size"):
        base.store.save_settings({"chunk_size": 1})


def test_copied_there_and_back_it_is_the_same(base, tmp_path, embedder):
    with KnowledgeBase.open(tmp_path / "kb", embedder) as folder:
        folder.sync(TextSource("p:", PEARLS), principals=["sea"])
        copy_store(folder.store, tmp_path / "never")  # a folder as well
        embedded = len(embedder.texts)
        base.sync(TextSource("q:", [("q:1", "Not in the source.")]))
        from nacre.store.copying import copy_documents

        copy_documents(folder.store, base.store)
        found = compare(folder, base, queries=20)
        assert (found.problems, found.same_hits, found.leaks) == ([], 1.0, 0)
        assert len(embedder.texts) == embedded + 1
        base.delete("p:2")
        assert compare(folder, base).problems == ["p:2 is missing there"]
        base.sync(TextSource("p:", [PEARLS[0], ("p:2", "Another text."), PEARLS[2]]), principals=["*"])
        worse = compare(folder, base)
        assert len(worse.problems) == 3 and "principals" in worse.problems[0]


def test_the_command_line_copies_and_compares(place, tmp_path, capsys, monkeypatch):
    (tmp_path / "notes.md").write_text("# Tides\n\nHigh tide is at noon.")
    kb = str(tmp_path / "kb")
    assert run(["sync", str(tmp_path / "notes.md"), "--kb", kb, "--embedder", "none", "--json"]) == 0
    capsys.readouterr()
    assert run(["copy", kb, place, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["documents"] == told["chunks"] == 1 and told["embedded"] == 0
    assert run(["verify", "--kb", kb, "--against", place, "--queries", "5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["problems"], told["same_hits"], told["same_order"], told["leaks"]) == ([], 1.0, 1.0, 0)
    assert run(["search", "tide", "--kb", place, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["title"] == "Tides"
    assert run(["verify", "--kb", place + "_none"]) == 2
    assert "There is no knowledge base in postgresql://" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- writers


def test_two_sources_are_synced_at_once_and_one_is_not_twice(base, place, embedder):
    with base.store.writing(["a:"]), KnowledgeBase.open(place, embedder) as other:
        assert other.sync(TextSource("b:", [("b:1", "Meanwhile.")])).added == 1
        with pytest.raises(LockedError, match="nacre t"):
            other.sync(TextSource("a:", []))
        with pytest.raises(LockedError):
            other.delete("b:1")
    assert base.sync(TextSource("a:", [("a:1", "After.")])).added == 1


def test_a_late_writer_is_fenced_off(base):
    with base.store.writing(["a:"]) as late:
        late._connection.execute("SELECT pg_advisory_unlock_all()")  # as if the server had given its session up
        with base.store.writing(["a:"]):
            pass
        with pytest.raises(LockedError, match="somebody else"):
            late.remember("key", "value")
    assert base.store.catalog.meta("key") is None


WRITER = """
import sys
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.testing.stores import StoreEmbeddings
base = KnowledgeBase.open(sys.argv[1], StoreEmbeddings())
items = [(f"d:{n}", f"Document {n} of the archive.\\n\\n" + f"Line of {n}. " * 40) for n in range(int(sys.argv[2]))]
base.sync(TextSource("d:", items), on_progress=lambda step: print(step.uri, flush=True))
"""


@pytest.mark.parametrize(("kills", "more"), [(6, 15), pytest.param(20, 5, marks=pytest.mark.scale)])
def test_whoever_is_killed_loses_nothing_that_was_acknowledged(postgres, place, kills, more):
    """First the writer, then the server, again and again, until all is there.

    Args:
        more: documents that are acknowledged before the next is killed.
    """
    KnowledgeBase.open(place, StoreEmbeddings()).close()
    documents = 40 * kills  # however fast the machine, there is something left to write at the last kill
    acknowledged: set[str] = set()
    killed = {"writer": 0, "server": 0}
    for attempt in range(kills):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, place, str(documents)], stdout=subprocess.PIPE, text=True
        )
        lines = threading.Thread(target=lambda out=writer.stdout: acknowledged.update(map(str.strip, out)))
        lines.start()
        until = time.monotonic() + 30
        seen = len(acknowledged)
        while writer.poll() is None and len(acknowledged) < seen + more and time.monotonic() < until:
            time.sleep(0.005)
        killed["server" if attempt % 2 else "writer"] += writer.poll() is None
        if attempt % 2:
            postgres.stop("immediate")
            writer.wait(60)
            postgres.start()
        else:
            writer.kill()
            writer.wait(60)
        lines.join(60)
        with KnowledgeBase.open(place, StoreEmbeddings()) as base:
            there = [document["uri"] for document in base.documents()]
            assert acknowledged <= set(there) and len(there) == len(set(there)) and base.verify() == []
    assert len(acknowledged) >= 15 and min(killed.values()) >= kills // 2 - 1  # nearly all while it wrote
    command = [sys.executable, "-c", WRITER, place, str(documents)]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with KnowledgeBase.open(place, StoreEmbeddings()) as base:
        assert base.stats()["documents"] == documents and base.verify() == []
        assert base.sync(TextSource("d:", archive(documents))).embedded == 0


def archive(documents: int) -> list[tuple[str, str]]:
    """What the writer writes."""
    return [(f"d:{n}", f"Document {n} of the archive.\n\n" + f"Line of {n}. " * 40) for n in range(documents)]


# ---------------------------------------------------------------------------------------------------- trouble


def test_a_server_that_is_away_is_told_without_the_password():
    with pytest.raises(UnreachableError) as caught:
        KnowledgeBase.open("postgresql://nacre:s3cret%21@127.0.0.1:1/db?base=x&read=postgresql://u:pw2@h/db", "none")
    told = str(caught.value)
    assert "127.0.0.1:1" in told and "s3cret" not in told and "pw2" not in told and caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ("base=Bad-Name", UsageError, "base is"),
        ("base=x&index=fast", UsageError, "index is 'fast'; choose from exact, hnsw"),
        ("base=x&words=tsvector", UsageError, "words is"),
    ],
)
def test_a_wrong_address_is_refused_before_anything_is_asked(change, error, told):
    with pytest.raises(error, match=told):
        KnowledgeBase.open(f"postgresql://nobody@nowhere.invalid/db?{change}")


def test_an_unknown_scheme_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"mysql://.*nacre\.stores"):
        KnowledgeBase.open("mysql://host/db")
    assert list(tmp_path.iterdir()) == []


def test_who_may_only_read_reads(base, postgres, place, embedder):
    base.sync(TextSource("p:", PEARLS))
    schema, role = base.store.address.schema, f"r_{base.store.address.base}"
    postgres.execute(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role}")
    postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    try:
        with KnowledgeBase.open(place.replace("nacre@", f"{role}@"), embedder, create=False) as reader:
            assert reader.search("pearl")[0].uri == "p:1"
            with pytest.raises(KnowledgeBaseError, match="can only be read here"):
                reader.sync(TextSource("p:", []))
    finally:
        postgres.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert base.stats()["documents"] == 3


def test_missing_database_extension_and_later_formats_are_told(base, postgres, place, embedder):
    with pytest.raises(UnreachableError, match=r"nowhere.*createdb"):
        KnowledgeBase.open(place.replace("/postgres", "/nowhere"), embedder)
    with pytest.raises(EmbedderMismatchError):
        KnowledgeBase.open(place, "none")
    postgres.execute(f"UPDATE {base.store.address.schema}.state SET tables = 99")
    with pytest.raises(FormatError, match="99"):
        KnowledgeBase.open(place, embedder)


def test_a_server_without_a_connection_for_us_is_told(base, postgres, place, embedder):
    role = f"r_{base.store.address.base}"
    postgres.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0")
    try:
        with pytest.raises(UnreachableError, match=r"no connection left.*Raise max_connections"):
            KnowledgeBase.open(place.replace("nacre@", f"{role}@"), embedder)
    finally:
        postgres.execute(f"DROP ROLE {role}")


def test_a_statement_that_takes_too_long_is_told(base, postgres, place, embedder):
    base.sync(TextSource("p:", PEARLS))
    with (
        KnowledgeBase.open(f"{place}&options=-c%20statement_timeout%3D400", embedder) as slow,
        pytest.raises(KnowledgeBaseError, match="statement_timeout"),
    ):
        slow.store.db.rows("SELECT pg_sleep(3)")


def test_a_forked_process_makes_connections_of_its_own(base):
    import os

    base.sync(TextSource("p:", PEARLS))
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if base.search("pearl")[0].uri == "p:1" else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0 and base.search("pearl")[0].uri == "p:1"


def test_nothing_is_loaded_for_a_folder():
    check = (
        "import sys, tempfile; from nacre import KnowledgeBase;"
        "b = KnowledgeBase.open(tempfile.mkdtemp(), 'none'); b.search('x') if 0 else None;"
        "sys.exit(any(m.split('.')[0] in ('psycopg', 'psycopg_pool', 'qdrant_client', 'grpc') or 'postgres' in m or 'qdrant' in m for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False, timeout=60).returncode == 0
