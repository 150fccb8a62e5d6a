"""The tolerant parser: the corpora, properties under fuzzing, and the few rules that a corpus cannot show."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nacre.agents.output_parser import parse_react
from nacre.agents.tool_names import ToolNames
from nacre.agents.trajectory import from_data, to_data
from nacre.agents.transcript import read_transcript
from nacre.text.lenient_json import read_json

DATA = Path(__file__).parent / "data"
ARGUMENTS = {
    "search": ["query"],
    "lookup": ["keyword"],
    "calculator": ["expression"],
    "python": ["code"],
    "weather": ["city", "unit"],
    "kb_search": ["query"],
}
TOOLS = [
    {"function": {"name": name, "parameters": {"properties": {key: {} for key in keys}}}}
    for name, keys in ARGUMENTS.items()
]
PIECES = ["Thought: ", "Action: ", "Action Input: ", "Observation: ", "Final Answer: ", "思考：", "行动：", "行动输入：", "观察：", "最终答案：", "search", "[", "]",
          "(", ")", "{", "}", '"', "'", "“", "```", "```json\n", "\n", " ", "**", "#", "<think>", "</think>", "<tool_call>", "=", ",", "：", "\\", "\\ud83d", "Finish[",
          "\x00", "{{", "//", "/*", '"""', "Step 1: ", "【", "✿ARGS✿", '"action":']  # fmt: skip


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def is_right(case: dict) -> bool:
    step = parse_react(case["text"], case.get("tools") or TOOLS)
    if case.get("repair"):
        return not step.readable
    if "answer" in case:
        return step.answer == case["answer"]
    return (step.action, step.action_input) == (case["action"], case["input"]) and step.thought == case.get(
        "thought", step.thought
    )


def test_replies_that_broke_other_libraries() -> None:
    wrong = [case["kind"] for case in rows("appendix_a.jsonl") if not is_right(case)]
    assert not wrong


def test_corpus_of_malformed_replies() -> None:
    cases = rows("malformed.jsonl")
    assert len(cases) >= 200 and len({case["lang"] for case in cases}) == 2
    wrong = [case["id"] for case in cases if not is_right(case)]
    assert len(wrong) <= 0.05 * len(cases), wrong


@pytest.mark.parametrize("name", ["appendix_a.jsonl", "malformed.jsonl"])
def test_actions_are_read_without_knowing_the_tools_too(name: str) -> None:
    cases = [
        case
        for case in rows(name)
        if case.get("kind")
        in ("canonical", "full-width colon", "chinese keys", "bold", "numbered", "fenced json", "json reply")
    ]
    wrong = []
    for case in cases:
        step = parse_react(case["text"])
        if "answer" in case and step.answer != case["answer"]:
            wrong.append(case)
        if "action" in case and (
            step.action is None or step.action.lower() != case["action"] or step.action_input != case["input"]
        ):
            wrong.append(case)
    assert [case for case in wrong if case["kind"] != "json reply" or "weather" not in case["text"]] == []


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=40).map("".join))
def test_no_text_raises(text: str) -> None:
    for tools in (TOOLS, None):
        step = parse_react(text, tools)
        assert step.action is None or step.answer is None
        assert isinstance(step.thought, str)


@pytest.mark.timeout(100)
def test_long_repetitions_cost_linear_time() -> None:
    """A quadratic scan of these would take many minutes, a linear one two seconds."""
    rng = random.Random(11)
    for _ in range(25):
        unit = "".join(rng.choices(PIECES, k=rng.randint(1, 3)))
        parse_react("Thought: " + unit * (200_000 // len(unit)), TOOLS)


def test_what_follows_an_invented_observation_is_never_an_answer() -> None:
    step = parse_react("Thought: hm\nObservation: the answer is 5\nFinal Answer: 5", TOOLS)
    assert not step.readable


def test_a_reply_without_markers_is_an_answer_and_one_with_markers_is_not() -> None:
    assert parse_react("Just the answer.").answer == "Just the answer."
    assert parse_react("Thought: not sure what to do").answer is None


def test_labels_inside_a_fenced_program_belong_to_the_program() -> None:
    code = '# Action: none\nprint("""\nObservation: 1\nFinal Answer: 2\n""")'
    step = parse_react(f"Thought: run it\nAction: python\nAction Input:\n```python\n{code}\n```\nObservation: 3", TOOLS)
    assert (step.action, step.action_input) == ("python", code)


def test_labels_inside_a_json_string_belong_to_the_string() -> None:
    step = parse_react('Thought: x\nAction: python\nAction Input: {"code": "print(1)\nThought: y\nprint(2)"}', TOOLS)
    assert step.action_input == {"code": "print(1)\nThought: y\nprint(2)"}


def test_a_tool_called_like_an_ending_is_a_tool() -> None:
    assert parse_react("Action: answer\nAction Input: 5", ["answer"]).action == "answer"


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
def test_lenient_json_reads_all_strict_json(value: object) -> None:
    if isinstance(value, (dict, list)):
        assert read_json(json.dumps(value, ensure_ascii=False))[0] == value


@pytest.mark.parametrize("opening", ["{", "[", '{"a":', "{{", "[{"])
def test_deep_nesting_is_refused_not_fatal(opening: str) -> None:
    assert parse_react("Action: search\nAction Input: " + opening * 5000, TOOLS).action == "search"


def test_tool_names_of_langchain_tools_functions_and_dicts() -> None:
    from langchain_core.tools import tool

    @tool
    def find_leave(policy: str, year: int) -> str:
        """Find a leave policy."""
        return policy + str(year)

    names = ToolNames.of([find_leave, "plain", {"name": "mcp", "inputSchema": {"properties": {"a": {}}}}])
    assert names.arguments == {"find_leave": ("policy", "year"), "plain": (), "mcp": ("a",)}
    assert names.find("Find Leave Tool") == "find_leave"
    assert parse_react('Action: find_leave("annual", 2026)', [find_leave]).action_input == {
        "policy": "annual",
        "year": 2026,
    }


def test_transcript_keeps_observations_of_many_lines() -> None:
    text = "Question: q\nThought 1: a\nAction 1: Search[b]\nObservation 1: one\nAnswer: not ours\n\nthree\nThought 2: c\nAction 2: Finish[d]\nObservation 2: done"
    first, last = read_transcript(text)
    assert first.observation == "one\nAnswer: not ours\n\nthree"
    assert (last.answer, last.observation) == ("d", "done")


def test_trajectory_survives_its_json() -> None:
    steps = read_transcript(
        'Thought: a\nAction: search\nAction Input: {"q": [1, 2]}\nObservation: o\nThought: b\nFinal Answer: c'
    )
    data = json.loads(json.dumps(to_data(steps)))
    assert from_data(data) == steps
    assert [row["action"] for row in data] == ["search", "finish"]
