"""Answers in a schema survive what models put around them, or are errors that show the text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from nacre.connectors.models import load_model
from nacre.errors import NacreError


class Price(BaseModel):
    """A price."""

    n: int
    unit: str = "EUR"


READ = {
    "plain": '{"n": 42}',
    "fence": '```json\n{"n": 42}\n```',
    "fence without name": '```\n{"n": 42}\n```',
    "fence in capitals": '```JSON\n{"n": 42}\n```',
    "fence never closed": '```json\n{"n": 42}',
    "prose before": 'Here it is: {"n": 42}',
    "prose behind": '{"n": 42}\n\nHope this helps!',
    "prose around a fence": 'Sure!\n```json\n{"n": 42}\n```\nAnything else?',
    "thought before": '<think>{"n": 1}</think>{"n": 42}',
    "thought unopened": 'So {"n": 1}?\n</think>\n{"n": 42}',
    "trailing comma": '{"n": 42,}',
    "single quotes": "{'n': 42}",
    "curly quotes": "{“n”: 42}",
    "bare key": "{n: 42}",
    "full width": '{"n"：42}',
    "full width comma": '{"n": 42，"unit": "USD"}',
    "python constants": "{'n': 42, 'unit': 'USD', 'x': None, 'y': True}",
    "comment": '{"n": 42 // euros\n}',
    "block comment": '{/* euros */"n": 42}',
    "cut end": '{"n": 42',
    "number as text": '{"n": "42"}',
    "in a list": '[{"n": 42}]',
    "under its name": '{"Price": {"n": 42}}',
    "under answer": '{"answer": {"n": 42}}',
    "the schema filled in": '{"title": "Price", "properties": {"n": 42}}',
    "more keys": '{"n": 42, "note": "incl. VAT"}',
    "twice": '{"n": 42}\n{"n": 42}',
    "an example first": 'Not {bad} but {"n": 42}',
    "blanks": '\n\n  {"n": 42}  \n',
    "byte order mark": '\ufeff{"n": 42}',
    "double braces": '{{"n": 42}}',
    "escaped": '"{\\"n\\": 42}"',
    "newline in a text": '{"n": 42, "unit": "U\nS"}',
    "whole float": '{"n": 42.0}',
    "chinese around": '答案如下：{"n": 42}。',
    "tag around": '<answer>{"n": 42}</answer>',
    "bold": '**{"n": 42}**',
    "backticks": '`{"n": 42}`',
    "label": 'JSON: {"n": 42}',
    "assignment": 'result = {"n": 42}',
    "semicolon": '{"n": 42};',
}


def asked(server: Any, method: str) -> Any:
    model = load_model("openai_compatible:m", base_url=server.url, api_key="k", max_retries=0)
    return model.with_structured_output(Price, method=method)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("method", ["json_mode", "json_schema", "function_calling"])
def test_an_object_is_read_out_of_what_stands_around_it(
    name: str, method: str, server: Any, wire: SimpleNamespace
) -> None:
    server.answers = lambda request, n: wire.completion(READ[name])
    assert asked(server, method).invoke("How much?").n == 42
    assert len(server.requests) == 1


@pytest.mark.parametrize("said", ["The answer is 42.", "", '{"price": "?"}', "[]", "{", "null"])
def test_what_cannot_be_read_is_asked_for_once_more_and_then_an_error_that_shows_it(
    said: str, server: Any, wire: SimpleNamespace
) -> None:
    server.answers = lambda request, n: wire.completion(said if n == 0 else '{"n": 7}')
    assert asked(server, "json_mode").invoke("How much?").n == 7
    assert "JSON" in str(server.requests[-1]["messages"][-1]["content"])
    server.answers = lambda request, n: wire.completion(said)
    with pytest.raises(NacreError) as caught:
        asked(server, "json_schema").invoke("How much?")
    assert said in str(caught.value)


def test_a_refusal_is_told_and_not_asked_again(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: wire.completion(None, refusal="I cannot say.")
    with pytest.raises(NacreError, match="I cannot say"):
        asked(server, "json_schema").invoke("How much?")
    assert len(server.requests) == 1
