"""Who writes for whom, how much a key may keep, and that one key's files do not hold up another's."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from nacre.ingest.source import TextSource
from nacre.server.ingestion import worker as ingest
from nacre.server.ingestion.worker import Turns, work
from nacre.server.mcp import NacreMCP

LAGOON = b"# The lagoon\n\nThe lagoon opens at midnight, says mallory."


class Key:
    """A client with a key."""

    def __init__(self, server: Any, name: str, principals: tuple[str, ...] | None = None, **rights: Any) -> None:
        key = server.state.keys.add(name, principals, **rights)
        self.asker = server.state.keys.find(key)
        self.http = httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=60)

    def upload(self, name: str = "lagoon.md", content: bytes = LAGOON) -> str:
        answer = self.http.post("/v1/files", files={"file": (name, content)}, data={"purpose": "assistants"})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def add(self, file: str, store: str = "main", **attributes: Any) -> httpx.Response:
        body = {"file_id": file, **({"attributes": attributes} if attributes else {})}
        return self.http.post(f"/v1/vector_stores/{store}/files", json=body)

    def read(self, file: str, store: str = "main") -> str:
        until = time.monotonic() + 60
        while (state := self.http.get(f"/v1/vector_stores/{store}/files/{file}").json())["status"] == "in_progress":
            assert time.monotonic() < until, state
            time.sleep(0.1)
        return state["status"]

    def finds(self, query: str = "When does the lagoon open?") -> str:
        """What all ways of asking give it."""
        search = self.http.post("/v1/vector_stores/main/search", json={"query": query}).text
        chat = {"model": "nacre", "messages": [{"role": "user", "content": query}]}
        call = {"name": "search", "arguments": {"query": query}}
        return "".join(
            [
                search,
                self.http.post("/v1/chat/completions", json=chat).text,
                self.http.post("/v1/responses", json={"model": "nacre", "input": query}).text,
                self.mcp("tools/call", call),
                self.mcp("resources/list"),
                *(self.http.get(f"/v1/sources/{n}").text for n in range(1, 6)),
                *(self.mcp("resources/read", {"uri": f"nacre://documents/{n}"}) for n in range(1, 6)),
            ]
        )

    def mcp(self, method: str, params: dict[str, Any] | None = None) -> str:
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        return self.http.post("/mcp", json=body, headers=headers).text


def echoed(messages: list[Any], n: int) -> str:
    return "\n".join(str(message.content) for message in messages)[-4000:]


def test_an_upload_into_main_is_seen_by_its_key_alone(serve):
    server = serve(echoed)
    plain, member, other = Key(server, "plain"), Key(server, "hr", ("hr",)), Key(server, "hr2", ("hr",))
    for key in (plain, member):
        file = key.upload()
        assert key.add(file).status_code == 200 and key.read(file) == "completed"
        assert "mallory" in key.finds()
        for stranger in (plain, member, other):
            if stranger is not key:
                assert "mallory" not in stranger.finds()
        assert key.http.delete(f"/v1/files/{file}").status_code == 200
        assert "mallory" not in key.finds()


def test_a_batch_and_attributes_widen_nothing(serve):
    server = serve()
    key = Key(server, "hr", ("hr",))
    file = key.upload()
    for principals in ("hr", "*", "board", key.asker.own, "", "hr,board"):
        assert key.add(file, principals=principals).status_code == 403, principals
        body = {"file_ids": [file], "attributes": {"principals": principals}}
        assert key.http.post("/v1/vector_stores/main/file_batches", json=body).status_code == 403
    assert server.state.records.select("entries") == []
    batch = key.http.post("/v1/vector_stores/main/file_batches", json={"file_ids": [file]})
    assert batch.status_code == 200
    assert json.loads(server.state.records.one("entries", "file = ?", file)["principals"]) == [key.asker.own]


def test_the_right_to_write_into_main_gives_to_everyone_or_to_ones_own(serve):
    server = serve(echoed)
    writer, narrow = Key(server, "writer", write_main=True), Key(server, "hr", ("hr",), write_main=True)
    reader, member = Key(server, "reader", read_only=True), Key(server, "member", ("hr",), read_only=True)
    file = writer.upload()
    assert writer.add(file).status_code == 200 and writer.read(file) == "completed"
    assert "mallory" in reader.finds()
    file = narrow.upload("tide.md", b"The tide turns at noon, says nerissa.")
    assert narrow.add(file).status_code == 200 and narrow.read(file) == "completed"
    assert "nerissa" in member.finds("When does the tide turn?")
    assert "nerissa" not in reader.finds("When does the tide turn?")


def test_nobody_takes_out_or_replaces_what_another_put_into_main(serve):
    server = serve(echoed)
    writer, other = Key(server, "writer", write_main=True), Key(server, "other", write_main=True)
    file = writer.upload()
    writer.add(file)
    assert writer.read(file) == "completed"
    assert other.add(file).status_code == 404
    assert other.http.delete(f"/v1/vector_stores/main/files/{file}").status_code == 404
    assert other.http.delete(f"/v1/files/{file}").status_code == 404
    again = other.upload("lagoon.md", b"Nothing of the kind.")
    assert other.add(again).status_code == 200 and other.read(again) == "completed"
    assert "mallory" in other.finds()


def test_without_keys_uploads_are_for_everyone_as_before(serve):
    server = serve()
    with httpx.Client(base_url=server.url) as client:
        file = client.post("/v1/files", files={"file": ("lagoon.md", LAGOON)}).json()["id"]
        assert client.post("/v1/vector_stores/main/files", json={"file_id": file}).status_code == 200
    assert server.state.records.one("entries", "file = ?", file)["principals"] is None


def test_what_stands_for_a_key_cannot_be_had_by_name(serve):
    server = serve()
    key = Key(server, "one")
    server.state.bases.main.sync(
        TextSource("memory:c/", [("memory:c/1", "The buoy is green.", "Buoys")]), principals=[key.asker.own]
    )
    assert "buoy" in key.finds("Which colour is the buoy?")
    assert "green" not in Key(server, "two", ("hr",)).finds("Which colour is the buoy?")
    assert NacreMCP(server.state, server.state.local)._user.sees == ("key:local",)


# ---------------------------------------------------------------------------------------------------- quotas


def test_uploads_stores_and_verdicts_of_a_key_are_bounded(serve):
    server = serve(max_files=3, files_mb=1, max_stores=2, max_feedback=2, feedback_mb=1)
    key, other = Key(server, "one", read_only=False), Key(server, "two")

    def refused(answer: httpx.Response) -> bool:
        return answer.status_code == 403 and answer.json()["error"]["code"] == "quota_exceeded"

    def send(content: bytes) -> httpx.Response:
        return key.http.post("/v1/files", files={"file": ("a.txt", content)})

    assert refused(send(b"x" * ((1 << 20) + 1)))
    first = send(b"x" * (1 << 20)).json()["id"]
    assert refused(send(b"y"))
    assert key.http.delete(f"/v1/files/{first}").status_code == 200
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda n: send(b"z").status_code, range(12)))
    assert codes.count(200) == 3 and codes.count(403) == 9
    assert len(list((server.settings.store / "files").iterdir())) == 3
    stores = [key.http.post("/v1/vector_stores", json={}) for _ in range(3)]
    assert [answer.status_code for answer in stores[:2]] == [200, 200] and refused(stores[2])
    verdict = {"verdict": "up", "question": "q", "answer": "a"}
    given = [key.http.post("/v1/feedback", json=verdict) for _ in range(3)]
    assert [answer.status_code for answer in given[:2]] == [200, 200] and refused(given[2])
    # Nobody else pays for it, and the words come in both languages.
    assert other.upload() and other.http.post("/v1/vector_stores", json={}).status_code == 200
    told = key.http.post("/v1/feedback", json=verdict, headers={"accept-language": "zh"}).json()["error"]["message"]
    assert "评价" in told


def test_verdicts_of_a_reader_are_bounded_in_bytes(serve):
    server = serve(feedback_mb=1)
    key = Key(server, "reader", read_only=True)
    verdict = {"verdict": "up", "question": "问" * 20_000, "answer": "答" * 100_000}
    codes = [key.http.post("/v1/feedback", json=verdict).status_code for _ in range(5)]
    assert codes == [200, 200, 403, 403, 403]  # 360,000 bytes each


def test_files_count_for_each_store_that_they_are_read_into(serve, monkeypatch):
    server = serve(max_files=2)
    monkeypatch.setattr(server.state.ingestion, "wake", lambda: None)
    key = Key(server, "one")
    files = [key.upload(f"{n}.txt", b"x") for n in range(2)]
    store = key.http.post("/v1/vector_stores", json={"file_ids": files}).json()["id"]
    answer = key.add(files[0])
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "quota_exceeded"
    assert key.http.delete(f"/v1/vector_stores/{store}").status_code == 200
    assert key.add(files[0]).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{"metadata": {"a": "x" * 513}}, {"metadata": {"a" * 65: "x"}}, {"metadata": {str(n): "" for n in range(17)}}],
)
def test_notes_on_a_store_are_short(serve, body):
    assert httpx.post(f"{serve().url}/v1/vector_stores", json=body).status_code == 400


# ---------------------------------------------------------------------------------------------------- turns


def row(owner: str, n: int, store: str = "main", size: int = 10, tries: int = 0) -> dict[str, Any]:
    return {"owner": owner, "store": store, "file": f"{owner}-{store}-{n}", "bytes": size, "tries": tries}


def order(waiting: list[dict[str, Any]]) -> list[str]:
    """Who is served, batch after batch, where one runs at a time."""
    turns, served = Turns(), []
    while batch := turns.next(waiting, []):
        assert len({(each["owner"], each["store"]) for each in batch}) == 1
        served.append(batch[0]["owner"] + str(len(batch)))
        waiting = [each for each in waiting if each not in batch]
    return served


def test_askers_take_turns_and_their_small_files_go_first():
    many = [row("anna", n) for n in range(9)]
    assert order([*many, row("ben", 1), row("cleo", 1)]) == ["anna4", "ben1", "cleo1", "anna4", "anna1"]
    large = [row("anna", 1, size=5 << 20), row("anna", 2, size=3), row("anna", 3, size=2 << 20)]
    assert order([*large, row("ben", 1)]) == ["anna1", "ben1", "anna1", "anna1"]
    assert [each["file"] for each in Turns().next(large, [])] == ["anna-main-2"]


def test_who_comes_late_is_served_next():
    turns, many = Turns(), [row("anna", n) for n in range(40)]
    for _ in range(3):
        batch = turns.next(many, [])
        many = [each for each in many if each not in batch]
    assert turns.next([*many, row("ben", 1)], [])[0]["owner"] == "ben"


def test_what_runs_at_once_is_of_different_askers_and_stores():
    turns = Turns()
    running = [[row("anna", 1, "vs_a")]]
    assert turns.next([row("anna", 2), row("ben", 1, "vs_a")], running) == []
    assert turns.next([row("anna", 2), row("ben", 1)], running) == [row("ben", 1)]


def test_what_brought_the_process_down_is_read_last_and_alone():
    turns, suspect = Turns(), row("anna", 1, tries=1)
    assert turns.next([suspect, row("ben", 1)], []) == [row("ben", 1)]
    assert turns.next([suspect], [[row("ben", 1)]]) == []
    assert turns.next([suspect], []) == [suspect]
    assert turns.next([suspect, row("ben", 1)], [[suspect]]) == []


def test_a_slow_file_does_not_hold_up_another_keys_store(serve, monkeypatch):
    server = serve()
    monkeypatch.setattr(server.state.ingestion, "wake", lambda: None)
    slow, quick = Key(server, "slow"), Key(server, "quick")
    places = []
    for key, name in ((slow, "slow.md"), (quick, "quick.md")):
        store = key.http.post("/v1/vector_stores", json={}).json()["id"]
        file = key.upload(name)
        assert key.add(file, store).status_code == 200
        places.append((store, file))
    real, release = ingest._ingest, threading.Event()

    def held(kb: Any, records: Any, batch: Any) -> Any:
        if batch[0]["store"] == places[0][0]:
            assert release.wait(60)
        return real(kb, records, batch)

    monkeypatch.setattr(ingest, "_ingest", held)
    thread = threading.Thread(target=work, args=(server.settings.kb, server.state.records, lambda: True))
    thread.start()
    try:
        assert quick.read(places[1][1], places[1][0]) == "completed"
        late = quick.upload("late.md", b"A late one.")
        assert quick.add(late, places[1][0]).status_code == 200 and quick.read(late, places[1][0]) == "completed"
    finally:
        release.set()
        thread.join(60)
    assert slow.read(places[0][1], places[0][0]) == "completed"


# ---------------------------------------------------------------------------------------------------- files


def test_all_that_a_server_makes_is_its_users_alone(serve):
    import os

    from nacre.system.files import wide

    before = os.umask(0)
    try:
        server = serve(trace=True)
        key = Key(server, "one")
        file = key.upload()
        store = key.http.post("/v1/vector_stores", json={"file_ids": [file]}).json()["id"]
        assert key.read(file, store) == "completed"
        key.finds()
        assert (server.settings.store / "vector_stores" / store / "catalog.sqlite").exists()
        assert [f"{mode} {path}" for path, mode in wide(server.settings.kb)] == []
    finally:
        os.umask(before)
