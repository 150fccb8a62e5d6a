"""Few-shot, chain of thought, self-consistency."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.errors import PromptError, UsageError
from nacre.layers.chain_of_thought import ChainOfThought
from nacre.layers.few_shot import FewShot
from nacre.layers.self_consistency import SelfConsistency
from nacre.prompting.answers import AnswerOnly, answer_key, split_answer
from nacre.text.messages import merge_chunks, nacre_of

PAIRS = [
    ("How many legs has a spider?", "Eight"),
    ("Which stone is {red}?", "The {{ruby}}"),
    ("蜗牛有几只脚？", "一只"),
]


def texts(messages):
    return [(m.type, m.text) for m in messages]


# --- few-shot ---------------------------------------------------------------------------------------------------------


def test_examples_stand_between_the_system_message_and_the_conversation():
    inner = ScriptedChatModel(["Six"])
    FewShot(inner=inner, examples=PAIRS[:1]).invoke([SystemMessage("Be brief."), HumanMessage("And an ant?")])
    assert texts(inner.calls[0]) == [
        ("system", "Be brief."),
        ("human", "How many legs has a spider?"),
        ("ai", "Eight"),
        ("human", "And an ant?"),
    ]


def test_braces_in_examples_and_questions_are_content():
    inner = ScriptedChatModel(["{answer}"])
    reply = FewShot(inner=inner, examples=PAIRS).invoke("What is {question} and {{x}}?")
    assert [t for _, t in texts(inner.calls[0])][2:4] == ["Which stone is {red}?", "The {{ruby}}"]
    assert inner.calls[0][-1].text == "What is {question} and {{x}}?"
    assert reply.text == "{answer}"


def test_examples_may_be_messages_or_a_prompt_in_the_askers_language():
    inner = ScriptedChatModel(["ok"] * 3)
    call = AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}])
    FewShot(inner=inner, examples=[HumanMessage("q"), call]).invoke("?")
    assert inner.calls[0][1].tool_calls
    layer = FewShot(inner=inner, examples="few_shot/reasoning")
    layer.invoke("小明有几个苹果？")
    assert "贝壳" in inner.calls[1][0].text
    layer.invoke("How many apples has Tom?")
    assert "shells" in inner.calls[2][0].text
    with pytest.raises(PromptError, match="few_shot/nothing"):
        FewShot(inner=inner, examples="few_shot/nothing").invoke("?")


def test_the_nearest_examples_come_last():
    inner = ScriptedChatModel(["ok"] * 2)
    layer = FewShot(inner=inner, examples=PAIRS, k=2)
    layer.invoke("How many legs has an ant, and which are red?")
    assert [t for _, t in texts(inner.calls[0])][:4:2] == ["Which stone is {red}?", "How many legs has a spider?"]
    layer.invoke("章鱼有几只脚？")
    assert inner.calls[1][2].text == "蜗牛有几只脚？"


def test_the_nearest_examples_by_embedding_are_embedded_once():
    class Letters(Embeddings):
        documents = 0

        def embed_documents(self, texts):
            Letters.documents += 1
            return [self.embed_query(text) for text in texts]

        def embed_query(self, text):
            return [float(text.count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"]

    inner = ScriptedChatModel(["ok"] * 2)
    layer = FewShot(inner=inner, examples=[("zzz", "1"), ("aaa", "2"), ("mmm", "3")], k=1, embeddings=Letters())
    for _ in range(2):
        layer.invoke("azaz a")
    assert [call[0].text for call in inner.calls] == ["aaa", "aaa"]
    assert Letters.documents == 1


def test_wrong_fields_are_refused():
    for wrong in ({"examples": [1]}, {"examples": PAIRS, "k": 0}, {"examples": PAIRS, "language": "fr"}):
        with pytest.raises(UsageError):
            FewShot(inner=ScriptedChatModel([]), **wrong)


# --- chain of thought -------------------------------------------------------------------------------------------------

REASONED = "There are 3 boxes of 4.\n3 * 4 = 12\n\n**Answer:** 12 pearls"


def test_zero_shot_asks_for_reasoning_in_the_askers_language():
    inner = ScriptedChatModel([REASONED, "三盒，每盒四颗，3 * 4 = 12。\n答案：12 颗"])
    layer = ChainOfThought(inner=inner)
    english, chinese = layer.invoke("How many pearls?"), layer.invoke("一共多少颗珍珠？")
    assert "Let's think step by step" in inner.calls[0][-1].text
    assert inner.calls[1][-1].text.startswith("一共多少颗珍珠？\n\n让我们一步一步思考")
    assert (english.text, chinese.text) == ("12 pearls", "12 颗")
    assert nacre_of(english)["reasoning"] == "There are 3 boxes of 4.\n3 * 4 = 12"
    assert nacre_of(chinese)["reasoning"].startswith("三盒")


async def test_only_the_answer_is_streamed_and_as_it_comes():
    layer = ChainOfThought(inner=ScriptedChatModel([REASONED] * 2))
    shown = [c.text for c in layer.stream("?") if c.text]
    assert shown == ["12 ", "pearls"] or "".join(shown) == "12 pearls"
    assert len(shown) == 2, "live, not in one piece"
    merged = merge_chunks([c async for c in layer.astream("?")])
    assert merged.text == "12 pearls"
    assert nacre_of(merged)["reasoning"].endswith("= 12")


def test_a_reply_without_a_marker_is_the_answer():
    layer = ChainOfThought(inner=ScriptedChatModel(["Twelve, I think."] * 2))
    assert layer.invoke("?").text == "Twelve, I think."
    assert merge_chunks(list(layer.stream("?"))).text == "Twelve, I think."


def test_two_stages_ask_for_the_answer_alone():
    inner = ScriptedChatModel(["3 * 4 = 12 {braces}", "12"])
    reply = ChainOfThought(inner=inner, extraction="two_stage").invoke("How many pearls?")
    assert (reply.text, nacre_of(reply)["reasoning"]) == ("12", "3 * 4 = 12 {braces}")
    assert [m.type for m in inner.calls[1]] == ["human", "ai", "human"]
    assert inner.calls[1][1].text == "3 * 4 = 12 {braces}"


def test_examples_of_reasoning_come_first():
    inner = ScriptedChatModel([REASONED])
    ChainOfThought(inner=inner, examples="few_shot/reasoning").invoke("How many pearls?")
    assert len(inner.calls[0]) == 9
    assert all(split_answer(m.text)[0] for m in inner.calls[0] if m.type == "ai"), (
        "each example shows reasoning and marker"
    )


def test_tool_calls_and_images_pass_through_reasoning():
    call = AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}])
    for extraction in ("marker", "two_stage"):
        inner = ScriptedChatModel([call, call])
        layer = ChainOfThought(inner=inner, extraction=extraction)
        image = {"type": "image", "url": "https://example.com/a.png"}
        asked = [HumanMessage([{"type": "text", "text": "What is it?"}, image])]
        assert layer.invoke(asked).tool_calls[0]["args"] == {"x": 1}
        assert merge_chunks(list(layer.stream(asked))).tool_calls[0]["args"] == {"x": 1}
        assert image in inner.calls[0][-1].content


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("a\nAnswer: b", "a", "b"),
        ("a\nanswer：b", "a", "b"),
        ("a\n### Final Answer: b\n", "a", "b"),
        ("a\n**Answer: b**", "a", "b"),
        ("a\nThe answer is: b", "a", "b"),
        ("a\n所以，答案是：b", "a", "b"),
        ("a\n最终答案: b", "a", "b"),
        ("Answer: b\nc", "", "b\nc"),
        ("Answer: __init__", "", "__init__"),
        ("an answer: in the middle", "", "an answer: in the middle"),
        ("nothing\nAnswer:", "", "nothing\nAnswer:"),
        ("", "", ""),
    ],
)
def test_where_the_answer_begins(text, reasoning, answer):
    assert split_answer(text) == (reasoning, answer)


@given(st.lists(st.sampled_from(["Answer", ":", "：", "答案", " ", "\n", "*", "7", "x", "the ", "is"]), max_size=14))
def test_what_a_stream_shows_is_what_the_answer_begins_with(pieces):
    """However a reply is cut into chunks, nothing is shown that the answer does not begin with."""
    through = AnswerOnly()
    shown = "".join(c.text for p in pieces for c in through.push(AIMessageChunk(content=p)))
    assert split_answer("".join(pieces))[1].startswith(shown)


# --- self-consistency -------------------------------------------------------------------------------------------------


def test_the_majority_answers():
    replies = ["I get 1,000", "No: 900", "一共 1000.0 元", "Answer: $1000", "901"]
    layer = SelfConsistency(inner=ScriptedChatModel(lambda messages, n: replies[n]), samples=5)
    reply = layer.invoke("?")
    assert reply.text in (replies[0], replies[2], replies[3])
    found = nacre_of(reply)
    assert (found["agreement"], found["failed"], found["votes"][0]["count"]) == (0.6, 0, 3)
    assert sum(vote["count"] for vote in found["votes"]) == 5


async def test_samples_are_drawn_at_once():
    barrier = threading.Barrier(5, timeout=30)

    def reply(messages, n):
        barrier.wait()
        return "7"

    assert SelfConsistency(inner=ScriptedChatModel(reply), samples=5).invoke("?").text == "7"


async def test_a_failing_sample_costs_itself_only():
    async def ask(layer, how):
        if how == "ainvoke":
            return await layer.ainvoke("?")
        return layer.invoke("?") if how == "invoke" else merge_chunks(list(layer.stream("?")))

    for how in ("invoke", "ainvoke", "stream"):
        inner = ScriptedChatModel(lambda messages, n: OSError("down") if n in (0, 3) else "7")
        reply = await ask(SelfConsistency(inner=inner, samples=5), how)
        assert (reply.text, nacre_of(reply)["failed"], nacre_of(reply)["agreement"]) == ("7", 2, 1.0)
        with pytest.raises(OSError, match="down"):
            await ask(SelfConsistency(inner=ScriptedChatModel([OSError("down")] * 3), samples=3), how)


def test_usage_of_all_samples_is_counted():
    one = ScriptedChatModel(["7"]).invoke("What is it?").usage_metadata["total_tokens"]
    reply = SelfConsistency(inner=ScriptedChatModel(["7"] * 5), temperature=0.7).invoke("What is it?")
    assert reply.usage_metadata["total_tokens"] == 5 * one


def test_the_temperature_reaches_the_samples():
    inner = ScriptedChatModel(["7"] * 2)
    SelfConsistency(inner=inner, samples=2, temperature=0.7).invoke("?")
    assert [kwargs["temperature"] for kwargs in inner.call_kwargs] == [0.7, 0.7]


def test_votes_over_reasoned_answers():
    replies = ["by adding\nAnswer: 7", "by counting\nAnswer: 7.0", "by guessing\nAnswer: 8"]
    inner = ChainOfThought(inner=ScriptedChatModel(replies))
    reply = SelfConsistency(inner=inner, samples=3).invoke("?", {"max_concurrency": 1})
    assert reply.text == "7"
    assert nacre_of(reply)["reasoning"] == "by adding"


def test_tool_calls_are_voted_on_by_name_and_arguments():
    def call(x, id):
        return AIMessage("", tool_calls=[{"name": "f", "args": {"x": x}, "id": id}])

    inner = ScriptedChatModel([call(1, "a"), call(2, "b"), call(2, "c")])
    reply = SelfConsistency(inner=inner, samples=3).invoke("?", {"max_concurrency": 1})
    assert reply.tool_calls[0]["args"] == {"x": 2}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1,000", "1000.0", True),
        ("18 dollars", "$18", True),
        ("答案：１８ 元", "18", True),
        ("1.2万", "12000", True),
        ("50%", "50", False),
        ("-3", "3", False),
        ("0.0", "-0", True),
        ("Paris.", "paris", True),
        ("北京。", "北京", True),
        ("12 and 13", "12", False),
        ("1e3", "1000", True),
        ("?", "!", False),
        ("In the year 1912 the great ship sank in the cold sea", "1912", False),
    ],
)
def test_when_answers_are_the_same(one, other, same):
    assert (answer_key(one) == answer_key(other)) is same


@given(st.text())
def test_any_text_has_a_key(text):
    assert isinstance(answer_key(text), str)
