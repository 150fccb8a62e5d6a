"""Knowledge bases of a server: opened once, off the loop, closed when nobody uses them and never before."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from nacre import KnowledgeBase
from nacre.errors import KnowledgeBaseError
from nacre.ingest.source import TextSource
from nacre.server.auth.keys import User
from nacre.server.knowledge_bases import MAIN, KnowledgeBasePool


@pytest.fixture
def opened(monkeypatch) -> Counter:
    """How often each folder was opened, and closed (below 0)."""
    count: Counter = Counter()
    really, close = KnowledgeBase.open, KnowledgeBase.close

    def counted(path, embedder=None):
        count[Path(path).name] += 1
        return really(path, embedder)

    def closed(base):
        count["closed " + base.folder.name] += 1
        close(base)

    monkeypatch.setattr(KnowledgeBase, "open", counted)
    monkeypatch.setattr(KnowledgeBase, "close", closed)
    return count


def bases(tmp_path: Path, **limits: float) -> KnowledgeBasePool:
    KnowledgeBase.open(tmp_path / "kb", "none").close()
    return KnowledgeBasePool(tmp_path / "kb", tmp_path / "data", **limits)


def test_the_least_recently_used_are_closed_and_opened_again(tmp_path, opened):
    found = bases(tmp_path, most_open=2)
    for store in ("a", "b", "a", "c"):
        with found.using(store) as base:
            base.sync(TextSource("m:", [("m:1", f"The boat of {store} is red.")]))
    assert opened["closed b"] == 1 and opened["closed a"] == opened["closed c"] == 0
    with found.using("b") as base:
        assert base.search("boat")[0].text == "The boat of b is red."
    assert opened["b"] == 2 and opened["closed a"] == 1
    assert found.take(MAIN) is found.main and opened["closed kb"] == 1  # that of the fixture
    found.close()


def test_what_is_in_use_is_never_closed(tmp_path, opened):
    found = bases(tmp_path, most_open=0, idle_s=0.0)
    with found.using("a") as base, found.using("a") as same, found.using("b"):
        assert same is base
        base.sync(TextSource("m:", [("m:1", "The boat is red.")]))
        with found.using("c"):
            pass
        found.close_idle()
        assert opened["closed c"] == 1 and not opened["closed a"] and not opened["closed b"]
        assert base.search("boat")
    found.close_idle()
    assert opened["closed a"] == opened["closed b"] == 1
    found.close()


def test_those_that_nobody_has_used_for_long_are_closed(tmp_path, opened):
    found = bases(tmp_path, idle_s=0.0)
    found.get("a")
    found.close_idle()
    assert opened["closed a"] == 1
    found.close()
    found = bases(tmp_path)
    found.get("b")
    found.close_idle()
    assert not opened["closed b"]
    found.close()


def test_a_store_is_opened_once_however_many_want_it_and_the_others_do_not_wait(tmp_path, opened, monkeypatch):
    found, go = bases(tmp_path), threading.Event()
    really = KnowledgeBase.open

    def slow(path, embedder=None):
        if Path(path).name == "slow":
            assert go.wait(30)
        return really(path, embedder)

    monkeypatch.setattr(KnowledgeBase, "open", slow)
    got: list[KnowledgeBase] = []
    threads = [threading.Thread(target=lambda: got.append(found.take("slow"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert found.take("other") is found.get("other") and not got
    go.set()
    for thread in threads:
        thread.join(30)
    assert len(got) == 6 and len({id(base) for base in got}) == 1 and opened["slow"] == 1
    found.close()


def test_an_opening_that_failed_is_tried_again(tmp_path, monkeypatch):
    found = bases(tmp_path)
    wrong = tmp_path / "data" / "vector_stores" / "a"
    wrong.parent.mkdir(parents=True)
    wrong.write_text("in the way")
    for _ in range(2):
        with pytest.raises(KnowledgeBaseError):
            found.take("a")
    wrong.unlink()
    assert found.take("a").search("boat") == []
    found.close()


def test_what_is_deleted_while_it_is_used_goes_with_its_last_user(tmp_path):
    found = bases(tmp_path)
    with found.using("a") as base:
        base.sync(TextSource("m:", [("m:1", "The boat is red.")]))
        found.drop("a")
        assert base.search("boat")
        with pytest.raises(KnowledgeBaseError, match="deleted"):
            found.take("a")
    found.close_idle()
    assert not found.place("a").exists()
    found.drop("never opened")
    found.drop(MAIN)
    assert found.main.folder.exists()
    found.close()


def test_a_closed_store_answers_again_and_its_stacks_are_let_go(serve, monkeypatch):
    server = serve()
    store = httpx.post(f"{server.url}/v1/vector_stores", json={"name": "s"}).json()["id"]
    body = {"model": f"nacre@{store}", "messages": [{"role": "user", "content": "When does the workshop open?"}]}
    bases, served = server.state.bases, server.state.served
    threads: list[str] = []
    really = KnowledgeBase.open

    def noted(path, embedder=None):
        threads.append(threading.current_thread().name)
        return really(path, embedder)

    monkeypatch.setattr(KnowledgeBase, "open", noted)
    for stream in (False, True):
        for _ in range(2):
            assert httpx.post(f"{server.url}/v1/chat/completions", json={**body, "stream": stream}).status_code == 200
        assert served.built("nacre", server.state.local, store) is not None
        bases._idle_s = -1.0
        bases.close_idle()
        bases._idle_s = 900.0
        assert served.built("nacre", server.state.local, store) is None
    assert httpx.post(f"{server.url}/v1/chat/completions", json=body).status_code == 200
    loop = threading.Event()
    names: list[str] = []
    server.loop.call_soon_threadsafe(lambda: (names.append(threading.current_thread().name), loop.set()))
    assert loop.wait(10)
    assert len(threads) == 2 and names[0] not in threads
    bases._idle_s = -1.0
    bases.close_idle()  # every answer has given back what it took
    assert not bases._open


def test_building_one_stack_keeps_nobody_from_another(serve, monkeypatch):
    served = serve().state.served
    building, go = threading.Event(), threading.Event()
    really = served._build

    def slow(stack, principals, *rest):
        if "slow" in principals:
            building.set()
            assert go.wait(30)
        return really(stack, principals, *rest)

    monkeypatch.setattr(served, "_build", slow)
    waiting = threading.Thread(target=served.model, args=("nacre", User("1", "1", ("slow",))))
    waiting.start()
    assert building.wait(30)
    assert served.model("nacre", User("2", "2", ("fast",))) is served.built("nacre", User("2", "2", ("fast",)))
    go.set()
    waiting.join(30)
    assert served.built("nacre", User("1", "1", ("slow",))) is not None


def test_a_client_that_leaves_while_a_store_is_opened_leaves_it_to_be_closed(serve, monkeypatch):
    server = serve()
    store = httpx.post(f"{server.url}/v1/vector_stores", json={"name": "s"}).json()["id"]
    bases, opening, go = server.state.bases, threading.Event(), threading.Event()
    bases._idle_s = -1.0
    bases.close_idle()
    really = KnowledgeBase.open

    def slow(path, embedder=None):
        opening.set()
        assert go.wait(30)
        return really(path, embedder)

    monkeypatch.setattr(KnowledgeBase, "open", slow)
    body = {"model": f"nacre@{store}", "messages": [{"role": "user", "content": "When does the workshop open?"}]}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=httpx.Timeout(30, read=0.5))
    assert opening.is_set() and httpx.get(f"{server.url}/healthz").status_code == 200
    while not server.state.records.select("audit"):
        time.sleep(0.02)
    assert server.state.records.select("audit")[-1]["status"] == "cancelled"
    go.set()
    assert httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=30).status_code == 200
    bases.close_idle()
    assert not bases._open
