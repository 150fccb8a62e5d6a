"""Private reasoning never becomes a part of an answer: every form of it, whole and however it is cut into pieces."""

from __future__ import annotations

import random

import pytest

from nacre.text.reasoning import (
    THINK_PAIRS,
    ReasoningSplitter,
    reasoning_field,
    split_reasoning,
    without_reasoning_parts,
)

THOUGHT, ANSWER = "Perhaps nine? Sources say [1].", "It opens at ten [1]."
CASES = {f"{opening} {form}": (text, answer, THOUGHT) for opening, closing in THINK_PAIRS for form, text, answer in (
    ("closed", f"{opening}{THOUGHT}{closing}{ANSWER}", ANSWER),
    ("lines", f"\n{opening}\n{THOUGHT}\n{closing}\n\n{ANSWER}", ANSWER),
    ("unclosed", f"{opening}{THOUGHT}", ""),
)}  # fmt: skip
CASES |= {
    "capitals": (f"<THINK>{THOUGHT}</Think>{ANSWER}", ANSWER, THOUGHT),
    "harmony": (
        f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}<|return|>",
        ANSWER, THOUGHT,
    ),
    "harmony without tokens": (f"analysis{THOUGHT}assistantfinal{ANSWER}", ANSWER, THOUGHT),
    "granite": (f"Here is my thought process:\n{THOUGHT}\nHere is my response:\n{ANSWER}", ANSWER, THOUGHT),
    "plain": (ANSWER, ANSWER, ""),
    "in backticks": ("Write `<think>` first.", "Write `<think>` first.", ""),
    "in a fence": ("```\n<think>\n```\nThat is it.", "```\n<think>\n```\nThat is it.", ""),
    "in quotes": ('It ends with "</think>" always.', 'It ends with "</think>" always.', ""),
    "in a sentence": ("Use a <think> tag.", "Use a <think> tag.", ""),
    "an end of turn": (f"{ANSWER}<|end|>", ANSWER, ""),
}  # fmt: skip


def streamed(text: str, sizes: list[int], **options: bool) -> tuple[str, str]:
    splitter, said, thought, at = ReasoningSplitter(**options), "", "", 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        a, b = splitter.push(text[at : at + size])
        said, thought, at = said + a, thought + b, at + size
    a, b = splitter.close()
    return said + a, (thought + b).strip()


@pytest.mark.parametrize("name", CASES)
def test_a_thought_is_split_from_its_answer_whole_and_in_pieces(name: str) -> None:
    text, answer, thought = CASES[name]
    said, hidden = split_reasoning(text)
    assert (said.strip(), hidden) == (answer, thought)
    draw = random.Random(name)
    for sizes in ([1], [2], [7], [draw.randint(1, 9) for _ in range(5)]):
        assert (streamed(text, sizes)[0].strip(), streamed(text, sizes)[1]) == (answer, thought), sizes


@pytest.mark.parametrize("beginning", ["Okay, the user asks", "嗯，用户想知道", "We need to find", "The user wants"])
def test_a_thought_whose_beginning_stood_in_the_prompt_is_not_shown(beginning: str) -> None:
    text = f"{beginning} when.\n</think>\n\n{ANSWER}"
    assert split_reasoning(text) == (ANSWER, f"{beginning} when.")
    assert streamed(text, [1]) == streamed(text, [6]) == (ANSWER, f"{beginning} when.")
    assert streamed(f"When?\n</think>\n{ANSWER}", [4], hold=True) == (ANSWER, "When?")
    assert streamed(f"When?\n</think>\n{ANSWER}", [4], inside=True) == (ANSWER, "When?")


def test_endless_blanks_before_a_thought_are_not_kept() -> None:
    splitter = ReasoningSplitter()
    for _ in range(2000):
        assert splitter.push("\n \n") == ("", "") and len(splitter._held) < 1100
    assert splitter.push("<think>six sevens</think>42") == ("42", "six sevens")


def test_an_answer_that_only_begins_like_a_thought_is_whole() -> None:
    assert streamed("Okay, here you are.", [3]) == ("Okay, here you are.", "")


def test_what_is_no_thought_is_given_out_at_once() -> None:
    splitter = ReasoningSplitter()
    assert splitter.push("Ten")[0] == "Ten" and splitter.push(" o'clock.")[0] == " o'clock."


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"reasoning_content": "a"}, "a"),
        ({"reasoning": "a"}, "a"),
        ({"thinking": "a"}, "a"),
        ({"reasoning": {"content": "a"}}, "a"),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "a"}]}, "a"),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "a"}, {"type": "x", "data": "b"}]}, "a"),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "a"}]}, "a"),
        ({"reasoning_content": None, "reasoning": 7}, ""),
        ({}, ""),
    ],
)
def test_reasoning_is_found_in_the_fields_of_every_server(message: dict[str, object], said: str) -> None:
    assert reasoning_field(message) == said


def test_reasoning_among_the_parts_of_a_content_is_taken_out() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Ten."}]
    assert without_reasoning_parts(parts) == ("Ten.", "hm")
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    assert without_reasoning_parts([image]) == ([image], "")
    assert without_reasoning_parts(None) == (None, "")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["<think>", "</think>", "<", "`", "Okay, ", "<think>a</think>", "[THINK", "analysis"])
def test_long_replies_cost_linear_time(unit: str) -> None:
    """Work that grows with the square of these would take many minutes."""
    text = unit * (200_000 // len(unit))
    split_reasoning(text)
    streamed(text[:40_000], [8])
