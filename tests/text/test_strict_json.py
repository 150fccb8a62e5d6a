"""Every writer of JSON writes what every reader takes: no NaN, no Infinity."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from nacre.agents.observation import as_text
from nacre.cli.output import print_json
from nacre.eval.report import Report
from nacre.memory.store import SQLiteConversations
from nacre.server.openai.output import StrictJSON, event
from nacre.telemetry.spans import as_json
from nacre.text.strict_json import digits_of, finite, to_json

ODD = {"a": math.nan, "b": [math.inf, (-math.inf, 1.5)], "c": {"d": 10**5000}, "e": "NaN"}
TEXT = {"a": "nan", "b": ["inf", ["-inf", 1.5]], "c": {"d": "1" + "0" * 5000}, "e": "NaN"}


def strict(text: str | bytes) -> Any:
    """The data, if it is JSON by the letter."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.floats() | st.integers(), inner),
)


@given(data)
def test_any_data_is_strict_json(value: Any) -> None:
    assert strict(to_json(value)) == strict(to_json(finite(value)))


@given(st.integers())
def test_digits_are_those_of_the_number(number: int) -> None:
    assert digits_of(number) == str(number) and digits_of(number << 1100) == str(number << 1100)


def test_what_json_has_stays_as_it_is() -> None:
    value = {"a": [1, 2.5, None, True, "x"], "b": {"c": 10**300}}
    assert to_json(value, sort_keys=True) == json.dumps(value, sort_keys=True) and finite(value) == value


@dataclass
class Thing:
    number: float


def test_what_default_makes_is_strict_too_and_what_holds_itself_is_refused() -> None:
    assert strict(to_json([Thing(math.nan), math.inf], default=vars)) == [{"number": "nan"}, "inf"]
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError):
        to_json(loop)
    with pytest.raises(TypeError):
        to_json(object())


def test_events_responses_traces_and_observations() -> None:
    assert strict(event(ODD).removeprefix(b"data: ")) == TEXT
    assert strict(bytes(StrictJSON(ODD).body)) == TEXT
    assert strict(as_json(ODD)) == TEXT
    assert strict(as_text({"a": math.nan}, 1000)) == {"a": "nan"}


def test_the_command_line_and_reports(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    print_json({**ODD, "thing": Thing(math.inf)})
    assert strict(capsys.readouterr().out) == {**TEXT, "thing": {"number": "inf"}}
    Report("odd", ("found",), [{"id": "1", "found": 1, "score": math.nan}], {"seconds": math.inf}).write(tmp_path)
    report = strict((tmp_path / "report.json").read_text("utf-8"))
    assert report["items"][0]["score"] == "nan" and report["seconds"] == "inf"


def test_what_is_remembered(tmp_path: Path) -> None:
    history = SQLiteConversations(tmp_path / "talks.sqlite")("one")
    history.add_messages([HumanMessage("?"), AIMessage("!", response_metadata={"nacre": {"value": math.nan}})])
    assert history.messages[1].response_metadata["nacre"]["value"] == "nan"
    assert sys.get_int_max_str_digits() > 0
