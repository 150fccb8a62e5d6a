"""A stop string cuts at the same place however the text comes in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nacre.connectors.models.stops import StopCutter, cut_at

texts = st.text(alphabet="abO观察：:", max_size=30)


@given(st.lists(texts, max_size=8), st.lists(st.text(alphabet="abO观察：:", max_size=4), max_size=4))
def test_stops_in_a_stream_cut_as_in_the_whole(pieces: list[str], stop: list[str]) -> None:
    cutter = StopCutter(stop)
    out = [cutter.push(piece) for piece in pieces]
    streamed = "".join(out) + ("" if cutter.stopped else cutter.flush())
    expected, cut = cut_at("".join(pieces), stop)
    assert (streamed, cutter.stopped) == (expected, cut)


@given(texts, texts.filter(bool))
def test_stops_hold_back_no_more_than_could_become_one(text: str, stop: str) -> None:
    cutter = StopCutter([stop])
    out = cutter.push(text)
    held = text[len(out) :]
    assert cutter.stopped or (stop.startswith(held) and len(held) < len(stop))


def test_stops_without_any_let_everything_through() -> None:
    assert StopCutter(None).push("all of it") == "all of it"
    assert cut_at("all of it", ["", "z"]) == ("all of it", False)
