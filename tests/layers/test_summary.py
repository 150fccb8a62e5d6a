"""Whole documents are summarised and compared, each sentence cited."""

import pytest

import nacre
from nacre.connectors.models.quote import QuoteChatModel
from nacre.ingest.source import TextSource
from nacre.layers.summary import wanted
from nacre.text.messages import nacre_of, parse_sources, text_of

POND = (
    "# Pond rules\n\n"
    + "The carp in the pond are fed at noon by the warden of the pond. It rained once. " * 2
    + "Nobody swims in the pond while the carp spawn."
)
KILN = "# Kiln rules\n\nThe kiln is fired on Mondays by the master of the kiln. The kiln cools for three days."
SECRET = "# Secret plan\n\nThe secret plan sells the pond."


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "yard"
    folder.mkdir()
    for name, text in (("pond.md", POND), ("kiln.md", KILN)):
        (folder / name).write_text(text)
    (tmp_path / "secret.md").write_text(SECRET)
    with nacre.KnowledgeBase.open(tmp_path / "kb", embedder="none") as base:
        base.sync(str(folder))
        base.sync(str(tmp_path / "secret.md"), principals=["boss"])
        yield base


def test_quote_summarises_in_the_documents_own_words(base):
    reply = nacre.Summary(inner=QuoteChatModel(), knowledge_base=base).invoke("Summarise the pond rules")
    own = nacre_of(reply)
    assert len(own["citations"]) == len(text_of(reply).splitlines()) >= 2
    for citation in own["citations"]:
        assert base.text(citation["uri"])[citation["start"] : citation["end"]] == citation["quote"]


@pytest.mark.parametrize(
    "asked",
    ["Compare the pond rules and the kiln rules", "Give me an overview of the yard folder", "对比 pond 和 kiln"],
)
def test_several_documents_are_told_apart(base, asked):
    reply = nacre.Summary(inner=QuoteChatModel(), knowledge_base=base).invoke(asked)
    assert {c["title"] for c in nacre_of(reply)["citations"]} == {"Pond rules", "Kiln rules"}


def test_a_model_maps_and_reduces_within_its_budget(base):
    def play(messages, n):
        sources, _ = parse_sources(messages[-1].text)
        return (
            f"Carp are fed at noon [{sources[0].n}]." if sources else "The carp are fed at noon [1]. Nothing else [99]."
        )

    inner = nacre.ScriptedChatModel(play)
    layer = nacre.Summary(inner=inner, knowledge_base=base, part_tokens=20, most_parts=3)
    reply = layer.invoke("Summarise the pond rules")
    assert 3 <= len(inner.calls) <= 5
    assert text_of(reply) == "The carp are fed at noon [1]. Nothing else."
    assert [c["n"] for c in nacre_of(reply)["citations"]] == [1]


def test_what_the_asker_may_not_see_is_not_summarised(base):
    asked = "Summarise the secret plan"
    open_to_all = nacre.Summary(inner=nacre.ScriptedChatModel(["passed on"]), knowledge_base=base)
    assert text_of(open_to_all.invoke(asked)) == "passed on"
    boss = nacre.Summary(inner=QuoteChatModel(), knowledge_base=base)
    assert "sells the pond" in text_of(boss.invoke(asked, principals=["boss"]))


@pytest.mark.parametrize(
    "asked", ["Who feeds the carp?", "Compare the noise of A and B", "Summarise", "summarise " * 1000, "总结", "?"]
)
def test_everything_else_passes_through(base, asked):
    layer = nacre.Summary(inner=nacre.ScriptedChatModel(["passed on"]), knowledge_base=base)
    assert text_of(layer.invoke(asked)) == "passed on"


def test_the_name_of_a_document_keeps_the_characters_that_also_frame_a_request():
    assert wanted("总结一下请假制度") == ["请假制度"]
    assert wanted("请总结里程中心的目的") == ["里程中心 目的"]
    assert wanted("请帮我概括文件夹合同里的文档") == ["合同"]


@pytest.mark.parametrize(
    "asked",
    ["Summarise all documents", "What is in this knowledge base?", "总结所有文档", "知识库里都有哪些内容？", "What's in the knowledge base?"],
)  # fmt: skip
def test_the_base_as_a_whole_is_summarised_as_far_as_the_asker_sees_it(base, asked):
    layer = nacre.Summary(inner=QuoteChatModel(), knowledge_base=base)
    reply = layer.invoke(asked)
    assert {c["title"] for c in nacre_of(reply)["citations"]} == {"Pond rules", "Kiln rules"}
    assert "dropped" not in nacre_of(reply)
    assert "Secret plan" in text_of(layer.invoke(asked, principals=["boss"]))


def test_of_more_documents_than_fit_it_is_told_how_many_were_read(base):
    layer = nacre.Summary(inner=QuoteChatModel(), knowledge_base=base, most_documents=1)
    reply = layer.invoke("Summarise all documents")
    assert "1 of 2 documents" in text_of(reply) and len(nacre_of(reply)["dropped"]) == 1
    assert "2 份文档中的 1 份" in text_of(layer.invoke("总结所有文档"))


def test_of_more_documents_than_fit_those_in_the_askers_language_are_read(base):
    base.sync(TextSource("memory:k/", [("memory:k/1", "瓷窑每周一由窑主点火。瓷窑三天后才冷却。", "瓷窑规则")]))
    layer = nacre.Summary(inner=QuoteChatModel(), knowledge_base=base, most_documents=1)
    for asked, titles in (("总结所有文档", ["瓷窑规则"]), ("Summarise all documents", ["Kiln rules", "Pond rules"])):
        (title,) = {c["title"] for c in nacre_of(layer.invoke(asked))["citations"]}
        assert title in titles


@pytest.mark.parametrize(
    "asked",
    ["What is in all documents about carp?", "List all documents on carp", "知识库如何备份？", "Do all files need a signature?"],
)  # fmt: skip
def test_a_question_that_only_speaks_of_the_documents_is_no_request_for_all(base, asked):
    layer = nacre.Summary(inner=nacre.ScriptedChatModel(["passed on"]), knowledge_base=base)
    assert text_of(layer.invoke(asked)) == "passed on"


@pytest.mark.parametrize(
    "asked",
    ["When is the summary of the yard pond rules due?", "Is the summary of the yard pond rules long?",
     "What is the difference between the depth of the pond rules and the kiln rules?",
     "What do you know about it?", "Tell me everything about this", "什么是知识库？", "What is the knowledge base?", "哪些文件？"],
)  # fmt: skip
def test_a_question_for_one_thing_is_no_request_for_whole_documents(base, asked):
    layer = nacre.Summary(inner=nacre.ScriptedChatModel(["passed on"]), knowledge_base=base)
    assert text_of(layer.invoke(asked)) == "passed on"


@pytest.mark.parametrize("asked", ["What is the difference between the pond and the kiln?", "你有哪些文件？"])
def test_whole_documents_are_told_apart_by_what_names_them(base, asked):
    reply = nacre.Summary(inner=QuoteChatModel(), knowledge_base=base).invoke(asked)
    assert {c["title"] for c in nacre_of(reply)["citations"]} == {"Pond rules", "Kiln rules"}


def test_a_polite_request_is_one():
    assert (
        wanted("能总结一下差旅管理办法吗？")
        and wanted("请总结如何报销")
        and wanted("Can you summarise the pond rules?")
    )
