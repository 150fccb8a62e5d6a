"""Tests for the author of a store: inherit `StoreTests`, give it one fixture, and pytest runs them.

class TestMine(StoreTests):
    @pytest.fixture
    def store(self, tmp_path, embedder):
        return lambda name="one": open_mine(f"mine://{tmp_path}/{name}", embedder, create=True)[0]
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from nacre.errors import LockedError
from nacre.store.calibration import MEASURED
from nacre.store.copying import copy_documents
from nacre.store.filters import Filter
from nacre.store.places import open_store
from nacre.store.protocol import Store
from nacre.store.records import SupersededText
from nacre.testing.random_documents import WORDS, StoreEmbeddings, document_of, fill, ids_of, vector_of

OpenStore = Callable[..., Store]
_HOSTILE = [
    "nul\0byte",
    "lone \udc80 surrogate",
    "quote ' \" ; drop table chunks; --",
    "{braces} %s %(name)s",
    "🦪" * 50,
]


class StoreTests:
    """What every store keeps: rights before ranking, one truth, the folder's ranking, nothing lost.

    The fixture `store` returns a function: called, it opens the place of that name ("one" if none is given), made when
    it is missing, with `StoreEmbeddings()`; called again, it opens the same place once more.

    Attributes:
        exact: whether the store promises the very hits of the folder; approximate ones are held to .99 of them.
    """

    exact = True

    @pytest.fixture
    def store(self) -> OpenStore:
        """To be given by the author of the store."""
        raise NotImplementedError("give a fixture `store`: see nacre.testing.stores")

    # ------------------------------------------------------------------------------------------------ the truth

    def test_what_is_put_is_read(self, store: OpenStore) -> None:
        """Every field of a document and of its chunks comes back, also in another opening."""
        one = store()
        document, chunks = document_of(0, text="潮汐表。\n\nHigh tide is at noon.", title="Tides 潮汐")
        with one.writing() as session:
            who = session.audience(["hr", "board"])
            number = session.put(replace(document, audience=who), chunks)
            session.publish()
        for each in (one, store()):
            found = each.catalog.document(document.uri)
            assert replace(found, id=0, audience=0) == document and found.id == number
            assert each.catalog.audiences()[who] == ("board", "hr")
            records = each.catalog.chunk_records(number)
            assert [replace(record, id=0) for record in records] == chunks
            assert each.catalog.counts() == {"documents": 1, "chunks": len(chunks), "vectors": len(chunks)}
            assert each.verify() == []

    def test_a_change_keeps_the_numbers_of_what_stays(self, store: OpenStore) -> None:
        """Chunks that say the same keep their numbers; the version counts changed contents."""
        one = store()
        document, chunks = document_of(0, sentences=6)
        with one.writing() as session:
            number = session.put(document, chunks)
            before = [record.id for record in one.catalog.chunk_records(number)]
            session.put(replace(document, hash=b"other"), chunks[:2] + chunks[3:])
            session.publish()
        records = one.catalog.chunk_records(number)
        assert [record.id for record in records] == before[:2] + before[3:]
        assert one.catalog.document(document.uri).version == 2 and one.verify() == []
        assert before[2] not in found_in(one, chunks[2].text)

    def test_what_is_deleted_is_gone_everywhere(self, store: OpenStore) -> None:
        """No ghost in text, words, vectors or counts."""
        one = store()
        numbers = fill(one, 20)
        with one.writing() as session:
            session.delete(numbers[7])
            session.publish()
        document, chunks = document_of(7)
        assert one.catalog.find(document.uri) is None and one.catalog.text(document.uri) is None
        kept = {chunk.id for n in numbers if n != numbers[7] for chunk in one.catalog.chunk_records(n)}
        assert set(found_in(one, chunks[0].text)) <= kept and one.verify() == []

    def test_a_change_that_fails_leaves_nothing(self, store: OpenStore) -> None:
        """A document is whole or not there."""
        one = store()
        fill(one, 3)
        generation = one.catalog.generation
        document, chunks = document_of(9, sentences=4)
        broken = [*chunks[:-1], replace(chunks[-1], hash=None)]  # type: ignore[arg-type]
        with pytest.raises(Exception), one.writing() as session:  # noqa: B017 (whichever error the engine has)
            session.put(document, broken)
        assert one.catalog.find(document.uri) is None and one.catalog.counts()["documents"] == 3
        assert one.catalog.generation == generation and one.verify() == []

    def test_hostile_text_is_text(self, store: OpenStore) -> None:
        """NUL, lone surrogates as they are stored, quotes, braces, long texts."""
        one = store()
        with one.writing() as session:
            for n, text in enumerate([*_HOSTILE, "x" * 1_000_000]):
                kept = text.encode("utf-8", "replace").decode()
                document, chunks = document_of(n, text=kept)
                session.put(document, chunks)
            session.publish()
        for n, text in enumerate(_HOSTILE):
            uri = document_of(n)[0].uri
            assert one.catalog.text(uri) == text.encode("utf-8", "replace").decode()
        assert one.verify() == []

    def test_the_generation_grows_with_every_change(self, store: OpenStore) -> None:
        """Caches key on it, in other processes too."""
        one, other = store(), store()
        seen = [one.catalog.generation]
        numbers = fill(one, 2)
        seen.append(other.catalog.generation)
        with one.writing() as session:
            session.refile(numbers[0], audience=session.audience(["hr"]))
            seen.append(other.catalog.generation)
            session.delete(numbers[1])
            session.publish()
        seen.append(other.catalog.generation)
        assert seen == sorted(set(seen)) and one.identity() != {} and one.identity() == store().identity()

    # ------------------------------------------------------------------------------------------------ rights

    def test_one_visible_chunk_among_many_is_found(self, store: OpenStore) -> None:
        """The filter comes before the ranking, in both indexes."""
        one = store()
        fill(one, 400, audience=["others"])
        document, chunks = document_of(9999, text="A quiet sentence about word1 and 港口.")
        with one.writing() as session:
            mine = session.audience(["me"])
            number = session.put(replace(document, audience=mine), chunks)
            session.publish()
        wanted = [chunk.id for chunk in one.catalog.chunk_records(number)]
        with one.view() as view:
            assert list(view.words.search("word1", 10, [0, mine]).scores) == wanted
            assert view.vectors is not None
            assert [n for n, _ in view.vectors.search(vector_of("something else"), 10, [0, mine])] == wanted

    def test_nobody_finds_what_he_may_not_see(self, store: OpenStore) -> None:
        """Random askers, random questions: no leak, and everything that is permitted."""
        one, dice = store(), random.Random(7)
        groups = [f"g{n}" for n in range(6)]
        owner: dict[int, int] = {}
        with one.writing() as session:
            for n in range(120):
                who = session.audience(dice.sample(groups, dice.randint(1, 3)) if n % 5 else None)
                document, chunks = document_of(n)
                number = session.put(replace(document, audience=who), chunks)
                owner |= {chunk.id: who for chunk in one.catalog.chunk_records(number)}
            session.publish()
        numbers = sorted(set(owner.values()))
        with one.view() as view:
            assert view.vectors is not None
            for _ in range(200):
                allowed = sorted({0, *dice.sample(numbers, dice.randint(0, len(numbers)))})
                question = " ".join(dice.sample(WORDS, 4))
                permitted = {chunk for chunk, who in owner.items() if who in allowed}
                assert set(view.words.search(question, 50, allowed).scores) <= permitted
                near = [n for n, _ in view.vectors.search(vector_of(question), 1000, allowed)]
                assert set(near) <= permitted and (len(near) == len(permitted) or not self.exact)

    def test_a_permission_that_is_withdrawn_holds_at_once(self, store: OpenStore) -> None:
        """In every index, and in the truth."""
        one = store()
        numbers = fill(one, 30)
        with one.writing() as session:
            secret = session.audience(["board"])
            session.refile(numbers[3], audience=secret)
            session.publish()
        hidden = {chunk.id for chunk in one.catalog.chunk_records(numbers[3])}
        with one.view() as view:
            assert view.vectors is not None
            assert hidden.isdisjoint(view.words.search(document_of(3)[1][0].text, 100, [0]).scores)
            assert hidden.isdisjoint(n for n, _ in view.vectors.search(vector_of("x"), 1000, [0]))
        passages = one.catalog.passages(sorted(hidden), Filter())
        assert {passage.audience for passage in passages.values()} == {secret} and one.verify() == []

    def test_filters_come_before_the_ranking(self, store: OpenStore) -> None:
        """By address and by type, in both indexes and in the truth."""
        one = store()
        fill(one, 60)
        for where in (
            Filter(uri_prefix=document_of(5)[0].uri, mime="text/plain"),
            Filter(fields={"number": 5, "colour": ["red", "odd"]}),
            Filter(fields={"number": {">=": 5, "<": 6}}),
        ):
            self._holds(one, where)

    def _holds(self, one: Store, where: Filter) -> None:
        wanted = set(ids_of(one, document_of(5)[0].uri))
        with one.view() as view:
            assert view.vectors is not None
            assert set(view.words.search(document_of(5)[1][0].text, 50, where=where).scores) <= wanted
            assert {n for n, _ in view.vectors.search(vector_of("x"), 50, where=where)} == wanted
            assert not view.words.search("word1", 50, where=Filter(mime="application/pdf")).scores
        assert {p.uri for p in one.catalog.passages(range(1, 400), where).values()} == {document_of(5)[0].uri}

    # ------------------------------------------------------------------------------------------------ ranking

    def test_it_ranks_as_the_folder_does(self, store: OpenStore) -> None:
        """The same candidates with the same scores, mean and deviation: fusion is done once, above the stores."""
        one = store()
        fill(one, 300)
        dice, same, asked = random.Random(3), 0, 0
        with TemporaryDirectory() as folder:
            other = open_store(Path(folder) / "kb", StoreEmbeddings(), create=True)[0]
            copy_documents(one, other)
            with one.view() as mine, other.view() as theirs:
                assert mine.vectors is not None and theirs.vectors is not None
                assert len(mine.words) == len(theirs.words) and len(mine.vectors) == len(theirs.vectors)
                for _ in range(60):
                    question = " ".join(dice.sample(WORDS, 5))
                    a, b = mine.words.search(question, 10), theirs.words.search(question, 10)
                    same, asked = same + len(set(a.scores) & set(b.scores)), asked + len(b.scores)
                    for number in set(a.scores) & set(b.scores):
                        assert a.scores[number] == pytest.approx(b.scores[number], rel=0.03)
                    assert a.deviation == pytest.approx(b.deviation, rel=1e-3)
                    assert mine.words.reach(question) == pytest.approx(theirs.words.reach(question), rel=1e-3)
                    vector = vector_of(question)
                    near, there = mine.vectors.search(vector, 10), theirs.vectors.search(vector, 10)
                    same, asked = same + len({n for n, _ in near} & {n for n, _ in there}), asked + len(there)
                    here, far = mine.vectors.spread(vector), theirs.vectors.spread(vector)
                    assert {w: pytest.approx(there, abs=1e-4) for w, there in far.items()} == here
                    assert dict(near) == pytest.approx(mine.vectors.scores(vector, [n for n, _ in near]), abs=1e-5)
            other.close()
        assert same / asked >= (0.99 if self.exact else 0.98)

    def test_what_words_say_of_chunks(self, store: OpenStore) -> None:
        """`said` is the share of the words that a chunk holds; unknown words and unknown chunks are left out."""
        one = store()
        document, chunks = document_of(0, text="The pearl lies in the harbour.")
        with one.writing() as session:
            number = session.put(document, chunks)
            session.publish()
        (chunk,) = ids_of(one, document.uri)
        with one.view() as view:
            said = view.words.said(["pearl", "harbour"], [chunk, chunk + 1000])
            assert said == {chunk: pytest.approx(1.0)} and number
            assert view.words.said(["nowhere"], [chunk]) == {} and not view.words.search("", 5).scores

    def test_vectors_of_another_embedder_take_the_place_of_the_old_at_once(self, store: OpenStore) -> None:
        """Made beside them, gone on with, seen by every opening in one step, and taken back in one."""
        one, other = store(), store()
        fill(one, 40)
        old, turn, identity = one.embedder, one.turn, {**(one.embedder or {}), "id": "another", "dim": 8}
        everybody = sorted(one.catalog.audiences())
        with one.writing() as session:
            shadow = session.shadow(identity)
            while some := shadow.lacking(7):
                shadow.keep({number: vector_of(text)[:8].tobytes() for number, _, text in some})
                shadow = session.shadow(identity)
            assert shadow.left() == 0
            with other.view() as view:
                assert view.turn == turn and view.vectors and len(view.vectors.search(vector_of("x"), 5)) == 5
            session.switch(shadow, identity)
        for each in (other, one):
            with each.view() as view:
                assert view.turn == turn + 1 and each.embedder == identity and view.vectors
                number, text = each.catalog.sample(1)[0]
                asked = vector_of(text)[:8]
                nearest = view.vectors.search(asked, 1, everybody)
                assert [n for n, _ in nearest] == [number] and view.vectors.spread(asked) and view.vectors.means()
                assert view.vectors.search(asked, 5, [max(everybody) + 1]) == []
                assert view.words.search(text, 1).scores
            assert each.verify() == [], each.verify()
        with other.writing() as session:
            session.undo_switch()
        with one.view() as view:
            assert view.turn == turn + 2 and one.embedder == old and view.vectors
            assert len(view.vectors.search(vector_of("x"), 5)) == 5
        assert one.verify() == []

    def test_an_empty_place_answers(self, store: OpenStore) -> None:
        """With nothing."""
        one = store()
        with one.view() as view:
            assert view.vectors is not None
            assert not view.words.search("pearl", 5).scores and view.vectors.search(vector_of("x"), 5) == []
            assert view.words.said(["pearl"], [1]) == {} and view.vectors.scores(vector_of("x"), [1]) == {}
        assert one.verify() == [] and one.catalog.documents() == []

    # ------------------------------------------------------------------------------------------------ writers

    def test_a_second_writer_is_told(self, store: OpenStore) -> None:
        """And the place is free when the first is done."""
        one, other = store(), store()
        with one.writing() as session:
            document, chunks = document_of(0)
            with pytest.raises(LockedError), other.writing():
                pass
            session.put(document, chunks)
            session.publish()
        with other.writing() as session:
            session.delete(one.catalog.find(document.uri).id)  # type: ignore[union-attr]
            session.publish()
        assert one.catalog.counts()["documents"] == 0

    def test_vectors_are_kept_for_who_goes_on(self, store: OpenStore) -> None:
        """An interrupted large document is not embedded twice."""
        one = store()
        digest, vector = b"0123456789abcdef", vector_of("kept").tobytes()
        with one.writing() as session:
            session.keep_vectors({digest: vector})
        assert store().catalog.vectors_of([digest, b"unknown"]) == {digest: vector}
        with one.writing() as session:
            session.drop_kept_vectors()
        assert one.catalog.vectors_of([digest]) == {}

    def test_superseded_texts_are_kept_and_forgotten(self, store: OpenStore) -> None:
        """The latest so many, in each opening and in a copy; none of what is deleted."""
        one, other, olds = store(), store("two"), [SupersededText(n, 0, f"text {n} 潮汐") for n in (1, 2, 3)]
        number = fill(one, 1)[0]
        with one.writing() as session:
            for old in olds:
                session.keep_version(number, old, 2)
        copy_documents(one, other)
        for each in (one, store(), other):
            assert each.catalog.versions(number) == [olds[2], olds[1]] and each.verify() == []
        with one.writing() as session:
            session.delete(number)
        assert one.catalog.versions(number) == []

    def test_a_copy_broken_off_before_the_versions_of_a_document_brings_them(
        self, store: OpenStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who goes on does not take the document for whole."""
        one, other, old = store(), store("two"), SupersededText(1, 0, "before")
        number = fill(one, 1)[0]
        with one.writing() as session:
            session.keep_version(number, old, 2)
        with monkeypatch.context() as patched, pytest.raises(InterruptedError):
            patched.setattr(type(session), "keep_version", _broken)
            copy_documents(one, other)
        copy_documents(one, other)
        assert other.catalog.versions(number) == [old] and other.verify() == []
        assert other.catalog.document(document_of(0)[0].uri).stamp == document_of(0)[0].stamp

    def test_a_copy_is_the_same(self, store: OpenStore) -> None:
        """With numbers and versions, so that citations stay good; interrupted, it goes on."""
        one, other = store(), store("two")
        fill(one, 25, audience=["hr"])
        with one.writing() as session:
            for key in MEASURED:  # without them the copy would rank otherwise
                session.remember(key, "0.5")
        copy_documents(one, other)
        assert [other.catalog.meta(key) for key in MEASURED] == ["0.5", "0.5"]
        for _ in range(2):  # what was deleted and copied may be deleted again
            with other.writing() as session:
                session.delete(other.catalog.states()[0].id)
                session.publish()
            copy_documents(one, other)
        listed = [[(d["uri"], d["document_id"], d["principals"]) for d in s.catalog.documents()] for s in (one, other)]
        assert listed[0] == listed[1]
        for state in one.catalog.states():
            assert other.catalog.chunk_records(state.id) == one.catalog.chunk_records(state.id)
        assert other.verify() == []


def _broken(*_: object) -> None:
    raise InterruptedError


def found_in(store: Store, question: str) -> list[int]:
    """What both indexes find."""
    with store.view() as view:
        words = list(view.words.search(question, 50).scores)
        return words + ([n for n, _ in view.vectors.search(vector_of(question), 50)] if view.vectors else [])
