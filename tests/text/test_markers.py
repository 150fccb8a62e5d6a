"""Markers that point nowhere are taken out, the same in a stream as in a whole text."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk

from nacre.text.markers import JOINER, MARKER, CitationMarkers, LiveMarkers, as_quoted, numbers


def clean(text: str, valid: tuple[int, ...] = (1, 2)) -> str:
    markers = CitationMarkers(valid)
    return markers.push(text) + markers.close()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Paris [1]. Rome [7].", "Paris [1]. Rome."),
        ("两地[1, 9]都可以。", "两地[1]都可以。"),
        ("好【2】，坏【3】。", "好[2]，坏。"),
        ("全角［1］", "全角[1]"),
        ("In [2024] the interval [0, 1] held.", "In [2024] the interval [0, 1] held."),
        ("`a[9]` and ```\nb[9]\n``` but not [9]", "`a[9]` and ```\nb[9]\n``` but not"),
        ("an open bracket [8", "an open bracket [8"),
        ("", ""),
    ],
)
def test_dead_markers_are_removed_and_the_rest_is_left(text: str, kept: str) -> None:
    assert clean(text) == kept


FORMS = [
    "30 days [1].", "30 days [1, 2].", "30 days [1-2].", "30 days [1]–[2].", "30 days 【1】.", "30 days 【1†source】.",
    "30 days 【1:0†L5-L9】.", "30 days [Source 1].", "30 days [sources 1 and 2].", "30 days (see source 2).",
    "30 days [^1].", "30 days [[1]].", "30 days [ID:1].", "30 days [doc_1].", "30 days ##1$$.", "30 days¹.", "30 days.¹²",
    "30 days<sup>1</sup>.", "30 days [1](file:///x.md).", r"30 days \[1\].", "30 days &#91;1&#93;.", "30 days (1).",
    "30 days [1, p. 3].", "30 days [Source 1: Trial period].", "30 days [Trial period].", "为30天[来源1]。", "为30天【来源：1】。",
    "为30天（资料1、2）。", "为30天［１］。", "为30天〔1〕。", "为30天¹。",
    "30 days <cite>1</cite>.", "30 days <source>[2]</source>.", r"30 days \cite{1, 2}.", "30 days^1^.", "30 days $^{2}$.",
    "30 days [S1].", "30 days [2: Trial].", "为30天[参考1]。", "为30天（见来源1）。", "为30天［1－2］。", "为30天②。",
    "30 days ^[1].", "30 days ¹.", "30 days ^1^.", "30 days [S1].", "30 days [src2].", r"30 days \cite{1,2}.", "30 days <source>1</source>.", "30 days ⟦1⟧.", "为30天〖1〗。", "30 days [1: Trial period].",
    "30 days {1}.", "30 days <1>.", "30 days [Quelle 1].", "30 days (Quelle 2).", "30 days [Fuente 1].", "为30天「1」。", "为30天[注1]。", "为30天{2}。",
    "30 days [[1]](#).", "30 days [^1^].", '30 days <source id="1"/>.', "30 days [1 – Trial].", "30 days [1,].",
    "30 days [№1].", "为30天[出典1]。", "30 days [출처 1].", "30 days [1†L3-L5].", "30 days (source [1]).", "30 days [1,2;4].", "30 days [1–2].", "为30天(来源：1)。",
]  # fmt: skip
OTHERS = [
    "10⁶ and 5 m² and 10<sup>6</sup>", "see option (1).", "§ 5 (1).", "(1) First. (2) Second.", "[see the annex]",
    "30 feet² are", "x^2^ + $y^{2}$", "①打开②关闭。", "[1: 30]", "a data source 1 km away", "source 1.5 says", "资料2份",
    "文档1页", "x = [0, 1]", "(2026)", "第三项（1）。",
    "The buckets of S1 (S1) and [S9]", "x^1 + y^2",
    "the set {1, 2}.", "x = {1}.", "the set {1}.", 'f"{1}"', "`{1}.` and `<1>.`", r"\frac{1}{2}", r"\d{1}.", "Vector{1}.", "x_{1}.", "List<1>.", "Press {1}.",
    "The answer is <2>.", "if a <1> b", "按「1」。", "他说「1」。", "第「1」条", "他选择「2」。", "{1}.", "「1」。", "in {2024}.", "为30天（注1）。", "a[9] = 2", "x[1]=y",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMS)
def test_every_form_of_a_citation_is_written_as_a_number_in_brackets(text: str) -> None:
    said = CitationMarkers((1, 2), {"Trial period": 1})
    clear = said.push(text) + said.close()
    assert re.sub(r"\s?(?:\[[12]\])+", "", clear) in ("30 days.", "为30天。")
    assert clear.count("[1]") + clear.count("[2]") >= 1


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Source 1 says 30 days.", "[1] says 30 days."),
        ("According to sources 1 and 2, it is 30.", "According to [1][2], it is 30."),
        ("根据资料2，为30天。", "根据[2]，为30天。"),
        ("来源1指出为30天。", "[1]指出为30天。"),
        ("According to source 7, it is 30.", "According to source 7, it is 30."),
    ],
)
def test_a_source_named_in_a_sentence_is_a_citation(text: str, read: str) -> None:
    assert clean(text) == read
    markers = CitationMarkers((1, 2))
    assert "".join(map(markers.push, text)) + markers.close() == read


def test_an_element_of_a_list_is_no_citation() -> None:
    assert [numbers(found) for found in MARKER.finditer("x[1] = 3 [1]. Paris[2]. [1] = 2.")] == [[1], [2], [1]]


@pytest.mark.parametrize("text", OTHERS)
def test_what_is_no_citation_is_left(text: str) -> None:
    assert clean(text) == text


@given(
    st.lists(st.sampled_from([*FORMS, *OTHERS, " ", "\n", "`"]), max_size=4), st.lists(st.integers(1, 9), max_size=60)
)
def test_every_form_is_read_alike_in_a_stream(texts: list[str], cuts: list[int]) -> None:
    text, markers, out, at = "".join(texts), CitationMarkers((1, 2)), "", 0
    for cut in cuts:
        out += markers.push(text[at : at + cut])
        at += cut
    assert out + markers.push(text[at:]) + markers.close() == clean(text)


def test_marks_close_together_are_read_alike_in_a_stream() -> None:
    said = [form.removeprefix("30 days").removeprefix("为30天").rstrip(".。") for form in FORMS]
    said += [
        "The tide",
        "加热",
        " ",
        "and",
        "Source",
        "(",
        "^",
        "\\\\",
        "{1}",
        "`",
        ". ",
        "。",
        "x",
        "[9]",
        "](",
        "<b>",
    ]
    chance = random.Random(7)
    for _ in range(2000):
        text = "".join(chance.choice(said) + chance.choice(("", " ")) for _ in range(chance.randint(2, 6)))
        markers, out, at = CitationMarkers((1, 2)), "", 0
        while at < len(text):
            step = chance.choice((1, 1, 2, 5))
            out += markers.push(text[at : at + step])
            at += step
        assert out + markers.close() == clean(text), text


@given(st.text(alphabet="ab` [1]2 9,【】\n(^\\-<>#{}「」年。.=", max_size=40), st.lists(st.integers(1, 8), max_size=20))
def test_however_a_text_is_cut_the_result_is_the_same(text: str, cuts: list[int]) -> None:
    markers, out, at = CitationMarkers((1, 2)), "", 0
    for cut in cuts:
        out += markers.push(text[at : at + cut])
        at += cut
    assert out + markers.push(text[at:]) + markers.close() == clean(text)


def test_chunks_with_block_content_are_filtered_too() -> None:
    live = LiveMarkers(CitationMarkers([1]))
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    out = [
        *live.push(AIMessageChunk(content=[{"type": "text", "text": "x [1] y [2"}, image])),
        *live.push(AIMessageChunk(content="] z")),
        *live.close(),
    ]
    assert out[0].content == [{"type": "text", "text": "x [1] y"}, image]
    assert "".join(str(c.content) for c in out[1:]) == " z"


@pytest.mark.parametrize(
    "text", ["面积为30平方米²。", "It covers 30 square meters² in all.", "a[1] = 2", "Document 2 is long."]
)
def test_what_is_no_mark_is_quoted_as_it_stands(text: str) -> None:
    assert as_quoted(text) == text


@pytest.mark.parametrize(
    "said",
    [
        "Pay (see Document 2) first.",
        "It holds [1]–[2] now.",
        "a word①`code`",
        "[[1]] x",
        "[its area² x]",
        "cut 【1†off",
        "a [Source 1: torn",
    ],
)
def test_a_mark_inside_a_mark_of_a_quote_is_none_of_ours_either(said: str) -> None:
    quote = as_quoted(said)
    assert quote.replace(JOINER, "") == said
    marks = CitationMarkers([1, 2])
    assert marks.push(f"{quote} [1]") + marks.close() == f"{quote} [1]"
