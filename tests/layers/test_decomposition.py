"""A compound question is asked in parts, and the answers are joined with all their citations."""

import pytest

import nacre
from nacre.connectors.models.quote import QuoteChatModel
from nacre.text.messages import nacre_of, text_of


@pytest.fixture
def base(tmp_path):
    (tmp_path / "kiln.md").write_text("# Kiln\n\nThe kiln cools down until Thursday.")
    (tmp_path / "carp.md").write_text("# Pond\n\nRenate feeds the carp at noon.")
    with nacre.KnowledgeBase.open(tmp_path / "kb", embedder="none") as base:
        base.sync(str(tmp_path / "kiln.md"), str(tmp_path / "carp.md"))
        yield base


def around(base, model, **fields):
    return nacre.Decomposition(inner=nacre.RetrievalAugmented(inner=model, retriever=base.retriever(k=2)), **fields)


def test_each_part_is_answered_and_every_citation_quotes_its_place(base):
    reply = around(base, QuoteChatModel()).invoke("When does the kiln cool down? Who feeds the carp?")
    text, own = text_of(reply), nacre_of(reply)
    assert [part["question"] for part in own["parts"]] == ["When does the kiln cool down?", "Who feeds the carp?"]
    assert "cools down until Thursday" in text
    assert "Renate feeds the carp" in text
    assert {c["title"] for c in own["citations"]} == {"Kiln", "Pond"}
    assert own["abstained"] is False
    by_number = {hit["n"]: hit for hit in own["hits"]}
    for citation in own["citations"]:
        said = text[citation["answer_start"] : citation["answer_end"]]
        assert said.endswith(f"[{citation['n']}]")
        assert citation["quote"] in by_number[citation["n"]]["text"]
        assert citation["uri"] == by_number[citation["n"]]["uri"]
    assert [a["cited_text"] for a in reply.content_blocks[0]["annotations"]] == [c["quote"] for c in own["citations"]]


def test_one_question_passes_through_also_in_a_stream(base):
    model = around(base, QuoteChatModel())
    assert text_of(model.invoke("Who feeds the carp?")) == "Renate feeds the carp at noon. [1]"
    assert "".join(chunk.text for chunk in model.stream("Who feeds the carp?")) == "Renate feeds the carp at noon. [1]"


def test_a_model_takes_the_question_apart(base):
    def play(messages, n):
        if "Sources" not in messages[-1].text and "<source" not in messages[-1].text:
            return "- When does the kiln cool down?\n- Who feeds the carp?"
        return "Thursday [1]." if "kiln cool" in messages[-1].text.rpartition("Question:")[2] else "Renate [1]."

    reply = around(base, nacre.ScriptedChatModel(play)).invoke("Tell me about kiln and carp")
    assert len(nacre_of(reply)["parts"]) == 2
    assert "Thursday [1]" in text_of(reply)


@pytest.mark.parametrize("written", ["SAME", "不变。", OSError("down"), "", "one line only"])
def test_what_a_model_writes_unusably_is_left_to_the_rules(written):
    inner = nacre.ScriptedChatModel(lambda messages, n: written if n == 0 else "ok")
    assert text_of(nacre.Decomposition(inner=inner).invoke("What is nacre?")) == "ok"


def test_a_part_that_fails_costs_itself_only():
    def play(messages, n):
        if "carp" in messages[-1].text:
            raise OSError("down")
        return "Thursday."

    layer = nacre.Decomposition(inner=nacre.ScriptedChatModel(play), parts="rules")
    reply = layer.invoke("When does the kiln cool down? Who feeds the carp?")
    assert "Thursday." in text_of(reply)
    assert [part["abstained"] for part in nacre_of(reply)["parts"]] == [False, True]
    with pytest.raises(OSError, match="down"):
        layer.invoke("Who feeds the carp? What do the carp eat?")


def test_no_more_parts_are_asked_than_allowed():
    inner = nacre.ScriptedChatModel(lambda messages, n: "ok")
    nacre.Decomposition(inner=inner, parts="rules", most=2).invoke(
        "What is a kiln? What is clay? What is glaze made of?"
    )
    assert len(inner.calls) == 2
