"""The final answer while it is written: only what is certain is shown, and a stream spells what `invoke` gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool

from nacre import ReAct, ScriptedChatModel
from nacre.agents.answer_stream import AnswerReader, certain_answer
from nacre.agents.facts import state
from nacre.agents.observation import unframe
from nacre.agents.output_parser import parse_react
from nacre.errors import UnsupportedParameterError

DATA = Path(__file__).parent / "data"
PIECES = ["Thought: ", "Thought", "Observation: ", "Obs", "Final Answer: ", "Final", "最终答案：", "思考：", "观察：", "观", "Question: ", "问题：", "\n", "\n\n", " ", "\r\n", "\r",
          "It is blue", "巴黎。", "```", "```py\n", "`", "~~~", "**", "# ", "- ", "1. ", "<think>", "</think>", "<", ">", "</answer>", "</", "<|im_end|>", "<data key=\"0a\">", "</data key=\"0a\">\n",
          "[1]", "[", "[/INST]", "Step 2: ", "第2步 ", "\"", "“", "\x00", "\ud800", "\xa0", "Action: find", "{", "a < b", ":", "："]  # fmt: skip
REPLIES = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.lists(
    st.sampled_from(PIECES), max_size=14
).map(lambda parts: "Final Answer: x" + "".join(parts))


@tool
def find(query: str) -> str:
    """Find something."""
    return "8611 m"


CALL = 'Thought: look\nAction: find\nAction Input: {"query": "K2"}'
NATIVE = AIMessage("I look it up first.", tool_calls=[{"name": "find", "args": {"query": "K2"}, "id": "1"}])


def merged(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def answers(chunks: list[AIMessageChunk]) -> list[str]:
    return [chunk.text for chunk in chunks if chunk.text]


@pytest.mark.parametrize("first", [CALL, NATIVE], ids=["text", "native"])
@pytest.mark.parametrize(
    ("question", "last", "pieces"),
    [
        ("How high is K2?", "Thought: it says so\nFinal Answer: K2 is 8611 m high.", ["K2", " is", " 8611"]),
        ("K2 有多高？", "思考：已经查到\n最终答案：乔戈里峰高 8611 米。", ["乔", "戈", "里"]),
        ("How high is K2?", "Final Answer: **8611 m**\n\n- high\n- cold", ["**8611 m**", "- high", "- cold"]),
    ],
)
async def test_the_answer_comes_in_pieces_and_is_what_invoke_gives(
    first: Any, question: str, last: str, pieces: list[str]
) -> None:
    protocol = "text" if isinstance(first, str) else "native"

    def agent() -> ReAct:
        return ReAct(inner=ScriptedChatModel([first, last]), tools=[find], protocol=protocol)

    chunks = list(agent().stream(question))
    plain = agent().invoke(question)
    assert [text.strip() for text in answers(chunks)][:3] == [piece.strip() for piece in pieces]
    assert merged(chunks).content == plain.content and merged(chunks).additional_kwargs == plain.additional_kwargs
    assert merged(chunks).usage_metadata == plain.usage_metadata
    asynchronous = [chunk async for chunk in agent().astream(question)]
    assert answers(asynchronous) == answers(chunks)
    keys = ("stopped", "protocol")
    assert [merged(chunks).response_metadata["nacre"][key] for key in keys] == [
        plain.response_metadata["nacre"][key] for key in keys
    ]


def test_thoughts_actions_and_unlabelled_answers_are_never_shown_early() -> None:
    script = [
        CALL,
        "Thought: hm, Final Answer: not yet\nAction: find\nAction Input: again",
        "It is 8611 m high, I think.",
    ]
    chunks = list(ReAct(inner=ScriptedChatModel(script), tools=[find], protocol="text").stream("How high?"))
    assert answers(chunks) == ["It is 8611 m high, I think."]
    native = list(
        ReAct(inner=ScriptedChatModel([NATIVE, "8611 m, it seems."]), tools=[find], protocol="native").stream(
            "How high?"
        )
    )
    assert answers(native) == ["8611 m, it seems."]


def test_a_call_behind_a_shown_answer_is_not_made() -> None:
    late = AIMessage("Final Answer: 8611 m", tool_calls=[{"name": "find", "args": {"query": "again"}, "id": "2"}])
    for run in ("stream", "invoke"):
        model = ScriptedChatModel([NATIVE, late])
        agent = ReAct(inner=model, tools=[find], protocol="native")
        reply = merged(list(agent.stream("How high?"))) if run == "stream" else agent.invoke("How high?")
        assert (reply.text, reply.tool_calls, len(model.calls)) == ("8611 m", [], 2)


def test_the_callers_own_tools_keep_a_reply_whole() -> None:
    theirs = AIMessage("Final Answer: here it is", tool_calls=[{"name": "show_map", "args": {}, "id": "m"}])

    @tool
    def show_map() -> str:
        """Show a map."""
        raise AssertionError("the caller runs this one")

    reply = merged(list(ReAct(inner=ScriptedChatModel([theirs]), tools=[find]).bind_tools([show_map]).stream("Where?")))  # type: ignore[arg-type]
    assert [call["name"] for call in reply.tool_calls] == ["show_map"]


def test_what_the_model_invents_behind_the_answer_is_not_shown() -> None:
    last = "Final Answer: 8611 m\nIt is in Asia.\nQuestion: And Everest?\nThought: 8849 m\nFinal Answer: 8849 m"
    chunks = list(ReAct(inner=ScriptedChatModel([CALL, last]), tools=[find], protocol="text").stream("How high?"))
    assert merged(chunks).text == "8611 m\nIt is in Asia."


def test_the_forced_answer_at_a_limit_is_shown_as_it_comes() -> None:
    script = [CALL, "最终答案：大约 8611 米。\n问题：还有吗？\n思考：没有"]
    chunks = list(
        ReAct(inner=ScriptedChatModel(script), tools=[find], protocol="text", max_steps=1).stream("K2 多高？")
    )
    assert merged(chunks).text == "大约 8611 米。" and len(answers(chunks)) > 4


@tool(response_format="content_and_artifact")
def look_up(query: str) -> tuple[str, list[Document]]:
    """Look something up."""
    return "found", [Document("K2 is 8611 m high.", metadata={"uri": "k2.md", "title": "K2", "chunk_id": "1"})]


def test_dead_citations_are_cut_from_the_stream_as_from_the_answer() -> None:
    script = [CALL.replace("find", "look_up"), "Final Answer: It is 8611 m high [1], some say [7]. `x[7]`"]

    def agent() -> ReAct:
        return ReAct(inner=ScriptedChatModel(script), tools=[look_up], protocol="text")

    chunks, plain = list(agent().stream("How high?")), agent().invoke("How high?")
    assert merged(chunks).text == plain.text == "It is 8611 m high [1], some say. `x[7]`"
    assert len(answers(chunks)) > 4
    assert merged(chunks).response_metadata["nacre"]["citations"] == plain.response_metadata["nacre"]["citations"]
    assert merged(chunks).response_metadata["model_provider"] == plain.response_metadata["model_provider"] == "nacre"


def test_a_reply_that_may_still_be_discarded_is_not_shown() -> None:
    """A model that gives up before anything was looked up is not heard: the question goes to the knowledge base first."""
    shy = AIMessage("Final Answer: I do not know.", response_metadata={"nacre": {"abstained": True}})
    looks = state(look_up.model_copy(), looks_up=True)
    chunks = list(ReAct(inner=ScriptedChatModel([shy, "Final Answer: 8611 m [1]"]), tools=[looks]).stream("How high?"))
    assert merged(chunks).text == "8611 m [1]"


def test_a_model_that_hides_where_its_reasoning_begins_is_read_whole() -> None:
    script = [f"Let me see.</think>{CALL}", "Final Answer: 5? No.</think>\nFinal Answer: 8611 m"]
    chunks = list(ReAct(inner=ScriptedChatModel(script), tools=[find], protocol="text").stream("How high?"))
    assert answers(chunks) == ["8611 m"]


def test_content_in_blocks_comes_whole() -> None:
    blocks = AIMessage([{"type": "text", "text": "Final Answer: 8611 m", "index": 0}])
    agent = ReAct(inner=ScriptedChatModel([NATIVE, blocks]), tools=[find], protocol="native")
    assert merged(list(agent.stream("How high?"))).text == "8611 m"


def test_an_error_behind_shown_text_is_raised_and_one_before_it_is_handled() -> None:
    broken = ReAct(
        inner=ScriptedChatModel([CALL, ("Final Answer: It is ", "8611", ConnectionError("gone"))]),
        tools=[find],
        protocol="text",
    )
    seen: list[str] = []
    with pytest.raises(ConnectionError):
        seen.extend(chunk.text for chunk in broken.stream("How high?"))
    assert "It" in "".join(seen) or not seen
    refused = ScriptedChatModel(
        lambda messages, n: UnsupportedParameterError("", parameter="stop") if n == 0 else "Final Answer: fine"
    )
    assert merged(list(ReAct(inner=refused, tools=[find], protocol="text").stream("hi"))).text == "fine"


async def test_langgraph_streams_none_of_the_models_own_tokens() -> None:
    """Thoughts and calls are not for the user: a graph that streams messages must not pick them up inside the agent."""
    graph = pytest.importorskip("langgraph.graph")
    agent = ReAct(
        inner=ScriptedChatModel([CALL, "Thought: secret\nFinal Answer: 8611 m"]), tools=[find], protocol="text"
    )
    builder = graph.StateGraph(graph.MessagesState)
    builder.add_node("agent", lambda state: {"messages": [merged(list(agent.stream(state["messages"])))]})
    builder.add_edge(graph.START, "agent")
    streamed = "".join(
        part.text for part, _ in builder.compile().stream({"messages": [("user", "How high?")]}, stream_mode="messages")
    )
    assert "secret" not in streamed and "Action" not in streamed


# --- the reader -------------------------------------------------------------------------------------------------------


@given(REPLIES, st.lists(st.integers(0, 120), max_size=8), st.booleans())
@settings(max_examples=600, deadline=None)
def test_it_makes_no_difference_how_a_reply_is_cut(text: str, cuts: list[int], last: bool) -> None:
    whole = AnswerReader(last=last)
    first = whole.push(text)
    assert (first + whole.close()) == (whole.answer or "")
    for places in (sorted({cut for cut in cuts if cut < len(text)}), list(range(1, len(text)))):
        pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
        reader = AnswerReader(last=last)
        shown = [*(reader.push(piece) for piece in pieces), reader.close()]
        assert "".join(shown) == (reader.answer or "") and reader.answer == whole.answer
    read = certain_answer(text, last=last)
    assert (read.answer if read else "") == (whole.answer or "")
    if read and read.answer:
        assert read.answer == read.answer.strip()


@given(REPLIES, st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_any_reply_streams_as_it_is_invoked(text: str, size: int) -> None:
    pieces = tuple(text[at : at + size] for at in range(0, len(text), size)) or ("",)

    def agent() -> ReAct:
        return ReAct(
            inner=ScriptedChatModel(lambda messages, n: [CALL, pieces][n] if n < 2 else "Final Answer: over"),
            tools=[find],
            protocol="text",
            max_steps=3,
        )

    assert merged(list(agent().stream("How high?"))).text == agent().invoke("How high?").text


@pytest.mark.parametrize("name", ["appendix_a.jsonl", "malformed.jsonl"])
def test_where_it_is_certain_the_tolerant_parser_says_the_same(name: str) -> None:
    cases = [json.loads(line) for line in (DATA / name).read_text("utf-8").split("\n") if line]
    certain = [(certain_answer(case["text"]), parse_react(case["text"])) for case in cases]
    assert all(
        read.answer == unframe(step.answer or "").strip() and read.thought == step.thought
        for read, step in certain
        if read
    )
    if name == "malformed.jsonl":
        assert sum(read is not None for read, _ in certain) >= 15
