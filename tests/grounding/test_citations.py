"""A citation quotes its source literally, at the place that it names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict

from nacre.grounding.citations import best_quote, cite, statements
from nacre.text.messages import Source, with_nacre

PEARLS = "A pearl is made by an oyster. It takes {two} years to grow. 珍珠由牡蛎分泌。"
PLACES = {
    1: {
        "uri": "kb://pearls",
        "title": "Pearls",
        "heading": ("Growth",),
        "page": 3,
        "start": 100,
        "chunk_id": 7,
        "document_id": 2,
        "version": 1,
    }
}


def test_a_statement_is_cited_with_its_exact_span() -> None:
    answer = "It takes {two} years to grow. [1]"
    (citation,) = cite(answer, [Source(1, PEARLS)], PLACES)
    at = PEARLS.index("It takes")
    assert citation["quote"] == "It takes {two} years to grow."
    assert (citation["start"], citation["end"]) == (100 + at, 100 + at + len(citation["quote"]))
    assert answer[citation["answer_start"] : citation["answer_end"]] == answer
    assert (citation["page"], citation["heading"], citation["support"]) == (3, ("Growth",), 1.0)


def test_a_paraphrase_is_cited_with_the_nearest_sentence() -> None:
    (citation,) = cite("Growing takes two long years [1].", [Source(1, PEARLS)], PLACES)
    assert citation["quote"] == "It takes {two} years to grow."
    assert 0 < citation["support"] < 1


def test_chinese_statements_are_cited() -> None:
    (citation,) = cite("珍珠由牡蛎分泌【1】。", [Source(1, PEARLS)], PLACES)
    assert citation["quote"].startswith("珍珠由牡蛎分泌")


def test_markers_belong_to_the_sentence_that_they_follow() -> None:
    found = [(text, cited) for _, _, text, cited in statements("One fact [1]. Another. [2][3] A third without.")]
    assert found == [("One fact .", [1]), ("Another.", [2, 3]), ("A third without.", [])]


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_quote_stands_in_its_source(claim: str, text: str) -> None:
    start, end, support = best_quote(claim, text)
    assert 0 <= start <= end <= len(text)
    assert 0.0 <= support <= 1.0


def test_content_blocks_carry_the_citations_also_after_a_round_trip() -> None:
    citations = cite("It takes {two} years to grow [1].", [Source(1, PEARLS)], PLACES)
    message = with_nacre(
        AIMessage("It takes {two} years to grow [1].", response_metadata={"model_provider": "nacre"}),
        citations=citations,
    )
    (again,) = messages_from_dict(messages_to_dict([message]))
    for said in (message, again):
        assert isinstance(said, AIMessage)
        (annotation,) = said.content_blocks[0]["annotations"]
        assert annotation["type"] == "citation"
        assert annotation["cited_text"] == "It takes {two} years to grow."
        assert annotation["extras"]["page"] == 3
        assert said.content == "It takes {two} years to grow [1]."
