"""The reader of lines: the same labels whole and in pieces, and words of both languages that are data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.agents.answer_stream import AnswerReader, certain_answer
from nacre.agents.output_parser import parse_react
from nacre.agents.scanner import Label, Scanner, Text, line_labels
from nacre.agents.vocabulary import WORDS, Kind

PIECES = ["Thought: ", "Thought", "Action", " Input", ": ", "：", "Observation 2", "Final Answer", "最终答案", "行动", "输入", "是", "Step 1", "第三步", "(2) ", "1. ", "**", "### ",
          "> ", "【", "】", "`", "```", "~~~py", "\n", " ", "<think>", "</think>", "<", "Question", "用户", "->", "search[x]", "Plan - b", "Actions speak", "人", "Ob"]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=16).map("".join)


def events(pieces: list[str]) -> list[Label | Text]:
    scanner = Scanner()
    found = [event for piece in pieces for event in scanner.push(piece)]
    return [*found, *scanner.push("", final=True)]


@given(TEXTS, st.lists(st.integers(1, 100), max_size=6))
@settings(max_examples=500, deadline=None)
def test_a_text_has_the_same_labels_however_it_is_cut(text: str, cuts: list[int]) -> None:
    whole = list(Scanner().push(text, final=True))
    labels = [event for event in whole if isinstance(event, Label)]
    assert "".join(event.text for event in whole) == text
    assert all(text.startswith(label.text, label.start) for label in labels)
    for places in (sorted({cut for cut in cuts if cut < len(text)}), range(1, len(text))):
        ends = [*places, len(text)]
        found = events([text[a:b] for a, b in zip([0, *places], ends, strict=True)])
        assert "".join(event.text for event in found) == text
        assert [event for event in found if isinstance(event, Label) and event.kind is not Kind.ACTION] == [
            label for label in labels if label.kind is not Kind.ACTION
        ]


@pytest.mark.parametrize("kind", list(WORDS["labels"]))
def test_every_synonym_of_the_word_lists_is_a_label(kind: str) -> None:
    for word in WORDS["labels"][kind]:
        for spelled in (word.replace("_", " "), word.replace("_", "_").title(), word.replace("_", "")):
            (label,) = line_labels(f"**{spelled}**: x")
            assert (label.kind, label.strong) == (Kind(kind), True), spelled


@pytest.mark.parametrize("word", [word.replace("_", " ") for word in WORDS["labels"]["answer"]])
def test_every_synonym_of_the_answer_is_shown_while_it_comes(word: str) -> None:
    reader = AnswerReader()
    shown = [reader.push(piece) for piece in (f"{word.capitalize()}: ", "8611", " m", " above")]
    assert "".join(shown) == "8611 m above"


def test_a_label_in_a_fence_counts_only_where_the_fence_is_never_closed() -> None:
    inside = "Action Input:\n```\nFinal Answer: 1\n"
    assert [label.kind for label in line_labels(inside + "```\nThought: x")] == [Kind.INPUT, Kind.THOUGHT]
    assert [label.kind for label in line_labels(inside)] == [Kind.INPUT, Kind.ANSWER]


@pytest.mark.parametrize("text", ["Final\x00 Answer: blue", "Final\xa0Answer: blue"])
def test_characters_that_are_cleaned_away_do_not_part_a_stream_from_the_whole(text: str) -> None:
    reader = AnswerReader()
    shown = "".join([reader.push(text), reader.close()])
    read = certain_answer(text)
    assert shown == "blue" and read and read.answer == "blue"


VARIANTS = {
    "mistral 3": '[TOOL_CALLS]find[ARGS]{"place": "Graz"}',
    "deepseek 3": '<｜tool▁call▁begin｜>function<｜tool▁sep｜>find\n```json\n{"place": "Graz"}\n```<｜tool▁call▁end｜>',
    "deepseek 3.1": '<｜tool▁call▁begin｜>find<｜tool▁sep｜>{"place": "Graz"}<｜tool▁call▁end｜>',
    "deepseek 3.2": '<｜DSML｜invoke name="find">\n<｜DSML｜parameter name="place" string="true">Graz</｜DSML｜parameter>',
    "glm": "<tool_call>find\n<arg_key>place</arg_key>\n<arg_value>Graz</arg_value>\n</tool_call>",
    "pythonic": '[find(place="Graz")]',
}


def test_a_call_of_every_dialect_is_read_behind_a_sentence() -> None:
    recorded = {
        name: call.replace("stock", "find").replace("item", "place").replace("bolt", "Graz")
        for name, call in json.loads((Path(__file__).parent / "data" / "dialects.json").read_text("utf-8")).items()
    }
    tools = [{"function": {"name": "find", "parameters": {"properties": {"place": {}}}}}]
    for dialect, call in (recorded | VARIANTS).items():
        step = parse_react(f"I look.\n{call}", tools)
        assert (step.action, step.action_input) == ("find", {"place": "Graz"}), dialect


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["a", " ", "Final Answer: ", "`", "<", "\nThought: x", "1. ", "第"])
def test_a_long_reply_in_small_pieces_costs_linear_time(unit: str) -> None:
    """Work that grows with the square of these would take many minutes."""
    reader = AnswerReader()
    size = len(reader.push("Final Answer: it is"))
    for _ in range(60_000 // len(unit)):
        size += len(reader.push(unit))
    assert size + len(reader.close()) == len(reader.answer or "")
