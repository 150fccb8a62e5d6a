"""A citation quotes its source literally, at the place that it names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, messages_from_dict, messages_to_dict

from nacre.grounding.citations import attached, best_quote, cite, statements, supported_part
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


def test_a_marker_may_open_its_sentence() -> None:
    assert [n for *_, n in statements("[1] says that pearls grow. [2] says how.")] == [[1], [2]]
    assert [n for *_, n in statements("- [1] Pearls grow.\n- [2] Slowly.")] == [[1], [2]]
    assert [n for *_, n in statements("珍珠会生长。[2]指出很慢。")] == [[], [2]]
    assert [n for *_, n in statements("Pearls grow slowly.\n\nSources: [1], [2]")] == [[1, 2]]


TABLE = "| Shell | Years |\n|---|---|\n| Akoya | 2 [1] |\n| Tahiti | 9 [1] |"


def test_the_head_of_a_table_is_no_statement_and_stays_with_its_supported_rows() -> None:
    assert [text for _, _, text, _ in statements(TABLE)] == ["| Akoya | 2 |", "| Tahiti | 9 |"]
    source = Source(1, "Shell\tYears\nAkoya\t2\nTahiti\t3")
    assert supported_part(TABLE, cite(TABLE, [source], PLACES), 0.9) == "\n".join(TABLE.splitlines()[:3])
    assert supported_part(f"{TABLE}\n\nNo.", [], 0.9) == ""


def test_a_statement_without_a_citation_is_given_the_source_that_says_it() -> None:
    sources = [Source(1, "Akoya shells need 2 years."), Source(2, PEARLS)]
    assert attached("A pearl is made by an oyster.", sources, [], 0.5) == "A pearl is made by an oyster. [2]"
    assert attached("Akoya shells need 3 years.", sources, [], 0.5) == "Akoya shells need 3 years."


@pytest.mark.parametrize(
    "listed",
    ["[1]: Pearls\n[2]: [Shells](https://x.y)", "Sources:\n[1] Pearls\n\n- [2] Shells, p. 3\n", "参考资料：\n【2】贝"],
)
def test_a_list_of_sources_at_the_end_states_nothing(listed: str) -> None:
    answer = f"Pearls grow [1]. Slowly [2].\n\n{listed}"
    assert [(text, n) for *_, text, n in statements(answer)] == [("Pearls grow .", [1]), ("Slowly .", [2])]
    source = Source(1, "Pearls grow.")
    assert supported_part(answer, cite(answer, [source], PLACES), 0.9) == "Pearls grow [1]."


@pytest.mark.parametrize("answer", ["[1]: Pearls grow.\n[2]: Slowly.", "Sources:\n[1] Pearls grow.\n[2] Slowly."])
def test_statements_that_their_marks_open_are_no_list_of_sources(answer: str) -> None:
    assert [n for *_, n in statements(answer)] == [[1], [2]]
    assert [n for *_, n in statements("So it is [1].\n\n[3]: Slowly.")][-1] == [3]


def test_of_an_answer_without_marks_the_list_at_its_end_tells_the_sources() -> None:
    assert [n for *_, n in statements("Pearls grow. Slowly.\n\nSources:\n[1] Pearls\n[2] Shells")] == [[], [1, 2]]
