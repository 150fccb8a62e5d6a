"""Arms in Qdrant: who answers when they are behind, broken off, away or changed meanwhile."""

from __future__ import annotations

import http.server
import threading

import numpy as np
import pytest

from nacre.errors import KnowledgeBaseError, UnreachableError, UsageError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.filters import Filter
from nacre.store.places import shown
from nacre.store.postgres.address import parse_address
from nacre.store.qdrant import arms as arms_module
from nacre.store.qdrant import indexes
from nacre.store.qdrant.edge import EdgeEngine
from nacre.store.qdrant.engine import ArmsAddress, Point, parse_arms
from nacre.store.qdrant.http import HttpEngine

PEARLS = [
    ("p:1", "# Pearls\n\nThe pearl is white. It grew in a shell."),
    ("p:2", "The harbour is deep. 港口很深，夏天涨潮。"),
    ("p:3", "Salaries are secret."),
]
GULLS = [(f"g:{n}", f"Gulls cry over wave {n} and the sand.") for n in range(60)]  # a mean length that stays
AWAY = UnreachableError("away")


@pytest.fixture
def edge(tmp_path):
    pytest.importorskip("qdrant_edge")
    return f"qdrant+file://{tmp_path}"


@pytest.fixture
def base(place, edge, embedder):
    with KnowledgeBase.open(f"{place}&arms={edge}", embedder) as base:
        base.sync(TextSource("g:", GULLS))
        base.sync(TextSource("p:", PEARLS))
        yield base


@pytest.fixture
def asked(monkeypatch):
    """The limits of each question that Qdrant was asked."""
    seen = []

    def rank(self, asked, k, limits, looked=0, whole=EdgeEngine.rank):
        seen.append(dict(limits))
        return whole(self, asked, k, limits, looked)

    monkeypatch.setattr(EdgeEngine, "rank", rank)
    return seen


@pytest.fixture
def pushed(monkeypatch):
    """The chunks that were written to Qdrant."""
    seen = []

    def put(self, points, whole=EdgeEngine.put):
        seen.extend(point.number for point in points)
        whole(self, points)

    monkeypatch.setattr(EdgeEngine, "put", put)
    return seen


def found(base, question="pearl", **more):
    return [hit.uri for hit in base.search(question, **more)]


def lagoons(base):
    return sum(uri.startswith("q:") for uri in found(base, "lagoon", k=6))


def test_both_arms_ask_qdrant_for_what_the_asker_may_see(base, asked):
    base.sync(TextSource("hr:", [("hr:1", "Pearl salaries.")]), principals=["hr"])
    assert found(base)[0] == "p:1"
    assert len(asked) >= 2 and all(limits["audience"] == [0] for limits in asked)
    assert "hr:1" in found(base, principals=["hr"]) and "hr:1" not in found(base)
    del asked[:]
    assert found(base, where=Filter(uri_prefix="p:2")) == ["p:2"]
    number = base.store.catalog.find("p:2").id
    assert asked and all(limits["document"] == [number] for limits in asked)
    assert base.verify() == []


def test_a_filter_that_lets_much_through_is_postgresqls(base, asked, monkeypatch):
    monkeypatch.setattr(indexes, "_DOCUMENTS", 2)
    assert found(base, where=Filter(uri_prefix="p:"))[0] == "p:1" and asked == []


def test_only_what_changed_is_pushed(base, pushed):
    base.sync(TextSource("p:", [PEARLS[0], ("p:2", "The harbour silted up."), PEARLS[2]]))
    (changed,) = base.store.catalog.chunk_records(base.store.catalog.find("p:2").id)
    assert pushed == [changed.id] and base.verify() == []
    del pushed[:]
    base.sync(TextSource("p:", PEARLS[:1]))
    assert pushed == [] and base.verify() == [] and "p:2" not in found(base, "harbour")


def test_what_cannot_be_pushed_is_answered_by_postgresql_until_it_can(base, asked, pushed, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(EdgeEngine, "set_mark", lambda *_: (_ for _ in ()).throw(AWAY))
        with pytest.raises(UnreachableError):
            base.sync(TextSource("q:", [("q:1", "A new pearl of the lagoon.")]))
    assert found(base, "lagoon")[0] == "q:1" and asked == []
    assert len(base.verify()) == 1 and "behind" in base.verify()[0]
    assert base.sync(TextSource("q:", [("q:1", "A new pearl of the lagoon.")])).embedded == 0
    assert found(base, "lagoon")[0] == "q:1" and asked and base.verify() == []


def test_a_push_that_is_broken_off_is_not_believed(base, asked, monkeypatch):
    monkeypatch.setattr(arms_module, "_BATCH", 2)
    calls = []

    def put(self, points, whole=EdgeEngine.put):
        calls.append(len(points))
        if len(calls) == 2:
            raise AWAY
        whole(self, points)

    with monkeypatch.context() as broken:
        broken.setattr(EdgeEngine, "put", put)
        with pytest.raises(UnreachableError):
            base.sync(TextSource("q:", [(f"q:{n}", f"Lagoon number {n}.") for n in range(6)]))
    assert lagoons(base) == 6 and asked == []
    base.sync(TextSource("r:", [("r:1", "More.")]))
    assert lagoons(base) == 6 and asked and base.verify() == []


def test_what_is_deleted_after_a_first_push_that_was_broken_off_does_not_stay(place, edge, embedder, monkeypatch):
    monkeypatch.setattr(arms_module, "_BATCH", 2)
    with KnowledgeBase.open(place, embedder) as base:
        base.sync(TextSource("g:", GULLS[:6]))
    with KnowledgeBase.open(f"{place}&arms={edge}", embedder) as base:
        calls = []

        def put(self, points, whole=EdgeEngine.put):
            calls.append(len(points))
            if len(calls) == 3:
                raise AWAY
            whole(self, points)

        with monkeypatch.context() as broken:
            broken.setattr(EdgeEngine, "put", put)
            with pytest.raises(UnreachableError):
                base.sync(TextSource("g:", GULLS[:6]))
        base.sync(TextSource("g:", GULLS[1:6]))
        assert base.verify() == []


def test_what_changes_while_it_is_asked_is_asked_elsewhere(base, monkeypatch):
    def rank(self, *question):
        self.set_mark({**self.mark(), "open": True})  # somebody begins to write
        return []

    monkeypatch.setattr(EdgeEngine, "rank", rank)
    assert found(base)[0] == "p:1"


def test_weights_are_made_anew_when_the_mean_length_drifts(base, pushed):
    base.sync(TextSource("q:", [("q:1", "The pearl is white, and it grew in a shell near here.")]))
    whole = base.stats()["chunks"]
    del pushed[:]
    base.sync(TextSource("r:", [(f"r:{n}", "tide " * 150) for n in range(5)]))
    assert len(set(pushed)) > whole and base.verify() == []
    mark = arms_module._said(base.store._arms._engine)
    with base.store.db.read() as connection:
        assert mark.factor == pytest.approx(arms_module._factor(connection))


def test_a_truth_from_a_backup_is_not_confused_with_another_history(base, place, postgres, pushed):
    schema = base.store.address.schema
    (kept,) = postgres.execute(f"SELECT value FROM {schema}.meta WHERE key = 'arms'")
    base.sync(TextSource("q:", [("q:1", "A pearl that the backup does not know.")]))
    postgres.execute(f"UPDATE {schema}.meta SET value = '{kept[0]}' WHERE key = 'arms'")  # as the backup has it
    assert "behind" in base.verify()[0]
    del pushed[:]
    base.sync(TextSource("r:", [("r:1", "Later.")]))
    assert len(pushed) == base.stats()["chunks"] and base.verify() == []


def test_a_rebuild_makes_the_collection_anew(base, pushed):
    base.store._arms._engine.delete([1])
    assert "1 chunks are missing" in base.verify()[0]
    base.store.rebuild()
    assert len(pushed) == base.stats()["chunks"] and base.verify() == []


def test_who_fails_is_told_once_and_not_asked_for_a_while(base, monkeypatch, caplog):
    calls = []

    def rank(self, *question):
        calls.append(question)
        raise AWAY

    monkeypatch.setattr(EdgeEngine, "rank", rank)
    assert found(base)[0] == "p:1" and found(base)[0] == "p:1"
    assert len(calls) == 1 and caplog.text.count("in the place of Qdrant: away") == 1


# ---------------------------------------------------------------------------------------------------- the wire


@pytest.fixture
def wire():
    """Requests as they go to a server, answered by qdrant-client's own small Qdrant."""
    client = pytest.importorskip("qdrant_client").QdrantClient(":memory:")
    return lambda dim=4: HttpEngine(ArmsAddress("http://here:6333", "nacre_x"), dim, 5, client)


@pytest.fixture
def engines(wire, tmp_path):
    pytest.importorskip("qdrant_edge")
    return [wire(), EdgeEngine(ArmsAddress(f"file://{tmp_path}", "nacre_x"), 4)]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of what the small one lacks
def test_wire_and_engine_say_the_same(engines):
    said = []
    for engine in engines:
        assert not engine.check() and engine.mark() is None
        engine.make(4)
        assert engine.check() and engine.mark() is None and engine.rows() == {}
        unit = np.eye(4, dtype=np.float32).tolist()
        facts = [{"audience": n % 2, "document": n, "writing": 0} for n in range(5)]
        engine.put([Point(n, unit[n % 4], {7: n / 2, 4_000_000_000: 1.0}, facts[n]) for n in range(1, 5)])
        engine.put([Point(5, None, {}, {"audience": 1, "document": 5, "writing": 0})])
        engine.set_mark({"generation": 3, "open": False, "factor": 0.5})
        engine.delete([4, 99])
        said.append(
            [
                engine.mark(),
                engine.rows(),
                engine.rank({7: 2.0}, 9, {}),
                engine.rank({7: 2.0}, 9, {"audience": [0]}),
                engine.rank({7: 2.0}, 9, {"audience": [0, 1], "document": [1, 2]}),
                engine.rank(unit[2], 1, {}),
                engine.rank(unit[2], 1, {"audience": [1], "document": [3, 5]}, 16),
                engine.rank({5: 1.0}, 9, {}),
                engine.rank({7: 1.0}, 9, {"audience": []}),
            ]
        )
        engine.make(4)
        assert engine.rows() == {} and engine.mark() is None
        engine.close()
    assert said[0] == said[1]
    assert said[0][1:4] == [{1: 1, 2: 0, 3: 1, 5: 1}, [(3, 3.0), (2, 2.0), (1, 1.0)], [(2, 2.0)]]
    assert said[0][5] == [(2, 1.0)] and said[0][7:] == [[], []]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of what the small one lacks
def test_a_collection_of_something_else_is_refused_not_overwritten(wire):
    wire(4).make(4)
    with pytest.raises(KnowledgeBaseError, match=r"4 dimensions, the base has 8.*Name another collection"):
        wire(8).check()
    with pytest.raises(KnowledgeBaseError, match="the base has 0"):
        wire(None).check()
    assert wire(4).check()


class _Refusing(http.server.BaseHTTPRequestHandler):
    status = 401

    def do_GET(self):
        body = b'{"title": "qdrant", "version": "1.9.7"}' if self.status == 200 else b"no <key> for you"
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"qdrant+http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize(
    ("status", "told"), [(401, "QDRANT_API_KEY"), (403, "QDRANT_API_KEY"), (500, "refuses"), (200, "is Qdrant 1.9.7")]
)
def test_a_server_that_refuses_is_told_in_one_line(place, server, embedder, monkeypatch, status, told):
    pytest.importorskip("qdrant_client")
    monkeypatch.setattr(_Refusing, "status", status)
    monkeypatch.setenv("QDRANT_API_KEY", "s3cret")
    with pytest.raises(KnowledgeBaseError, match=told) as caught:
        KnowledgeBase.open(f"{place}&arms={server}", embedder)
    assert "\n" not in str(caught.value) and "s3cret" not in str(caught.value) and server in str(caught.value)


def test_a_server_that_is_away_is_told_with_the_cure(place, embedder):
    pytest.importorskip("qdrant_client")
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1/nacre_t.*leave arms out") as caught:
        KnowledgeBase.open(f"{place}&arms=qdrant+http://127.0.0.1:1", embedder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arms",
    ["qdrant", "http://h:6333", "qdrant+ftp://h", "qdrant+http://", "qdrant+http://h:x", "qdrant+file://h/x", "milvus+http://h",
     "qdrant+http://h?x=1", "qdrant+http://h/a/b", "qdrant+http://h/a%20b", "qdrant+http://u:s3cret@h:6333"],
)  # fmt: skip
def test_an_address_of_arms_that_means_nothing_is_refused(arms):
    with pytest.raises(UsageError) as caught:
        parse_address(f"postgresql://h/db?base=x&arms={arms}")
    assert "s3cret" not in str(caught.value)


def test_an_address_of_arms_is_read_and_shown():
    assert parse_arms("qdrant+https://h/mine", "x") == ArmsAddress("https://h:6333", "mine")
    assert parse_arms("qdrant http://[::1]:7000/", "x") == ArmsAddress("http://[::1]:7000", "nacre_x")
    told = shown("postgresql://u:s3cret@h/db?base=x&arms=qdrant+http://q:6333")
    assert told == "postgresql://u@h/db?base=x&arms=qdrant+http://q:6333/nacre_x"
    assert shown(told) == told
