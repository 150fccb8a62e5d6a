"""The response cache: when it answers, and when it must not."""

import json
import sqlite3

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.decorator import ChatModelDecorator
from nacre.errors import UsageError
from nacre.layers.cache import ResponseCache, is_keepable
from nacre.text.messages import merge_chunks, nacre_of, with_nacre


class Retriever(BaseRetriever):
    """Has an identity, as a knowledge base's retriever does: where it is, and its generation."""

    generation: int = 1

    @property
    def identity(self):
        return {"path": "kb", "generation": self.generation}

    def _get_relevant_documents(self, query, *, run_manager):
        return [Document(page_content=f"generation {self.generation}")]


class Retrieval(ChatModelDecorator):
    retriever: BaseRetriever
    k: int = 3

    def flow(self, messages, **kwargs):
        found = yield from self.call(self.retriever, "x")
        self.option(kwargs, "principals")
        return (yield from self.ask([*messages, HumanMessage(found[0].page_content)], live=True, **kwargs))


def counting(**kwargs):
    return ScriptedChatModel(lambda messages, n: f"answer {n}", **kwargs)


async def ask(layer, how, question="?", **kwargs):
    match how:
        case "invoke":
            return layer.invoke(question, **kwargs)
        case "ainvoke":
            return await layer.ainvoke(question, **kwargs)
        case "stream":
            return merge_chunks(list(layer.stream(question, **kwargs)))
        case _:
            return merge_chunks([c async for c in layer.astream(question, **kwargs)])


@pytest.mark.parametrize("first", ["invoke", "ainvoke", "stream", "astream"])
@pytest.mark.parametrize("second", ["invoke", "ainvoke", "stream", "astream"])
async def test_a_second_asking_is_answered_from_the_store(first, second):
    inner = counting()
    layer = ResponseCache(inner=inner)
    new, kept = await ask(layer, first), await ask(layer, second)
    assert (new.text, kept.text, len(inner.calls)) == ("answer 0", "answer 0", 1)
    assert kept.usage_metadata == new.usage_metadata
    assert "cached" not in nacre_of(new)
    assert nacre_of(kept)["cached"] is True


async def test_a_hit_is_a_stream():
    layer = ResponseCache(inner=ScriptedChatModel(["three words 又三字"]))
    layer.invoke("?")
    assert [c.text for c in layer.stream("?") if c.text] == ["three ", "words ", "又", "三", "字"]
    assert [c.text async for c in layer.astream("?") if c.text] == ["three ", "words ", "又", "三", "字"]


def test_what_makes_two_requests_different():
    inner = counting()
    layer = ResponseCache(inner=inner)
    requests = [
        {"input": "a"},
        {"input": "b"},
        {"input": [HumanMessage("a"), AIMessage("x"), HumanMessage("a")]},
        {"input": "a", "stop": ["x"]},
        {"input": "a", "temperature": 1},
        {"input": "a", "principals": ["sales"]},
        {"input": "a", "principals": ["board"]},
        {"input": "a", "config": {"configurable": {"principals": ["board"]}}},
        {"input": "a", "config": {"configurable": {"session_id": "1"}}},
        {"input": [HumanMessage([{"type": "image", "url": "https://example.com/a.png"}])]},
        {"input": [HumanMessage([{"type": "image", "url": "https://example.com/b.png"}])]},
    ]
    first = [layer.invoke(**request).text for request in requests]
    assert first == [f"answer {n}" for n in range(len(requests))]
    assert [layer.invoke(**request).text for request in requests] == first


def test_what_does_not_make_two_requests_different():
    layer = ResponseCache(inner=counting())
    said = {"content": "x", "usage_metadata": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}
    for n, config in enumerate([None, {"tags": ["a"]}, {"configurable": {"thread_id": "9", "__pregel_x": object()}}]):
        history = [
            HumanMessage("a", id=f"h{n}"),
            AIMessage(**said, id=f"a{n}", response_metadata={"n": n}),
            HumanMessage("b"),
        ]
        assert layer.invoke(history, config).text == "answer 0"


def test_models_and_layers_do_not_answer_for_each_other(tmp_path):
    store = tmp_path / "replies.sqlite"
    leaf = counting
    models = [
        leaf(),
        leaf(model="other"),
        ChatModelDecorator(inner=leaf()),
        Retrieval(inner=leaf(), retriever=Retriever()),
        Retrieval(inner=leaf(), retriever=Retriever(), k=4),
        Retrieval(inner=leaf(), retriever=Retriever(generation=2)),
        ChatModelDecorator(inner=Retrieval(inner=leaf(model="other"), retriever=Retriever())),
    ]
    keys = [ResponseCache(inner=model, store=store).key([HumanMessage("?")]) for model in models]
    assert len(set(keys)) == len(models)
    assert [ResponseCache(inner=model, store=store).invoke("?").text for model in models] == ["answer 0"] * len(models)
    assert all(len(model.calls) == 1 for model in models[:2])


def test_a_changed_knowledge_base_invalidates():
    retriever = Retriever()
    inner = counting()
    layer = ResponseCache(inner=Retrieval(inner=inner, retriever=retriever))
    layer.invoke("?")
    retriever.generation = 2
    assert layer.invoke("?").text == "answer 1"
    assert inner.calls[1][-1].text == "generation 2"


@pytest.mark.parametrize(
    "reply",
    [
        with_nacre(AIMessage("I can't find this in the sources."), abstained=True),
        AIMessage("half", response_metadata={"finish_reason": "length"}),
        AIMessage("half", response_metadata={"stop_reason": "max_tokens"}),
        AIMessage("gone", response_metadata={"finish_reason": "content_filter"}),
        AIMessage("no", additional_kwargs={"refusal": "no"}),
        AIMessage(""),
        AIMessage(
            "", invalid_tool_calls=[{"name": "f", "args": "{", "id": "1", "error": None, "type": "invalid_tool_call"}]
        ),
    ],
)
def test_replies_that_are_not_kept(reply):
    assert not is_keepable(reply)
    if reply.invalid_tool_calls:
        return  # LangChain mends those when chunks are joined
    inner = ScriptedChatModel([reply, "better"])
    layer = ResponseCache(inner=inner)
    layer.invoke("?")
    assert layer.invoke("?").text == "better"


@pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])
async def test_failed_calls_are_not_kept(how):
    layer = ResponseCache(inner=ScriptedChatModel([("half ", OSError("cut")), "whole"]))
    with pytest.raises(OSError, match="cut"):
        await ask(layer, how)
    assert (await ask(layer, how)).text == "whole"


def test_tool_calls_images_and_metadata_come_back_as_they_were():
    replies = [
        AIMessage("", tool_calls=[{"name": "f", "args": {"城市": "杭州"}, "id": "1"}]),
        AIMessage([{"type": "text", "text": "see"}, {"type": "image", "url": "https://example.com/a.png"}]),
        with_nacre(AIMessage("cited [1]"), citations=[{"n": 1, "uri": "a.md"}]),
    ]
    for reply in replies:
        layer = ResponseCache(inner=ScriptedChatModel([reply]))
        new, kept, streamed = layer.invoke("?"), layer.invoke("?"), merge_chunks(list(layer.stream("?")))
        for one in (kept, streamed):
            assert one.tool_calls == new.tool_calls
            assert one.content_blocks == new.content_blocks
            assert {k: v for k, v in nacre_of(one).items() if k != "cached"} == nacre_of(new)


def test_replies_stay_in_their_file_as_json(tmp_path):
    path = tmp_path / "replies.sqlite"
    ResponseCache(inner=ScriptedChatModel(["one", "two"]), store=path).invoke("?")
    assert nacre_of(ResponseCache(inner=ScriptedChatModel(["one", "two"]), store=str(path)).invoke("?"))["cached"]
    rows = sqlite3.connect(path)
    try:
        ((stored,),) = rows.execute("select message from replies")
        assert json.loads(stored)["type"] == "ai"
        rows.execute("update replies set message = ?", ('{"lc": 1, "type": "constructor", "id": ["os", "system"]}',))
        rows.commit()
    finally:
        rows.close()
    again = ResponseCache(inner=ScriptedChatModel(["one", "two"]), store=path).invoke("?")
    assert (again.text, nacre_of(again)) == ("one", {}), "a damaged row is a miss"


def test_old_replies_are_forgotten(tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("nacre.layers.cache.time.time", lambda: now)
    layer = ResponseCache(inner=counting(), ttl_s=60)
    layer.invoke("?")
    now = 1059.0
    assert layer.invoke("?").text == "answer 0"
    now = 1061.0
    assert layer.invoke("?").text == "answer 1"


def test_the_oldest_make_room():
    from nacre.layers.cache import SQLiteReplies

    replies = SQLiteReplies(most=2)
    for n in range(4):
        replies.put(str(n), str(n))
    assert [replies.get(str(n)) for n in range(4)] == [None, None, "2", "3"]
    replies.clear()
    assert replies.get("3") is None


def test_a_store_that_fails_does_not_cost_the_answer(caplog):
    class Broken:
        def get(self, key):
            raise sqlite3.OperationalError("disk I/O error")

        def put(self, key, text):
            raise sqlite3.OperationalError("disk full")

    assert ResponseCache(inner=counting(), store=Broken()).invoke("?").text == "answer 0"
    assert "disk full" in caplog.text
    with pytest.raises(UsageError):
        ResponseCache(inner=counting(), store=42)
