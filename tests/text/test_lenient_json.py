"""The object that a model's reply ends with, however the model writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacre.text.lenient_json import last_object


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            'First {"score": 1}. No: {"score": 4, "reason": "because {of} it"}',
            {"score": 4, "reason": "because {of} it"},
        ),
        ("Verdict: {'score': 5, 'reason': 'it\\'s so'}", {"score": 5, "reason": "it's so"}),
        ('{"score": 4,}', {"score": 4}),
        ("{score: 2}", {"score": 2}),
        ("｛“score”：3，“reason”：“有据”｝", {"score": 3, "reason": "有据"}),
        ('```json\n{"score": 3, // fair\n}\n```', {"score": 3}),
        ('{"score": 3, "reason": "broken off', {"score": 3, "reason": "broken off"}),
        ('{"score": 2, "detail": {"a": [1, {"b": 2}]}}', {"score": 2, "detail": {"a": [1, {"b": 2}]}}),
        ("{'score': 2, 'detail': {'a': [1, {'b': 2}]}}", {"score": 2, "detail": {"a": [1, {"b": 2}]}}),
        ("The form was {\"score\": 1}, so: {'score': 5}", {"score": 5}),
        ('{I think that it is {"score": 3}}', {"score": 3}),
        ("{I think that it is {'score': 3}}", {"score": 3}),
        ("no object {here} at {all", {}),
        ("", {}),
        ("{}", {}),
    ],
)
def test_the_last_object_is_read(reply: str, told: dict[str, Any]) -> None:
    assert last_object(reply) == told


@given(
    before=st.text(alphabet="ab {:\"'}", max_size=40),
    told=st.dictionaries(
        st.text(alphabet="abc_", min_size=1, max_size=8), st.integers() | st.text(max_size=20), min_size=1
    ),
)
def test_what_the_standard_knows_is_read_behind_any_text(before: str, told: dict[str, Any]) -> None:
    assert last_object(before + "\n" + json.dumps(told)) == told or '"' in before


@pytest.mark.parametrize("piece", ["{", "{a", "{'a", '{"a":', "{a:", "[{", "{a: [", "｛「"])
def test_no_reply_costs_more_than_a_fixed_number_of_readings(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from nacre.text import lenient_json

    read, times = lenient_json.read_json, []

    def counted(text: str, start: int = 0) -> Any:
        times.append(len(text))
        return read(text, start)

    monkeypatch.setattr(lenient_json, "read_json", counted)
    last_object(piece * 200_000)
    assert len(times) <= 64 and max(times) <= 20_000
