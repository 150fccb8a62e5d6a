"""Schemathesis over the server's own OpenAPI schema: whatever the schema allows, and whatever it forbids, is never a
5xx.

`make fuzz` tries more examples: `NACRE_FUZZ` is how many of each operation, of each sort.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = int(os.environ.get("NACRE_FUZZ", "4"))
STEADY = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


def send(url: str, key: str, headers: dict[str, str], check: Callable[[Any, Any], None]) -> int:
    """Send examples of every operation in the schema, right ones and wrong ones, and check each answer.

    Args:
        url: of the server.
        key: with which the schema may be read.
        headers: of the requests.
        check: is given each case and its answer.

    Returns:
        How many were sent.
    """
    counted = 0
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers={"authorization": f"Bearer {key}"})
    for operation in (result.ok() for result in schema.get_all_operations()):
        for mode in schemathesis.GenerationMode:

            @STEADY
            @given(case=operation.as_strategy(generation_mode=mode))
            def one(case: Any) -> None:
                nonlocal counted
                counted += 1
                check(case, case.call(base_url=url, headers=headers, timeout=30))

            with contextlib.suppress(Unsatisfiable):  # an operation without parameters cannot be asked wrongly
                one()
    return counted


@pytest.mark.slow
@pytest.mark.parametrize("guarded", [False, True])
def test_no_request_within_the_schema_or_outside_it_is_answered_with_a_5xx(serve, guarded):
    server = serve(trace=True)
    key = server.state.keys.add("fuzzer", ("hr",)) if guarded else "none"

    def no_5xx(case: Any, answer: Any) -> None:
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"], case.as_curl_command()

    assert send(server.url, key, {"authorization": f"Bearer {key}"}, no_5xx) > 40 * EXAMPLES
    assert httpx.get(f"{server.url}/readyz").status_code == 200


@pytest.mark.slow
def test_without_a_key_every_request_is_refused_whatever_it_holds(serve):
    server = serve()
    key = server.state.keys.add("owner")

    def refused(case: Any, answer: Any) -> None:
        assert answer.status_code == 401 or case.path in ("/healthz", "/readyz"), (case.as_curl_command(), answer.text)

    assert send(server.url, key, {}, refused) > 40 * EXAMPLES
    assert server.state.records.select("audit") == []
