"""Several questions, and long cases, are searched by their parts: one search for the caller."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from nacre.grounding.parts import questions_in, searches_in
from nacre.retrieval.compound import Finding, search_in_parts
from nacre.retrieval.hit import Hit
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.postprocessing import distinct

TWO = "When does the kiln cool down? Who feeds the carp?"


def hit(number: int, score: float) -> Hit:
    return Hit("t", score, "u", "t", (), None, 0, 1, number, 1, 1)


def each(search: Callable[[str, int], list[Hit]]) -> Callable[[Sequence[str], int], list[Finding]]:
    return lambda texts, k: [Finding(search(text, k)) for text in texts]


def test_the_best_of_each_question_comes_first() -> None:
    found = {TWO: [hit(1, 9.0), hit(2, 8.0)], **{part: [hit(n, 5.0)] for n, part in enumerate(searches_in(TWO), 3)}}
    hits = search_in_parts(each(lambda text, k: found[text][:k]), TWO, 3)
    assert [h.chunk_id for h in hits] == [3, 4, 1]
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_of_a_long_text_what_many_parts_find_comes_first() -> None:
    text = " ".join(f"Sentence number {n} speaks of glazes and clay at some length." for n in range(6))
    hits = search_in_parts(each(lambda said, k: [hit(1, 4.0), hit(2, 5.0 if "number 3" in said else 1.0)]), text, 2)
    assert [h.chunk_id for h in hits] == [1, 2]


def test_a_long_text_brings_many_documents_and_those_that_it_names() -> None:
    text = " ".join(f"Sentence number {n} says that I hold a Blue Crane Account." for n in range(6))
    crowd = [replace(hit(n, 5.0), document_id=1) for n in range(1, 9)]
    others = [replace(hit(20 + n, 2.0), document_id=2 + n, title=f"Page {n}") for n in range(4)]
    named = replace(hit(30, 1.5), document_id=9, title="Blue Crane Account: at a glance")
    hits = search_in_parts(each(lambda said, k: [*crowd, *others, named][:k]), text, 4)
    assert [h.document_id for h in hits][:3] == [9, 1, 1]
    assert (
        len({h.document_id for h in search_in_parts(each(lambda said, k: [*crowd, *others, named][:k]), text, 8)}) >= 4
    )


LONG = " ".join(f"Sentence number {n} weighs kilns against wheels for a school." for n in range(6))


def page(number: int, score: float, title: str) -> Hit:
    return replace(hit(number, score), document_id=number, title=title)


@pytest.mark.parametrize(
    "title", ["Getting started with looms", "Looms at a glance", "Loom: data sheet", "织机产品概览"]
)
def test_of_a_long_text_an_overview_comes_before_details_but_never_before_the_ten_best(title: str) -> None:
    best = [page(n, 9.0 - n / 10, f"Best {n}") for n in range(10)]
    details = [page(20 + n, 5.5 - n / 10, f"Oiling {n}") for n in range(5)]
    for score, follows in ((4.9, details[1:]), (8.0, details)):
        found = [*best, *details, page(40, score, title)]
        hits = search_in_parts(each(lambda said, k, found=found: found[:k]), LONG, 30)
        assert [h.chunk_id for h in hits[:10]] == [h.chunk_id for h in best]
        assert [h.chunk_id for h in hits].index(40) < [h.chunk_id for h in hits].index(follows[0].chunk_id)
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_a_book_that_is_called_a_guide_counts_once() -> None:
    best = [page(n, 9.0 - n / 10, f"Best {n}") for n in range(10)]
    book = [replace(page(20 + n, 6.0, "The potter's guide"), document_id=99, page=n) for n in range(5)]
    rest = [page(40 + n, 6.5, f"Oiling {n}") for n in range(5)]
    hits = search_in_parts(each(lambda said, k: [*best, *book, *rest][:k]), LONG, 30)
    assert [h.document_id for h in hits[10:17]] == [99, 40, 41, 42, 43, 44, 99]


def test_a_thing_is_named_without_the_words_that_call_its_page_an_overview() -> None:
    text = " ".join(f"Sentence number {n} says that I hold a Blue Crane Account." for n in range(6))
    pages = [page(1, 2.0, "Fees of accounts"), page(2, 1.5, "Blue Crane Account: complete guide")]
    pages.append(page(3, 1.6, "Blue Crane Account: lost keys"))
    assert [h.chunk_id for h in search_in_parts(each(lambda said, k: pages[:k]), text, 3)] == [2, 3, 1]


def test_one_question_is_one_search() -> None:
    calls: list[str] = []

    def search(text: str, k: int) -> list[Hit]:
        calls.append(text)
        return []

    assert search_in_parts(each(search), "Are clay and glaze sold?", 3) == []
    assert calls == ["Are clay and glaze sold?"]


def test_only_what_is_shown_is_judged_and_by_the_part_that_it_answers_best() -> None:
    judged: list[int] = []

    def finding(text: str) -> Finding:
        def judge(hits: Sequence[Hit]) -> list[Hit]:
            judged.extend(hit.chunk_id for hit in hits)
            return [replace(hit, relevance=0.9 if "number 3" in text else 0.1) for hit in hits]

        return Finding([hit(1, 4.0), hit(2, 1.0)], judge)

    found = search_in_parts(lambda texts, k: [finding(text) for text in texts], LONG, 1)
    assert [(h.chunk_id, h.relevance) for h in found] == [(1, 0.9)]
    assert set(judged) == {1}


def test_a_knowledge_base_finds_what_each_part_needs(tmp_path) -> None:
    (tmp_path / "kiln.md").write_text("# Kiln\n\nThe kiln cools down until Thursday.")
    (tmp_path / "carp.md").write_text("# Pond\n\nRenate feeds the carp at noon.")
    with KnowledgeBase.open(tmp_path / "kb", embedder="none") as base:
        base.sync(str(tmp_path / "kiln.md"), str(tmp_path / "carp.md"))
        assert {h.title for h in base.search(TWO, k=2)} == {"Kiln", "Pond"}


def test_bad_queries_have_parts_too() -> None:
    for text in ("a", "？", "，，，", "x" * 100_000, "？" * 5000, "and " * 20_000):
        assert len(searches_in(text)) <= 8
        assert questions_in(text)


def test_data_sheets_that_differ_in_a_number_are_not_the_same_and_copies_do_not_crowd(tmp_path) -> None:
    words = (
        "The pump is built for clean rooms and laboratories, comes with a cable and two clamps, and rests at night. "
    )
    for n in (100, 200, 300):
        (tmp_path / f"zx{n}.md").write_text(f"# Pump ZX-{n}\n\n{words * 3}It moves {n // 4} litres a minute.")
    for n in range(12):
        folder = tmp_path / f"copy{n}"
        folder.mkdir()
        (folder / "travel.md").write_text("# Journeys\n\nJourneys with pumps are booked at the desk, in economy class.")
    with KnowledgeBase.open(tmp_path / "kb", embedder="none") as base:
        base.sync(*(str(path) for path in tmp_path.iterdir() if path.name != "kb"))
        found = base.retriever(k=4).invoke("Journeys with pumps: ZX-100, ZX-200, ZX-300")
    assert sorted(d.metadata["title"] for d in found) == ["Journeys", "Pump ZX-100", "Pump ZX-200", "Pump ZX-300"]


@pytest.mark.parametrize(
    ("one", "other"), [("每晚不超过六百元", "每晚不超过八百元"), ("at most six nights", "at most eight nights")]
)
def test_another_number_in_words_is_another_passage(one: str, other: str) -> None:
    who = ["rope", "oars", "nets", "sail", "mast", "keel", "deck", "hull", "helm"]
    around = " ".join(f"{a}{b}{c}" for a in who for b in who for c in who[:3])
    hits = [replace(hit(n, 1.0), text=around + said) for n, said in enumerate((one, other, one))]
    assert [h.chunk_id for h in distinct(hits)] == [0, 1]


def test_copies_that_stand_on_other_pages_are_the_same_passage() -> None:
    said = "A guest berth costs 31 crowns a night and is paid at the office."
    hits = [
        replace(hit(n, 1.0), text=f"{said}\nPage {n} of 14", heading=(name,)) for n, name in enumerate(("QUAY", "Quay"))
    ]
    assert len(distinct(hits)) == 1
    assert len(distinct([*hits, replace(hit(3, 1.0), text=said.replace("31", "37"), heading=("Quay",))])) == 2
