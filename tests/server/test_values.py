"""What a program gives, however odd, is answered with 200 and with JSON that a browser reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

PROGRAMS = {
    "infinite": "-float('inf')",
    "not a number": "{'a': [float('nan')]}",
    "a signalling decimal": "from decimal import Decimal\n[Decimal('sNaN'), Decimal('-Infinity'), Decimal('1E+9998')]",
    "a large fraction": "from fractions import Fraction\nFraction(3**8000, 2**9000)",
    "a large number": "7**4600",
    "printed digits": "print('8' * 4400)",
    "printed infinity": "print('1' * 399 + '.5')",
    "nested sets": "class H(set):\n    __hash__ = lambda self: 2\nv = H()\nfor _ in range(33):\n    v = H([v, 1])\nv",
    "many of one hash": "class I(int):\n    __hash__ = lambda s: id(s)\nset([I(k * (2**61 - 1)) for k in range(8000)])",
    "cells that are not there": "tables[0][0]._log.update({('tables', -7, 0, 'Day'), ('tables', 0, -9, 'Day')})\n5",
    "a long list": "[[k] * 3 for k in range(30000)]",
}
TABLE = "\n\n| Day | Guests |\n|---|---|\n| Monday | 5 |\n"


def strict(text: str) -> Any:
    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def program(messages: list[Any], n: int) -> str:
    """A model that writes the program that the question names."""
    text = messages[-1].text
    return next((f"```python\n{code}\n```" for name, code in PROGRAMS.items() if f"«{name}»" in text), "I cannot.")


@pytest.fixture
def url(serve: Callable[..., Any]) -> str:
    return str(serve(program, trace=True).url)


def test_odd_values_are_answers(url: str) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        for name in PROGRAMS:
            body = {"model": "nacre-pal", "messages": [{"role": "user", "content": f"Compute «{name}».{TABLE}"}]}
            whole = client.post("/v1/chat/completions", json=body)
            assert whole.status_code == 200, (name, whole.text[:300])
            assert strict(whole.text)["choices"][0]["message"]["content"], name
            streamed = client.post("/v1/chat/completions", json={**body, "stream": True})
            events = [line[6:] for line in streamed.text.split("\n") if line.startswith("data: {")]
            assert events and all("error" not in strict(event) for event in events), name
        traces = strict(client.get("/v1/traces").text)["data"]
        assert len(traces) >= min(20, 2 * len(PROGRAMS))
        assert all(strict(client.get(f"/v1/traces/{trace['id']}").text) for trace in traces[:3])
