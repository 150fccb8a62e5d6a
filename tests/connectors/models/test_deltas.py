"""Pieces of tool calls find their call, in whatever order and form they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages.tool import tool_call_chunk

from nacre.connectors.models.deltas import ToolCallJoiner, readable


@given(st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=4), min_size=1, max_size=4), st.randoms())
def test_deltas_of_interleaved_calls_join_by_index(calls: list[list[str]], random: object) -> None:
    queue = {n: list(parts) for n, parts in enumerate(calls)}
    joiner, joined, begun = ToolCallJoiner(), dict.fromkeys(queue, ""), []
    while queue:
        # New calls begin in order; pieces of begun ones come as they like.
        fresh = [n for n in queue if n not in begun][:1]
        n = random.choice([*(m for m in begun if m in queue), *fresh])  # type: ignore[attr-defined]
        first = n not in begun
        begun += [n] if first else []
        (piece,) = joiner.join(
            [
                tool_call_chunk(
                    name=f"f{n}" if first else None, args=queue[n].pop(0), id=f"id{n}" if first else None, index=n
                )
            ]
        )
        joined[begun.index(n)] = joined[piece["index"] if piece["index"] is not None else -1] + (piece["args"] or "")  # type: ignore[index]
        assert piece["index"] == begun.index(n)
        if not queue[n]:
            del queue[n]
    assert [joined[slot] for slot in range(len(calls))] == ["".join(calls[n]) for n in begun]


def test_deltas_name_in_two_pieces_is_joined() -> None:
    joiner = ToolCallJoiner()
    pieces = joiner.join(
        [
            tool_call_chunk(name="get_", args="", id="1", index=0),
            tool_call_chunk(name="weather", args="{}", id=None, index=0),
        ]
    )
    assert "".join(piece["name"] or "" for piece in pieces) == "get_weather"


def test_deltas_readable_takes_anything() -> None:
    assert readable({})["choices"] == []
    assert readable({"choices": None})["choices"] == []
    assert readable({"choices": [None]})["choices"] == []
    assert readable({"choices": [{"delta": None}]})["choices"] == [{"delta": {}}]
    odd = readable({"choices": [{"delta": {"tool_calls": {"function": {"name": "f", "arguments": {"a": "值"}}}}}]})
    assert odd["choices"][0]["delta"]["tool_calls"] == [
        {"function": {"name": "f", "arguments": '{"a": "值"}'}, "index": None}
    ]
