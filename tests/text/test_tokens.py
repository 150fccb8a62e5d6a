"""The one estimate of tokens: near what real tokenisers count, never far below, and the same for everybody."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from nacre.agents.budget import Budget
from nacre.connectors.models import load_model
from nacre.connectors.models.deltas import estimate_usage
from nacre.store.encoder import PlainTokeniser
from nacre.text.tokens import beginning, estimate, estimate_messages, offsets

# As o200k, cl100k (OpenAI), Qwen 3, Qwen 3.6 and DeepSeek 4 count them (`bench/tokens.py` asks whole documents).
COUNTED = {
    "The committee approved the annual budget for the new library in March 2024, after a long debate.": [21, 21, 23, 23, 21],
    "国家统计局今天发布的数据显示，今年前三个季度国内生产总值同比增长百分之五点二。": [23, 37, 18, 16, 18],
    'def total(rows: list[dict[str, float]]) -> float:\n    return sum(row["price"] * row["count"] for row in rows)\n': [31, 31, 31, 33, 32],
    "请把 nacre.yaml 里的 max_tokens 改成 4096，然后运行 `nacre serve --port 8080`。": [28, 33, 33, 31, 29],
    "（１２３４）ＡＢＣＤ": [9, 14, 10, 10, 9],
    "𠀀𠀁𠀂𠀃": [12, 12, 12, 12, 16],
    '{"id": 17, "ok": true, "tags": ["a", "b"], "price": 12.5}': [28, 28, 30, 30, 28],
    "Q1\t1024.50\t-3.75\nQ2\t2048.00\t12.25\n": [25, 25, 34, 34, 25],
}  # fmt: skip


@pytest.mark.parametrize("text", COUNTED)
def test_it_is_near_what_real_tokenisers_count(text: str) -> None:
    real = sorted(COUNTED[text])
    assert 0.7 * real[-1] <= estimate(text) <= 2.2 * real[2]


@pytest.mark.parametrize("text", COUNTED)
def test_whoever_asks_is_told_the_same(text: str) -> None:
    assert load_model("openai:gpt-4o", api_key="k").get_num_tokens(text) == estimate(text)
    assert PlainTokeniser().count_tokens(text) == estimate(text)
    usage = estimate_usage([HumanMessage(text)], text)
    assert (usage["input_tokens"], usage["output_tokens"]) == (estimate_messages([HumanMessage(text)]), estimate(text))
    budget = Budget(1)
    budget.book_reply([HumanMessage(text)], AIMessage(text))
    assert (budget.input_tokens, budget.output_tokens) == (usage["input_tokens"], usage["output_tokens"])


@given(st.text(max_size=300))
def test_every_text_has_an_estimate_of_its_size(text: str) -> None:
    assert len(offsets(text)) <= estimate(text) <= 4 * len(text)
    assert all(text[start:end].strip() for start, end in offsets(text))
    spans = offsets(text)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    assert not "".join(
        text[a:b] for a, b in zip([0, *(e for _, e in spans)], [*(s for s, _ in spans), None], strict=True)
    ).strip()


@given(st.text(max_size=200), st.integers(0, 60))
def test_a_beginning_keeps_to_its_tokens_and_is_as_long_as_they_allow(text: str, tokens: int) -> None:
    cut = beginning(text, tokens)
    assert text.startswith(cut) and (cut == text or estimate(cut) <= tokens)
    assert cut == text or estimate(text) > tokens


def test_the_arguments_of_a_tool_call_count() -> None:
    call = {"name": "search", "args": {"query": "the annual budget"}, "id": "1", "type": "tool_call"}
    assert estimate_messages([AIMessage("", tool_calls=[call])]) > estimate_messages([AIMessage("")]) + 5
    assert estimate("") == 0
