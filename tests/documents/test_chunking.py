"""Chunks: exact, within the limit, at the right places, and unmoved by edits elsewhere."""

from __future__ import annotations

import random
import re
import tracemalloc
from typing import ClassVar
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings

from nacre.documents import Block, chunking, parse
from nacre.documents.chunking import chunk, shorten, token_starts
from nacre.store.encoder import Encoder, PlainTokeniser
from nacre.text.tokens import offsets


class Small(PlainTokeniser):
    def __init__(self, max_tokens: int = 60) -> None:
        self.max_tokens = max_tokens


def chunks_of(markdown: str, limit: int = 60):
    document = parse(markdown.encode(), name="a.md")
    return document, chunk(document.text, document.blocks, document.title, Small(limit))


TEXT = st.text(
    alphabet=st.sampled_from([*"ab cd。！？.!?\n\n,，；字词句段#|-` \t0123", "\U0001f600", "é"]), max_size=900
)


@settings(max_examples=150, deadline=None)
@given(TEXT, st.integers(20, 120), st.sampled_from(["", "A title", "很长的标题" * 12]))
def test_chunks_cover_everything_once_and_fit_the_embedder(text: str, limit: int, title: str) -> None:
    tokeniser = Small(limit)
    made = chunk(text, [], title, tokeniser)
    at = 0
    for one in made:
        assert one.start >= at and one.end > one.start
        assert not text[at : one.start].strip()
        assert text[one.start : one.end] == text[one.start : one.end].strip()
        whole = f"{one.context}\n{text[one.start : one.end]}"
        assert tokeniser.count_tokens(whole) <= limit
        at = one.end
    assert not text[at:].strip()


@settings(max_examples=60, deadline=None)
@given(TEXT)
def test_chunks_of_parsed_documents_lie_in_their_blocks(text: str) -> None:
    if not text.strip():
        return
    document = parse(("# T\n\n" + text).encode(), name="a.md")
    visible = set()
    for block in document.blocks:
        visible.update(range(block.start, block.end))
    covered = set()
    for one in chunk(document.text, document.blocks, document.title, Small(40)):
        covered.update(range(one.start, one.end))
        assert one.start in visible and one.end - 1 in visible
    assert {at for at in visible if not document.text[at].isspace()} <= covered


def test_a_small_document_is_one_chunk() -> None:
    _, made = chunks_of("# Leave\n\nTen days.\n\n## Sick leave\n\nAs needed.\n")
    assert len(made) == 1
    assert made[0].heading == ("Leave",)
    assert made[0].context == "Leave"


def test_sections_are_cut_before_headings_and_know_their_path() -> None:
    filler = " ".join(f"word{n}" for n in range(18))
    document, made = chunks_of(f"# Book\n\n## One\n\n{filler}.\n\n### Inner\n\n{filler}.\n\n## Two\n\n{filler}.\n")
    paths = {document.text[one.start : one.end].split("\n")[0]: (one.heading, one.context) for one in made}
    assert paths["Inner"] == (("Book", "One", "Inner"), "Book › One")
    assert paths["Two"] == (("Book", "Two"), "Book")


def test_a_heading_is_never_left_alone_at_the_end() -> None:
    filler = " ".join(f"word{n}" for n in range(14))
    document, made = chunks_of("".join(f"## Part {n}\n\n{filler}.\n\n" for n in range(8)))
    assert all(not document.text[one.start : one.end].splitlines()[-1].startswith("Part") for one in made)


def test_a_table_that_fits_stays_whole_and_a_long_one_repeats_its_header_in_the_context() -> None:
    rows = "".join(f"| item{n} | {n} |\n" for n in range(3))
    prose = "A sentence of some words stands here. " * 4
    document, made = chunks_of(f"{prose}\n\n| name | price |\n|---|---|\n{rows}\n{prose}\n")
    assert any(
        "name | price" in (text := document.text[one.start : one.end]) and "item0" in text and "item2" in text
        for one in made
    )
    rows = "".join(f"| item{n} | {n} |\n" for n in range(40))
    document, made = chunks_of(f"| name | price |\n|---|---|\n{rows}")
    assert len(made) > 3
    assert all("name | price" in one.context or "name | price" in document.text[one.start : one.end] for one in made)


def test_the_top_of_a_page_stays_on_it_and_names_every_part_of_its_table() -> None:
    def page(number: int, name: str) -> list[tuple[str, str, int]]:
        rows = "\n".join(f"Line {number}{n}\t{n}\t{n + 1}" for n in range(22))
        return [("paragraph", f"ACME {name}", number), ("heading", f"Year {number}", number), ("table", rows, number)]

    text, blocks = "", []
    for kind, said, number in [*page(1, "Statement of Income"), *page(2, "Balance Sheet"), *page(3, "Cash Flows")]:
        blocks.append(Block(kind, len(text), len(text) + len(said), 1 if kind == "heading" else 0, number))
        text += said + "\n\n"
    made = chunk(text, blocks, "", Small(120))
    assert len(made) > 4
    for one in made:
        names = ("", "Statement of Income", "Balance Sheet", "Cash Flows")
        said = f"{one.context}\n{text[one.start : one.end]}"
        assert [name for name in names[1:] if name in said] == [names[one.page or 0]]


def test_a_title_without_letters_is_not_indexed_where_the_file_has_a_name() -> None:
    text = "The pump moves water. " * 40
    named = chunk(text, [], "0001018724-18-000005", Small(60), name="ACME 2023 10K")
    assert {one.context for one in named} == {"ACME 2023 10K"}
    assert all("0001018724" in one.context for one in chunk(text, [], "0001018724-18-000005", Small(60)))


def test_chinese_is_cut_at_sentence_ends() -> None:
    text = "".join(f"这是第{n}句话，说明一件小事。" for n in range(40))
    made = chunk(text, [], "", Small(60))
    assert len(made) > 5
    assert all(text[one.start : one.end].endswith("。") for one in made)


def test_most_chunks_are_at_least_half_full() -> None:
    random.seed(7)
    paragraphs = [
        " ".join(random.choices(["alpha", "beta", "gamma", "delta", "epsilon", "zeta"], k=random.randint(3, 18))) + "."
        for _ in range(300)
    ]
    text = "\n\n".join(paragraphs)
    tokeniser = Small(200)
    sizes = [tokeniser.count_tokens(text[one.start : one.end]) for one in chunk(text, [], "", tokeniser)]
    assert sum(size >= 90 for size in sizes) >= 0.9 * len(sizes)


@pytest.mark.parametrize("seed", range(6))
def test_an_edited_paragraph_changes_only_the_chunks_around_it(seed: int) -> None:
    random.seed(seed)
    paragraphs = [
        " ".join(
            random.choices(
                ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], k=random.randint(8, 30)
            )
        )
        + f" {n}."
        for n in range(200)
    ]
    edited = list(paragraphs)
    edited[100] = "Something new, and rather longer than what stood here before it was changed by somebody. " * 2
    before, after = "\n\n".join(paragraphs), "\n\n".join(edited)
    old = {before[one.start : one.end] for one in chunk(before, [], "", Small())}
    new = {after[one.start : one.end] for one in chunk(after, [], "", Small())}
    assert len(old) > 60
    assert len(new - old) <= 4


def test_text_outside_all_blocks_separates_chunks_when_there_is_much_of_it() -> None:
    document = parse(
        ("<p>First words.</p><nav>" + "menu entry " * 60 + "</nav><p>Last words.</p>").encode(), name="a.html"
    )
    made = chunk(document.text, document.blocks, "", Small(500))
    assert all("menu entry menu entry" not in document.text[one.start : one.end] for one in made)


def test_front_matter_that_says_only_the_title_is_no_chunk_of_its_own() -> None:
    opening, hidden, body = "title: Batch Processor", "\nlicence " * 40, "The processor aggregates entries."
    blocks = [Block("meta", 0, len(opening)), Block("paragraph", len(opening + hidden), len(opening + hidden + body))]
    made = chunk(opening + hidden + body, blocks, "Batch Processor", Small())
    assert [(opening + hidden + body)[one.start : one.end] for one in made] == [body]
    assert made[0].context == "Batch Processor"
    _, made = chunks_of("# Batch Processor\n")
    assert len(made) == 1


def test_an_endless_word_is_cut() -> None:
    tokeniser = Small(30)
    text = "x" * 1000
    made = chunk(text, [], "", tokeniser)
    assert "".join(text[one.start : one.end] for one in made) == text
    assert all(tokeniser.count_tokens(text[one.start : one.end]) <= 30 for one in made)


@pytest.mark.parametrize("dropped", ["", "Q"])
def test_what_a_vocabulary_takes_for_one_token_or_for_none_is_cut_too(dropped: str) -> None:
    class Words(Embeddings):
        identity: ClassVar = {"dim": 3, "max_tokens": 50}

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise NotImplementedError

        def embed_query(self, text: str) -> list[float]:
            raise NotImplementedError

        def token_offsets(self, text: str) -> list[tuple[int, int]]:
            return [word.span() for word in re.finditer(r"\S+", text) if not dropped or dropped not in word.group()]

    encoder = Encoder(Words())
    text = "The policy. " + "Q" * 60_000 + " The end."
    made = chunk(text, [], "", encoder)
    assert "".join("".join(text[one.start : one.end] for one in made).split()) == "".join(text.split())
    assert max(one.end - one.start for one in made) < 50 * 80
    assert encoder.token_offsets("a few words") == [(0, 1), (2, 5), (6, 11)]


WORDS = st.lists(
    st.sampled_from(["cloud", "Rain,", "\n", "\n\n", "  ", "3.14", "雨后的天。", "山，水", "Größe", "```"]),
    max_size=300,
)


@settings(max_examples=80, deadline=None)
@given(WORDS.map(" ".join), st.integers(40, 400))
def test_tokens_found_in_pieces_are_those_of_the_whole(text: str, piece: int) -> None:
    whole = [start for start, _ in offsets(text)]
    assert list(token_starts(text, PlainTokeniser())) == whole
    with patch.object(chunking, "_PIECE", piece):
        assert list(token_starts(text, PlainTokeniser())) == whole


@pytest.mark.parametrize("unit", ["的", "`", "Zm9v", "word ", "好。"])
def test_no_text_is_tokenised_whole(unit: str) -> None:
    class Watched(Small):
        longest = 0

        def token_offsets(self, text: str) -> list[tuple[int, int]]:
            self.longest = max(self.longest, len(text))
            return offsets(text)

    tokeniser, text = Watched(400), unit * (120_000 // len(unit))
    made = chunk(text, [Block("heading", 0, 60_000, 1), Block("paragraph", 60_000, 120_000)], text, tokeniser)
    assert tokeniser.longest <= 50_000
    assert "".join("".join(text[one.start : one.end] for one in made).split()) == "".join(text.split())
    assert all(tokeniser.count_tokens(text[one.start : one.end]) <= 400 for one in made)


def test_a_sentence_without_end_takes_no_more_memory_than_a_few_chunks() -> None:
    text = "word and " * 8_000
    tracemalloc.start()
    try:
        made = chunk(text, [], "", Small(400))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(made) >= 40 and peak < 2_400_000


def test_a_context_longer_than_allowed_is_shortened() -> None:
    made = chunk("Words.", [], "title " * 100, Small(40))
    assert PlainTokeniser().count_tokens(made[0].context) <= 10


def test_shorten_keeps_whole_tokens() -> None:
    assert shorten("one two three", 2, PlainTokeniser()) == "one two"


@given(st.text(max_size=200))
def test_estimated_tokens_stand_in_order_and_leave_only_white_space(text: str) -> None:
    at = 0
    for start, end in offsets(text):
        assert not text[at:start].strip()
        assert start >= at and end > start
        at = end
    assert not text[at:].strip()
