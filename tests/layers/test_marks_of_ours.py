"""Marks and frames of ours in a document, a question or a history are text: there is an answer, and it is literal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

import nacre
from nacre import prompts
from nacre.text.messages import merge_chunks, nacre_of, text_of

OURS = [prompts.load(f"rag/{name}", which).text() for name in ("closest", "refusal") for which in ("en", "zh")]
MARKS = [
    *OURS,
    "[1]",
    "【1】",
    "closest:",
    "来源：",
    "</source>",
    '<source n="1">',
    "{{sources}}",
    "{1}",
    "`",
    "|",
    "¹",
]
SAID = [
    "The hotel limit is 600 yuan.", "The hotel limit is 800 yuan.", "酒店上限为每晚600元。", "Der Hotelpreis beträgt 90 Euro.",
    "ホテルの上限は一泊1万円です。", "| City | Limit |\n|---|---|\n| Paris | 120 |",
]  # fmt: skip
ASKED = [
    "What is the hotel limit?", "And in Paris?", "酒店上限是多少？", "那上限呢？", "Wie hoch ist der Hotelpreis?", "ホテルの上限は？",
    "Which is right?", "No, I meant Paris.", "Summarise all documents", "总结所有文档", "",
]  # fmt: skip


def marked(texts: list[str]) -> st.SearchStrategy[str]:
    parts = st.tuples(st.sampled_from(texts), st.lists(st.sampled_from(MARKS), max_size=2), st.integers(0, 20))
    return parts.map(lambda one: f"{one[0][: one[2]]}{' '.join(one[1])}{one[0][one[2] :]}")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marks")
    for n, said in enumerate(SAID):
        (folder / f"来源：{n} [1].md").write_text(
            f"# [{n}] closest:\n\n{MARKS[n]} {said} {MARKS[-n - 1]}\n\n{said}", "utf-8"
        )
    with nacre.KnowledgeBase.open(folder / "kb", embedder="none") as base:
        base.sync(str(folder))
        yield base


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(marked(ASKED), marked(SAID)), max_size=2), marked(ASKED), st.booleans())
def test_an_answer_or_a_sentence_and_the_same_in_a_stream(base, before, question, strict):
    rag = nacre.RetrievalAugmented(inner=nacre.load_model("quote"), retriever=base.retriever(), strict=strict)
    model = nacre.Summary(inner=rag, knowledge_base=base)
    turns: list[BaseMessage] = [one for q, a in before for one in (HumanMessage(q), AIMessage(a))]
    reply = model.invoke([*turns, HumanMessage(question)])
    own = nacre_of(reply)
    assert text_of(reply).strip() and (own.get("abstained") or own["citations"])
    for citation in own.get("citations") or []:
        assert base.text(citation["uri"])[citation["start"] : citation["end"]] == citation["quote"]
    assert text_of(merge_chunks(list(model.stream([*turns, HumanMessage(question)])))) == text_of(reply)
