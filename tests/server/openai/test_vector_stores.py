"""Files, vector stores and embeddings, by the real openai SDK, with ingestion in its own process."""

from __future__ import annotations

import os
import signal
import time

import httpx
import openai
import pytest

PEARL = "Pearl divers rest on Mondays. The boat leaves the harbour at dawn on every other day."


def wait(client, store: str, seconds: float = 60):
    """Ask until nothing of a store is left to be read."""
    until = time.monotonic() + seconds
    while (found := client.vector_stores.retrieve(store)).status != "completed":
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


def test_sdk_fills_and_asks_a_vector_store_and_learns_why_a_file_failed(serve):
    server = serve(lambda messages, n: "The boat leaves at dawn [1].")
    client = server.openai()
    good = client.files.create(file=("divers.md", PEARL.encode()), purpose="assistants")
    bad = client.files.create(file=("broken.pdf", b"%PDF-1.7 nothing of a PDF"), purpose="assistants")
    assert client.files.content(good.id).read() == PEARL.encode()
    store = client.vector_stores.create(name="Pearls", file_ids=[good.id, bad.id])
    # Questions are answered while files are read.
    assert client.chat.completions.create(
        model="nacre", messages=[{"role": "user", "content": "When does the workshop open?"}]
    )
    found = wait(client, store.id)
    assert (found.file_counts.completed, found.file_counts.failed) == (1, 1)
    states = {entry.id: entry for entry in client.vector_stores.files.list(store.id)}
    assert states[good.id].status == "completed" and states[good.id].last_error is None
    assert states[bad.id].status == "failed" and "PDF" in states[bad.id].last_error.message
    hit = client.vector_stores.search(store.id, query="When does the boat leave?").data[0]
    assert hit.file_id == good.id and hit.filename == "divers.md" and "dawn" in hit.content[0].text
    reply = client.chat.completions.create(
        model=f"nacre@{store.id}", messages=[{"role": "user", "content": "When does the boat leave the harbour?"}]
    )
    url = reply.choices[0].message.annotations[0].url_citation.url
    source = httpx.get(url.replace("/sources/", "/v1/sources/")).json()
    assert source["text"][source["start"] - source["offset"] : source["end"] - source["offset"]].startswith(
        "The boat leaves"
    )
    client.vector_stores.files.delete(good.id, vector_store_id=store.id)
    assert client.vector_stores.search(store.id, query="When does the boat leave?").data == []
    assert client.vector_stores.delete(store.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(store.id)
    assert client.files.delete(good.id).deleted
    assert [file.id for file in client.files.list()] == [bad.id]
    client.close()


def test_batches_report_their_progress_and_main_takes_uploads(serve):
    client = serve().openai()
    files = [
        client.files.create(
            file=(f"{n}.txt", f"Lighthouse number {n} stands on rock {n}.".encode()), purpose="assistants"
        )
        for n in range(5)
    ]
    batch = client.vector_stores.file_batches.create_and_poll(
        "main", file_ids=[file.id for file in files], poll_interval_ms=100
    )
    assert batch.status == "completed" and batch.file_counts.completed == 5
    found = client.vector_stores.search("main", query="lighthouse number 3", max_num_results=3)
    assert found.data[0].filename == "3.txt"
    assert len(client.vector_stores.file_batches.list_files(batch.id, vector_store_id="main").data) == 5
    client.files.delete(files[3].id)
    assert "3.txt" not in {
        hit.filename for hit in client.vector_stores.search("main", query="lighthouse number 3").data
    }
    with pytest.raises(openai.PermissionDeniedError):
        client.vector_stores.delete("main")
    client.close()


def test_attributes_of_files_limit_a_search(serve):
    client = serve().openai()
    store = client.vector_stores.create()
    for year in (2023, 2024):
        file = client.files.create(
            file=(f"{year}.txt", f"The fee of {year} is {year % 100}.".encode()), purpose="assistants"
        )
        client.vector_stores.files.create(store.id, file_id=file.id, attributes={"year": year, "product": f"PX-{year}"})
    wait(client, store.id)

    def found(**filters):
        return [hit.filename for hit in client.vector_stores.search(store.id, query="fee", filters=filters).data]

    newer = {"type": "gt", "key": "year", "value": 2023}
    assert found(**newer) == ["2024.txt"]
    assert found(type="and", filters=[newer, {"type": "eq", "key": "product", "value": "PX-2023"}]) == []
    hit = client.vector_stores.search(
        store.id, query="fee", filters={"type": "eq", "key": "product", "value": "PX-2023"}
    ).data[0]
    assert hit.attributes["year"] == 2023
    with pytest.raises(openai.BadRequestError, match="no condition"):
        found(type="like", key="year", value=1)
    client.close()


def test_kill_9_of_the_ingestion_process_loses_nothing(serve):
    server = serve()
    client = server.openai()
    files = [
        client.files.create(file=(f"{n}.txt", f"Island {n} has {n} palms. ".encode() * 200), purpose="assistants")
        for n in range(40)
    ]
    store = client.vector_stores.create(file_ids=[file.id for file in files])
    process = server.state.ingestion._process
    time.sleep(0.8)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    found = wait(client, store.id)
    assert found.file_counts.completed == 40
    assert server.state.bases.get(store.id).verify() == []
    client.close()


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..\\..\\x.txt",
        "/etc/shadow",
        "a\x00b.txt",
        "..",
        "",
        "x" * 400 + ".txt",
        "a\r\nSet-Cookie: b=c.txt",
    ],
)
def test_file_names_are_never_paths_or_headers(serve, name):
    from nacre.server.openai.files import plain_name

    kept = plain_name(name)
    assert "/" not in kept and "\\" not in kept and kept not in ("", "..") and kept.isprintable() and len(kept) <= 200


def test_a_hostile_name_stays_inside_the_upload_folder(serve):
    server = serve()
    boundary = "frontier"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="../../../evil.txt"\r\n\r\nx\r\n--{boundary}--\r\n'
    answer = httpx.post(
        f"{server.url}/v1/files",
        content=body.encode(),
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
    )
    assert answer.status_code == 200 and answer.json()["filename"] == "evil.txt"
    folder = server.settings.store / "files"
    assert [path.name for path in folder.iterdir()] == [answer.json()["id"]]
    got = httpx.get(f"{server.url}/v1/files/{answer.json()['id']}/content")
    assert (
        got.headers["content-type"] == "application/octet-stream" and "attachment" in got.headers["content-disposition"]
    )


def test_embeddings_are_told_to_be_missing_where_there_is_no_encoder(serve):
    client = serve().openai()
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="nacre", input="x")
    assert caught.value.code == "no_embeddings"
    client.close()


def test_embeddings_as_floats_and_as_base64(serve, tmp_path):
    from nacre import KnowledgeBase
    from nacre.ingest.source import TextSource

    with KnowledgeBase.open(tmp_path / "vectors") as base:
        base.sync(TextSource("memory:a/", [("memory:a/hours.md", PEARL)]))
    client = serve(folder=tmp_path / "vectors").openai()
    floats = client.embeddings.create(model="nacre", input=["nacre", "珍珠母"], encoding_format="float")
    packed = client.embeddings.create(model="nacre", input=["nacre", "珍珠母"])  # the SDK asks for base64
    assert len(floats.data) == 2 and len(floats.data[0].embedding) == 384
    assert packed.data[1].embedding == pytest.approx(floats.data[1].embedding)
    assert floats.usage.total_tokens > 0
    for wrong in ([], [""], [1, 2], ["pearl " * 100] * 2000):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="nacre", input=wrong)
    client.close()


def test_a_store_that_somebody_else_writes_keeps_no_other_store_waiting(tmp_path):
    from nacre import KnowledgeBase
    from nacre.server.ingestion.worker import work
    from nacre.server.records import Records
    from nacre.store.folder.access import write_lock

    KnowledgeBase.open(tmp_path / "kb", "none").close()
    records = Records(tmp_path / "data")
    (tmp_path / "data" / "files").mkdir()
    for n, store in enumerate(("vs_busy", "vs_free")):
        KnowledgeBase.open(tmp_path / "data" / "vector_stores" / store, "none").close()
        file = {"id": f"file-{n}", "owner": "a", "name": "a.txt", "bytes": 4, "purpose": "assistants", "created": n}
        records.insert("files", file)
        records.uploads.path(f"file-{n}").write_text(PEARL)
        entry = {"store": store, "file": f"file-{n}", "owner": "a", "attributes": "{}", "status": "in_progress"}
        records.insert("entries", {**entry, "bytes": 4, "created": n})
    with write_lock(tmp_path / "data" / "vector_stores" / "vs_busy"):
        work(tmp_path / "kb", records, lambda: False)  # the server is gone before the lock is
        states = {row["store"]: (row["status"], row["tries"]) for row in records.select("entries")}
        assert states == {"vs_busy": ("in_progress", 0), "vs_free": ("completed", 1)}
    work(tmp_path / "kb", records, lambda: True)
    assert {row["status"] for row in records.select("entries")} == {"completed"}
    records.close()
