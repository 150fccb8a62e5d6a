"""Words by pg_textsearch are those of the postings, and a server without room says so."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest

from nacre.errors import KnowledgeBaseError
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.places import open_store
from nacre.store.postgres import keyword_index
from nacre.testing.random_documents import StoreEmbeddings, document_of, fill

QUESTIONS = ("word1", "word2 word7 word11", "the word3 of 港口", "港口 word5 word5", "quiet sentence", "nothing")


def found(store, audiences, k=10):
    with store.view() as view:
        return [list(view.words.search(question, k, audiences).scores.items()) for question in QUESTIONS]


def same(mine, theirs):
    assert [[number for number, _ in hits] for hits in mine] == [[number for number, _ in hits] for hits in theirs]
    for hits, others in zip(mine, theirs, strict=True):
        assert [score for _, score in hits] == pytest.approx([score for _, score in others])
    assert any(mine)


@contextmanager
def asked(monkeypatch, answer):
    """What the extension was asked, and said."""
    told = []

    def candidates(connection, weights, most):
        told.append(answer(connection, weights, most))
        return told[-1]

    with monkeypatch.context() as patched:
        patched.setattr(keyword_index, "candidates", candidates)
        yield told


def test_words_by_the_extension_are_those_of_the_postings(postgres, place, monkeypatch):
    if not postgres.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_textsearch'"):
        pytest.skip("this server has no pg_textsearch")
    mine = open_store(f"{place}&words=textsearch", StoreEmbeddings(), create=True)[0]
    sql = open_store(f"{place}&words=sql", StoreEmbeddings(), create=False)[0]
    numbers = fill(mine, 300)
    with asked(monkeypatch, keyword_index.candidates) as told:
        for k in (3, 10, 100):
            same(found(mine, None, k), found(sql, None, k))
        assert told and all(rows is not None for rows in told)
    with mine.writing() as session:
        secret = session.audience(["board"])
        session.refile(numbers[3], audience=secret)
        session.delete(numbers[4])
        document, chunks = document_of(900, text="A quiet sentence about word1 and 港口.")
        session.put(document, chunks)
        with asked(monkeypatch, keyword_index.candidates) as told:  # it is behind now
            same(found(mine, [0]), found(sql, [0]))
            assert set(map(str, told)) == {"None"}
        session.publish()
    with asked(monkeypatch, keyword_index.candidates) as told:
        for audiences in ([0], [0, secret], None):
            same(found(mine, audiences), found(sql, audiences))
        assert all(rows is not None for rows in told)
    assert found(mine, [secret], 100) == found(sql, [secret], 100)
    mine.rebuild()
    same(found(mine, None), found(sql, None))
    mine.close()
    sql.close()


def test_candidates_of_an_extension_are_ranked_by_the_postings(place, monkeypatch):
    """Whatever order it names them in; and where it may have missed one, the postings answer."""
    store = open_store(place, StoreEmbeddings(), create=True)[0]
    fill(store, 120)
    with store.writing() as session:
        who = session.audience(["board"])
        document, chunks = document_of(900, text="A quiet sentence about word1 and 港口.")
        session.put(replace(document, audience=who), chunks)
        session.publish()

    def backwards(connection, weights, most):
        postings = keyword_index.SqlKeywordIndex(lambda: nullcontext(connection))
        scores = keyword_index._best(connection, postings._asked(connection, weights), most, "", {}, at_once=True)
        first = sorted(scores, key=lambda chunk: -scores[chunk])[:most]
        query = "SELECT DISTINCT chunk, audience FROM postings WHERE chunk = ANY(%s) ORDER BY chunk DESC"
        return connection.execute(query, (first,)).fetchall()

    for audiences in (None, [0], [0, who]):
        wanted = found(store, audiences, 5)
        with asked(monkeypatch, backwards) as told:
            same(found(store, audiences, 5), wanted)
            assert any(told)
    store.close()


def test_words_by_an_extension_that_is_not_there_are_refused(postgres, place):
    if postgres.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_textsearch'"):
        pytest.skip("this server has pg_textsearch")
    with pytest.raises(KnowledgeBaseError, match="needs the extension pg_textsearch") as caught:
        open_store(f"{place}&words=pg_textsearch", StoreEmbeddings(), create=True)
    assert "\n" not in str(caught.value)


def test_a_server_without_room_is_told_and_the_next_sync_goes_on(postgres, place):
    """Its very error, 53100, from the table that a document's chunks go into."""
    documents = [(f"m:{n}", f"The pearl {n} was grey.") for n in range(6)]
    with KnowledgeBase.open(place, StoreEmbeddings()) as base:
        base.sync(TextSource("m:", documents[:2]))
        schema = base.store.address.schema
        postgres.execute(
            f"CREATE FUNCTION {schema}.full_now() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id > 4 THEN"
            " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END IF;"
            " RETURN NEW; END $$"
        )
        postgres.execute(
            f"CREATE TRIGGER full_now BEFORE INSERT ON {schema}.chunks FOR EACH ROW EXECUTE FUNCTION {schema}.full_now()"
        )
        with pytest.raises(KnowledgeBaseError, match=r"has no room left .*No space left.* make room on the server"):
            base.sync(TextSource("m:", documents))
        assert base.search("pearl") and base.stats()["documents"] == 4
        postgres.execute(f"DROP TRIGGER full_now ON {schema}.chunks")
        report = base.sync(TextSource("m:", documents))
        assert (report.added, report.unchanged, report.failed) == (2, 4, []) and base.verify() == []
