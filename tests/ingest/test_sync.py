"""The ledger: nothing is embedded twice, nothing lingers, nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CountingEmbedder

from nacre.errors import DamagedError, KnowledgeBaseError, LockedError, ModelError, SourceError, UsageError
from nacre.ingest.source import Item, TextSource, Unreachable
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.folder.access import write_lock


def paragraphs(count: int, word: str = "item") -> str:
    return "\n\n".join(
        f"Paragraph {n} tells of the {word} number {n} and where it is kept, on shelf {n * 7}." * 4
        for n in range(count)
    )


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\n\nEveryone has 25 days of leave a year.\n")
    (folder / "travel.md").write_text("# Travel\n\nThe manager approves journeys above 500 yuan.\n")
    (folder / "请假.md").write_text("# 请假\n\n每位员工每年有 25 天年假。\n")
    return folder


class Listed:
    """A source that does as it is told."""

    scope = "test:"

    def __init__(self, *items: Item | Unreachable | Exception) -> None:
        self._items = items

    def items(self) -> Iterator[Item | Unreachable]:
        for item in self._items:
            if isinstance(item, Exception):
                raise item
            yield item


def text(uri: str, content: str, **facts: object) -> Item:
    return Item(uri=f"test:{uri}", read=lambda: content, **facts)  # type: ignore[arg-type]


def uris(base: KnowledgeBase) -> list[str]:
    return [document["uri"] for document in base.documents()]


def test_first_sync_adds_and_second_embeds_nothing(base, embedder, docs) -> None:
    report = base.sync(docs)
    assert (report.added, report.updated, report.deleted, report.unchanged, report.failed) == (3, 0, 0, 0, [])
    assert report.embedded == len(embedder.texts) > 0
    before = len(embedder.texts)
    again = base.sync(docs)
    assert (again.added, again.updated, again.deleted, again.unchanged, again.embedded) == (0, 0, 0, 3, 0)
    assert len(embedder.texts) == before
    assert base.verify() == []


def test_a_touched_file_is_read_but_not_changed(base, embedder, docs) -> None:
    base.sync(docs)
    os.utime(docs / "leave.md", ns=(1, 1))
    report = base.sync(docs)
    assert (report.unchanged, report.updated, report.embedded) == (3, 0, 0)


def test_an_edited_paragraph_reembeds_only_its_chunks(base, embedder, tmp_path) -> None:
    path = tmp_path / "long.txt"
    path.write_text(paragraphs(150))
    total = base.sync(path).embedded
    assert total > 15
    path.write_text(path.read_text().replace("item number 75 ", "thing changed by somebody, number 75 "))
    report = base.sync(path)
    assert (report.updated, report.added) == (1, 0)
    assert 1 <= report.embedded <= 4
    hit = base.search("thing changed by somebody")[0]
    assert "changed by somebody" in hit.text
    assert hit.version == 2
    assert base.text(hit.uri)[hit.start : hit.end] == hit.text
    assert base.verify() == []


def test_a_deleted_file_leaves_no_ghost(base, docs) -> None:
    base.sync(docs)
    gone = base.search("manager approves journeys")[0].uri
    (docs / "travel.md").unlink()
    report = base.sync(docs)
    assert (report.deleted, report.unchanged) == (1, 2)
    assert gone not in uris(base)
    assert all(hit.uri != gone for hit in base.search("manager approves journeys yuan", k=100))
    with pytest.raises(UsageError, match="No document"):
        base.text(gone)
    assert base.stats()["vectors"] == base.stats()["chunks"] == 2
    assert base.verify() == []


def test_without_prune_a_deleted_file_stays(base, docs) -> None:
    base.sync(docs)
    (docs / "travel.md").unlink()
    assert base.sync(docs, prune=False).deleted == 0
    assert len(uris(base)) == 3


def test_a_folder_that_is_empty_all_at_once_is_doubted(base, docs) -> None:
    for n in range(10):
        (docs / f"{n}.md").write_text(f"Text {n}.")
    base.sync(docs)
    for file in docs.iterdir():
        file.unlink()
    report = base.sync(docs)
    assert (report.deleted, len(uris(base))) == (0, 13) and "13 documents" in report.failed[0][1]
    (docs / "0.md").write_text("Text 0.")
    assert base.sync(docs).deleted == 12


def test_a_renamed_file_keeps_its_chunks_and_number(base, embedder, docs) -> None:
    base.sync(docs)
    before = base.search("manager approves")[0]
    embedded = len(embedder.texts)
    (docs / "new place").mkdir()
    (docs / "travel.md").rename(docs / "new place" / "journeys.md")
    report = base.sync(docs)
    assert (report.moved, report.updated, report.added, report.deleted, report.embedded) == (1, 1, 0, 0, 0)
    assert len(embedder.texts) == embedded
    after = base.search("manager approves")[0]
    assert after.uri.endswith("journeys.md")
    assert (after.chunk_id, after.document_id, after.version) == (before.chunk_id, before.document_id, before.version)
    assert before.uri not in uris(base)
    assert base.verify() == []


def test_a_file_named_by_its_title_gets_its_new_name(base, tmp_path) -> None:
    (tmp_path / "a.txt").write_text("Words without a heading.")
    folder = tmp_path
    base.sync(str(folder / "*.txt"))
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    base.sync(str(folder / "*.txt"))
    assert [document["title"] for document in base.documents()] == ["b"]


def test_equal_texts_are_two_documents_and_both_can_go(base, embedder, docs) -> None:
    (docs / "copy.md").write_bytes((docs / "leave.md").read_bytes())
    report = base.sync(docs)
    assert report.added == 4
    assert len({hit.document_id for hit in base.search("25 days of leave a year", k=10) if "25 days" in hit.text}) == 2
    (docs / "copy.md").unlink()
    (docs / "leave.md").unlink()
    assert base.sync(docs).deleted == 2
    assert not [hit for hit in base.search("25 days of leave a year", k=10) if "25 days" in hit.text]
    assert base.verify() == []


def test_a_new_copy_is_not_embedded_again(base, embedder, docs) -> None:
    base.sync(docs)
    (docs / "copy.md").write_bytes((docs / "leave.md").read_bytes())
    report = base.sync(docs)
    assert (report.added, report.embedded) == (1, 0)


def test_sources_do_not_prune_each_other(base, tmp_path, docs) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.txt").write_text("Another place.")
    base.sync(docs)
    assert base.sync(other).deleted == 0
    assert len(uris(base)) == 4
    (docs / "leave.md").unlink()
    assert base.sync(other).deleted == 0
    assert base.sync(docs, other).deleted == 1


def test_a_folder_inside_a_synced_folder_prunes_itself_only(base, docs) -> None:
    (docs / "sub").mkdir()
    (docs / "sub" / "a.txt").write_text("Inner text a.")
    (docs / "sub" / "b.txt").write_text("Inner text b.")
    base.sync(docs)
    (docs / "sub" / "a.txt").unlink()
    (docs / "leave.md").unlink()
    assert base.sync(docs / "sub").deleted == 1
    assert len(uris(base)) == 4


def test_a_source_that_is_away_deletes_nothing(base, docs) -> None:
    base.sync(docs)
    docs.rename(docs.with_name("elsewhere"))
    report = base.sync(docs)
    assert report.deleted == 0
    assert [uri for uri, _ in report.failed] == [docs.as_uri() + "/"]
    assert len(uris(base)) == 3


def test_a_listing_that_breaks_off_deletes_nothing(base) -> None:
    base.sync(Listed(text("a", "Text a."), text("b", "Text b.")))
    report = base.sync(Listed(text("a", "Text a, changed."), SourceError("the server hung up", uri="test:")))
    assert (report.updated, report.deleted) == (1, 0)
    assert report.failed == [("test:", "the server hung up")]


def test_an_unreachable_place_keeps_what_lies_below_it(base) -> None:
    base.sync(Listed(text("x/a", "Text a."), text("x/b", "Text b."), text("xy", "Text c.")))
    report = base.sync(Listed(Unreachable("test:x", "no permission")))
    assert report.deleted == 1
    assert uris(base) == ["test:x/a", "test:x/b"]


def test_a_document_that_cannot_be_read_keeps_its_last_version(base) -> None:
    base.sync(Listed(text("a", "The old words.", stamp="1")))

    def broken() -> bytes:
        raise OSError("input/output error")

    report = base.sync(Listed(Item("test:a", broken, stamp="2"), text("b", "Others go on.")))
    assert report.failed == [("test:a", "input/output error")]
    assert (report.added, report.deleted) == (1, 0)
    assert base.text("test:a") == "The old words."


def test_a_broken_file_costs_its_own_row(base, docs) -> None:
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    (docs / "empty.txt").write_bytes(b"")
    report = base.sync(docs)
    assert report.added == 3
    assert sorted(Path(uri).name for uri, _ in report.failed) == ["broken.pdf", "empty.txt"]
    assert all(reason for _, reason in report.failed)


def test_an_equal_stamp_means_not_read(base) -> None:
    base.sync(Listed(text("a", "Words.", stamp="7")))

    def never() -> str:
        raise AssertionError("was read")

    assert base.sync(Listed(Item("test:a", never, stamp="7"))).unchanged == 1


def test_two_sources_that_list_one_document_count_it_once(base, docs) -> None:
    report = base.sync(docs, docs / "leave.md")
    assert report.added == 3


def test_interrupted_sync_keeps_what_is_done_and_goes_on(base, embedder, docs) -> None:
    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        base.sync(TextSource("m:", [(f"m:{n}", paragraphs(60, f"thing{n}")) for n in range(6)]), on_progress=stop)
    done = len(uris(base))
    assert 1 <= done < 6
    assert base.verify() == []
    before = len(embedder.texts)
    report = base.sync(TextSource("m:", [(f"m:{n}", paragraphs(60, f"thing{n}")) for n in range(6)]))
    assert report.unchanged == done
    assert report.added == 6 - done
    assert base.verify() == []
    assert before + report.embedded == len(embedder.texts)


def test_a_large_document_is_told_by_its_name_and_goes_on_where_it_stopped(base, embedder) -> None:
    small, large = ("m:small", "A note on tides."), ("m:large", paragraphs(900, "thing"))
    source = TextSource("m:", [small, large])
    seen: list[Any] = []

    def stop(step: Any) -> None:
        seen.append(step)
        if step.share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        base.sync(TextSource("m:", [large]), on_progress=stop)
    assert {step.uri for step in seen} == {"m:large"} and seen[0].share == 0 and 0.5 < seen[-1].share < 1
    assert uris(base) == [] and base.search("thing") == [] and base.verify() == []  # nobody finds a part
    before = embedder.texts[:]
    assert len(before) == seen[-1].embedded > 0
    report = base.sync(source)
    assert report.added == 2 and base.verify() == []
    after = embedder.texts[len(before) :]
    assert not set(before) & set(after)  # nothing twice
    assert len(before) + len(after) == base.stats()["vectors"] == base.stats()["chunks"]
    assert base.sync(source).embedded == 0
    base.delete("m:large")
    assert base.sync(source).embedded == len(before) + len(after) - 1  # what was kept is forgotten with the end


def test_a_text_of_several_batches_is_embedded_once(base, embedder) -> None:
    notes = [(f"m:{n}", f"A note on tides.\n\nNumber {n % 290}.") for n in range(400)]
    report = base.sync(TextSource("m:", notes))
    assert report.embedded == len(embedder.texts) == len(set(embedder.texts)) == 290
    assert base.stats()["vectors"] == base.stats()["chunks"] == 400 and base.verify() == []


def test_a_text_that_leaves_one_document_for_another_batch_keeps_its_vector(base) -> None:
    base.sync(TextSource("m:", [("m:0", "Ebb and flow.")]))
    notes = [("m:0", "Another."), *((f"m:{n}", f"Number {n}.") for n in range(1, 200)), ("m:last", "Ebb and flow.")]
    base.sync(TextSource("m:", notes))
    assert base.stats()["vectors"] == base.stats()["chunks"] == 201 and base.verify() == []


def test_small_documents_do_not_wait_for_a_large_one(base) -> None:
    seen: list[Any] = []
    base.sync(TextSource("m:", [("m:a", "A note."), ("m:large", paragraphs(900, "thing"))]), on_progress=seen.append)
    assert (seen[0].uri, seen[0].done) == ("m:a", 1) and seen[1].uri == "m:large"


def test_an_embedder_that_fails_loses_nothing_stored(base, embedder, docs) -> None:
    base.sync(docs)
    embedder.embed_documents = lambda texts: (_ for _ in ()).throw(ModelError("the server is away"))
    (docs / "new.txt").write_text("Something new.")
    with pytest.raises(ModelError, match="away"):
        base.sync(docs)
    assert len(uris(base)) == 3
    assert base.verify() == []


@pytest.mark.parametrize("bad", [[[float("nan")] * 64], [[1.0] * 63], [], [[1.0] * 64] * 2, "nonsense"])
def test_vectors_that_are_none_are_refused(base, embedder, bad) -> None:
    embedder.embed_documents = lambda texts: bad
    with pytest.raises((ModelError, KnowledgeBaseError)):
        base.sync(TextSource("m:", [("m:1", "Some words.")]))
    assert uris(base) == []


def test_progress_tells_done_total_rate_and_eta(base) -> None:
    seen = []
    base.sync(TextSource("m:", [(f"m:{n}", f"Words {n}.") for n in range(5)]), on_progress=seen.append)
    assert [step.done for step in seen] == [1, 2, 3, 4, 5]
    assert all(step.total == 5 and step.rate > 0 for step in seen)
    assert seen[-1].eta_s in (None, 0.0)


def test_a_second_writer_is_refused_and_a_reader_is_not(base, tmp_path, docs, embedder) -> None:
    base.sync(docs)
    with write_lock(tmp_path / "kb"):
        with pytest.raises(LockedError, match="wait"):
            base.sync(docs)
        with KnowledgeBase.open(tmp_path / "kb", embedder) as reader:
            assert reader.search("leave")


def test_a_reader_sees_new_generations_without_opening_again(base, tmp_path, docs, embedder) -> None:
    with KnowledgeBase.open(tmp_path / "kb", embedder) as reader:
        assert reader.search("leave") == []
        base.sync(docs)
        assert reader.search("days of leave")[0].uri.endswith("leave.md")
        (docs / "leave.md").unlink()
        base.sync(docs)
        assert not any(hit.uri.endswith("leave.md") for hit in reader.search("days of leave"))
        for n in range(5):
            (docs / f"more{n}.txt").write_text(f"Newer words {n} about gardening.")
            base.sync(docs)
        assert len(reader.search("gardening", k=20, arms=("vectors",))) >= 5
        assert len(reader.search("gardening", k=20, arms=("words",))) == 5
        assert reader.verify() == []


def test_delete_takes_a_document_out_everywhere(base, docs) -> None:
    base.sync(docs)
    uri = (docs / "leave.md").as_uri()
    assert base.delete(uri) is True
    assert base.delete(uri) is False
    assert all(hit.uri != uri for hit in base.search("leave", k=50))
    assert base.verify() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [(lambda b: b.sync(), "at least one source"), (lambda b: b.sync("", principals=[]), "principals")],
)
def test_wrong_calls_say_what_to_do(base, call, message) -> None:
    with pytest.raises(UsageError, match=message):
        call(base)


def test_lone_surrogates_and_control_characters_are_stored_safely(base) -> None:
    base.sync(TextSource("m:", [("m:1", "Half a \ud800 sign, a \x00 zero and {braces} of words.", "title \udfff")]))
    hit = base.search("zero \ud800 braces")[0]
    assert base.text("m:1")[hit.start : hit.end] == hit.text
    hit.text.encode()


def test_metadata_follow_the_source(base) -> None:
    base.sync(Listed(text("a", "Words.", metadata={"author": "Lin"})))
    base.sync(Listed(text("a", "Words.", metadata={"author": "Wang"})))
    assert base.metadata("test:a") == {"author": "Wang"}
    assert base.documents()[0]["metadata"] == {"author": "Wang"}


def test_a_full_disk_is_told_and_loses_nothing(base, docs) -> None:
    base.sync(docs)
    pages = base.store.catalog.db.execute("PRAGMA page_count")[0][0]
    base.store.catalog.db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(KnowledgeBaseError, match="disk full") as caught:
        base.sync(TextSource("m:", [("m:1", paragraphs(400))]))
    assert not isinstance(caught.value, DamagedError)
    base.store.catalog.db.execute("PRAGMA max_page_count = 1000000")
    assert len(uris(base)) == 3
    assert base.verify() == []


def test_a_catalog_that_another_program_locks_is_told(base, docs, tmp_path) -> None:
    base.store.catalog.db.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / "kb" / "catalog.sqlite", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockedError, match="another program"):
            base.sync(docs)
    finally:
        other.close()
    assert base.sync(docs).added == 3


def test_searches_go_on_in_other_threads_while_a_sync_writes(base) -> None:
    """Every answer is one of a moment: whole passages of documents that were there then."""
    done = threading.Event()

    def searching() -> int:
        count = 0
        while not done.is_set():
            for hit in base.search("shelf item number", k=5):
                assert hit.text
                count += 1
        return count

    with ThreadPoolExecutor(3) as threads:
        running = [threads.submit(searching) for _ in range(3)]
        try:
            for turn in range(6):
                base.sync(TextSource("m:", [(f"m:{n}", paragraphs(5, f"item {turn} {n}")) for n in range(turn % 3, 8)]))
        finally:
            done.set()
        assert sum(future.result(timeout=60) for future in running) > 0
    assert base.verify() == []


def test_words_that_are_written_after_a_search_has_looked_are_found_by_the_next(base, embedder, tmp_path) -> None:
    """A reader may look between the catalog's last change and the word index's: what it saw then is not the end of it."""
    base.sync(TextSource("m:", [("m:1", "The pearl is white.")]))
    with KnowledgeBase.open(tmp_path / "kb", embedder) as reader:
        catch_up, seen = base.store.indexes.catch_up, []

        def late() -> None:
            seen.append([hit.uri for hit in reader.search("lighthouse", arms=["words"])])
            catch_up()

        base.store.indexes.catch_up = late
        base.sync(TextSource("m:", [("m:2", "The lighthouse is tall.")]), prune=False)
        assert seen[-1] == []
        assert [hit.uri for hit in reader.search("lighthouse", arms=["words"])] == ["m:2"]


def test_threads_that_all_see_a_change_follow_it_once(base, embedder, tmp_path, monkeypatch) -> None:
    reader = KnowledgeBase.open(tmp_path / "kb", embedder)
    base.sync(TextSource("m:", [("m:1", "The pearl is white.")]))
    indexes, loads = reader.store.indexes, []
    reload = indexes.words.reload

    def counted() -> None:
        time.sleep(0.05)
        loads.append(1)
        reload()

    monkeypatch.setattr(indexes.words, "reload", counted)
    threads = [threading.Thread(target=indexes.refresh) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert loads == [1]
    assert [hit.uri for hit in reader.search("pearl")] == ["m:1"]
    reader.close()


def test_of_a_wide_table_words_are_embedded_and_numbers_found_by_their_words(base, embedder, tmp_path) -> None:
    names = [f"pier{n} depth" for n in range(400)]
    rows = [["town", *names], *([town, *(str(n * 10) for n in range(400))] for town in ("Arles", "Basel", "Basel"))]
    rows[3][1:3] = "E17", "closed for repairs"
    (tmp_path / "wide.csv").write_text("\n".join(map(",".join, rows)))
    (tmp_path / "narrow.csv").write_text("town,depth\nCadiz,4711\nDover,4712\n")
    base.sync(tmp_path / "wide.csv", tmp_path / "narrow.csv")
    read = "\n".join(embedder.texts)
    assert all(name in read for name in names) and "closed for repairs" in read and "Cadiz\t4711" in read
    assert "3210" not in read and "E17" not in read and "\t\n" not in read
    assert all(text.count("Basel") <= text.count("\n\n") + 1 for text in embedder.texts)
    assert "3210" in base.search("pier321 depth", k=1)[0].text and base.verify() == []
    before = sorted(embedder.texts)
    base.reembed(other := CountingEmbedder(96, "other"))
    assert sorted(other.texts) == before and base.sync(tmp_path / "wide.csv", tmp_path / "narrow.csv").embedded == 0
