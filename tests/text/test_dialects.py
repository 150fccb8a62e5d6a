"""A call of every dialect is read: alone, twice, behind a sentence, cut anywhere; and streamed through a model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool

from nacre import ReAct, ScriptedChatModel
from nacre.connectors.models.written_calls import WrittenCalls
from nacre.text.dialects import MARKS, has_mark, read_bare_calls, read_calls

DATA = Path(__file__).parents[1] / "agents" / "data"
RECORDED: dict[str, str] = json.loads((DATA / "dialects.json").read_text("utf-8"))
RIGHT = ("stock", {"item": "bolt"})
OTHERS = {
    "deepseek ascii": '<|tool_calls_begin|><|tool_call_begin|>stock<|tool_sep|>{"item": "bolt"}<|tool_call_end|>',
    "mistral name and object": '[TOOL_CALLS]stock{"item": "bolt"}',
    "mistral two lines": '[TOOL_CALLS] [{"name": "stock", "arguments": "{\\"item\\": \\"bolt\\"}"}]',
    "llama ipython": '<|python_tag|>stock.call(item="bolt")',
    "llama function": '<function=stock>{"item": "bolt"}</function>',
    "hermes nested": '<tool_call>{"function": {"name": "stock", "arguments": {"item": "bolt"}}}</tool_call>',
    "hermes broken json": "<tool_call>{'name': 'stock', 'arguments': {'item': 'bolt',}}</tool_call>",
    "hermes in a fence": '<tool_call>\n```json\n{"name": "stock", "arguments": {"item": "bolt"}}\n```\n</tool_call>',
    "hermes unclosed": '<tool_call>{"name": "stock", "arguments": {"item": "bolt"}}',
    "hermes python": '<tool_call>stock(item="bolt")</tool_call>',
    "hunyuan a13": '<tool_call>stock\n```json\n{"item": "bolt"}\n```\n</tool_call>',
    "kimi without section": '<|tool_call_begin|>functions.stock:0<|tool_call_argument_begin|>{"item": "bolt"}',
    "harmony role first": '<|start|>assistant to=functions.stock<|channel|>commentary json<|message|>{"item":"bolt"}',
    "harmony without tokens": 'commentary to=functions.stock json{"item":"bolt"}',
    "anthropic named": '<invoke name="stock">\n<parameter name="item">bolt</parameter>\n</invoke>',
    "granite tag": '<tool_call>[{"name": "stock", "arguments": {"item": "bolt"}}]',
    "lfm2": '<|tool_call_start|>[stock(item="bolt")]<|tool_call_end|>',
    "phi tool_call": '<|tool_call|>[{"name": "stock", "arguments": {"item": "bolt"}}]<|/tool_call|>',
}
BARE = {
    "object": '{"name": "stock", "parameters": {"item": "bolt"}}',
    "list": '[{"name": "stock", "arguments": {"item": "bolt"}}]',
    "python": '[stock(item="bolt")]',
    "glm-4": 'stock\n{"item": "bolt"}',
    "function prefix": '{"name": "functions.stock", "arguments": {"item": "bolt"}}',
    "fence": '```json\n{"name": "stock", "arguments": {"item": "bolt"}}\n```',
}
TOOLS = [{"type": "function", "function": {"name": "stock", "parameters": {"properties": {"item": {}}}}}]


def parted(text: str, size: int) -> tuple[str, list[Any]]:
    reader = WrittenCalls(TOOLS)
    shown = "".join(reader.push(text[at : at + size]) for at in range(0, len(text), size))
    rest, calls = reader.close()
    return shown + rest, [(call["name"], call["args"]) for call in calls]


@pytest.mark.parametrize("name", [*RECORDED, *OTHERS])
def test_a_call_is_read_alone_twice_and_behind_a_sentence(name: str) -> None:
    text = (RECORDED | OTHERS)[name]
    for lead, times in (("", 1), ("I look.\n", 1), ("", 2)):
        calls, said = read_calls(lead + "\n".join([text] * times))
        assert [(call.name.removeprefix("functions."), call.arguments) for call in calls] in (
            [RIGHT] * times,
            [(RIGHT[0], '{"item": "bolt"}')] * times,
        )
        assert said.strip() == lead.strip()


@pytest.mark.parametrize("name", [*RECORDED, *OTHERS, *BARE])
def test_a_model_with_tools_calls_in_it_however_it_is_cut(name: str) -> None:
    text = (RECORDED | OTHERS | BARE)[name]
    if name == "fence":  # in a fence it may be an example: the agent's parser reads it, no model's connector
        assert read_bare_calls(text)[0].name == "stock"
        return
    for size in (1, 3, 11, 1000):
        assert parted(text, size) == ("", [RIGHT]), size


@pytest.mark.parametrize("name", [*RECORDED, *OTHERS, *BARE])
def test_an_agent_in_text_runs_it(name: str) -> None:
    ran: list[str] = []

    @tool
    def stock(item: str) -> str:
        """Stock of an item."""
        ran.append(item)
        return "7"

    text = (RECORDED | OTHERS | BARE)[name]
    agent = ReAct(inner=ScriptedChatModel([text, "Final Answer: 7"]), tools=[stock], protocol="text")
    assert agent.invoke("How many bolts?").text == "7" and ran == ["bolt"]


@pytest.mark.parametrize("mark", [mark for mark in MARKS if mark != "<|start|>assistant to="])  # noise without a name
def test_markup_that_cannot_be_read_is_never_an_answer(mark: str) -> None:
    @tool
    def stock(item: str) -> str:
        """Stock of an item."""
        return item

    agent = ReAct(inner=ScriptedChatModel([f"{mark}%", "Final Answer: 7"]), tools=[stock], protocol="text")
    assert agent.invoke("How many bolts?").text == "7"


def test_texts_about_calls_are_texts() -> None:
    for text in ("Write `<tool_call>` around it.", "[1] says so.", 'The mark is "[TOOL_CALLS]".', "stock is low"):
        assert not has_mark(text)
        assert parted(text, 2) == (text, [])


def test_cut_calls_and_random_pieces_raise_nothing() -> None:
    draw = random.Random(5)
    every = [*RECORDED.values(), *OTHERS.values()]
    for text in every:
        for end in range(len(text)):
            read_calls(text[:end])
            parted(text[:end], 5)
    pieces = [*MARKS, "{", "}", "[", "]", "stock", '"item": ', "(", ")", "</", "\n", "<parameter=a>", "<arg_key>", "="]
    for _ in range(3000):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 20)))
        read_calls(text)
        parted(text, 4)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", [*MARKS[:20], "<function=a>{", "<|python_tag|>a{", "<parameter=a>", '"<tool_call>'])
def test_long_texts_cost_linear_time(unit: str) -> None:
    """Work that grows with the square of these would take many minutes."""
    read_calls(unit * (100_000 // len(unit)))
    parted(unit * (20_000 // len(unit)), 16)


def test_endless_blanks_are_not_held_and_a_call_behind_them_is_one() -> None:
    reader, longest, said = WrittenCalls(TOOLS), 0, ""
    for _ in range(2000):
        said += reader.push("\n\n\t")
        longest = max(longest, sum(map(len, reader._held)))
    name = TOOLS[0]["function"]["name"]
    said += reader.push(f'<tool_call>{{"name": "{name}", "arguments": {{}}}}</tool_call>')
    rest, calls = reader.close()
    assert longest < 3000 and not said.strip() and not rest.strip() and [call["name"] for call in calls] == [name]
