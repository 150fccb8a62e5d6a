"""Markers that point nowhere are taken out, the same in a stream as in a whole text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk

from nacre.text.markers import DeadMarkers, LiveMarkers


def clean(text: str, valid: tuple[int, ...] = (1, 2)) -> str:
    markers = DeadMarkers(valid)
    return markers.push(text) + markers.close()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Paris [1]. Rome [7].", "Paris [1]. Rome."),
        ("两地[1, 9]都可以。", "两地[1]都可以。"),
        ("好【2】，坏【3】。", "好【2】，坏。"),
        ("全角［1］", "全角［1］"),
        ("In [2024] the interval [0, 1] held.", "In [2024] the interval [0, 1] held."),
        ("`a[9]` and ```\nb[9]\n``` but not [9]", "`a[9]` and ```\nb[9]\n``` but not"),
        ("an open bracket [8", "an open bracket [8"),
        ("", ""),
    ],
)
def test_dead_markers_are_removed_and_the_rest_is_left(text: str, kept: str) -> None:
    assert clean(text) == kept


@given(st.text(alphabet="ab` [1]2 9,【】\n", max_size=40), st.lists(st.integers(1, 8), max_size=20))
def test_however_a_text_is_cut_the_result_is_the_same(text: str, cuts: list[int]) -> None:
    markers, out, at = DeadMarkers((1, 2)), "", 0
    for cut in cuts:
        out += markers.push(text[at : at + cut])
        at += cut
    assert out + markers.push(text[at:]) + markers.close() == clean(text)


def test_chunks_with_block_content_are_filtered_too() -> None:
    live = LiveMarkers([1])
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    out = [
        *live.push(AIMessageChunk(content=[{"type": "text", "text": "x [1] y [2"}, image])),
        *live.push(AIMessageChunk(content="] z")),
        *live.close(),
    ]
    assert out[0].content == [{"type": "text", "text": "x [1] y"}, image]
    assert "".join(str(c.content) for c in out[1:]) == " z"
