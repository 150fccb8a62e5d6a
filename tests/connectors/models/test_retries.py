"""Who repeats a request that failed: one only, counted by a real server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nacre.connectors.models import load_model
from nacre.errors import ModelUnavailableError
from nacre.layers.fallback import Fallback
from nacre.layers.few_shot import FewShot
from nacre.layers.memory import ConversationMemory
from nacre.layers.retry import Retry
from nacre.stack import build


@pytest.fixture
def busy(server: Any, wire: SimpleNamespace) -> Any:
    server.answers = lambda request, n: wire.Answer(429, {"error": {"message": "busy"}}, {"retry-after": "0"})
    return server


def model_at(server: Any, **settings: Any) -> Any:
    return load_model("openai_compatible:m", base_url=server.url, api_key="k", **settings)


def invoke(model: Any) -> Any:
    return model.invoke("q")


def stream(model: Any) -> Any:
    return list(model.stream("q"))


@pytest.mark.parametrize("ask", [invoke, stream])
@pytest.mark.parametrize("attempts", [1, 3])
def test_attempts_are_requests(busy: Any, ask: Any, attempts: int) -> None:
    with pytest.raises(ModelUnavailableError):
        ask(Retry(inner=model_at(busy), attempts=attempts, wait_s=0))
    assert len(busy.requests) == attempts


@pytest.mark.parametrize("whole", [True, False])
async def test_attempts_are_requests_without_blocking(busy: Any, whole: bool) -> None:
    model = Retry(inner=model_at(busy, max_retries=5), attempts=2, wait_s=0)
    with pytest.raises(ModelUnavailableError):
        if whole:
            await model.ainvoke("q")
        else:
            [chunk async for chunk in model.astream("q")]
    assert len(busy.requests) == 2


def test_layers_between_do_not_hide_the_client(busy: Any) -> None:
    between = ConversationMemory(inner=FewShot(inner=model_at(busy), examples=[("a", "b")]))
    with pytest.raises(ModelUnavailableError):
        Retry(inner=between, attempts=3, wait_s=0).invoke("q", config={"configurable": {"session_id": "s"}})
    assert len(busy.requests) == 3


def test_every_model_of_a_fallback_is_asked_once_an_attempt(busy: Any) -> None:
    models = Fallback(inner=model_at(busy), others=[FewShot(inner=model_at(busy), examples=[("a", "b")])])
    with pytest.raises(ModelUnavailableError):
        Retry(inner=models, attempts=2, wait_s=0).invoke("q")
    assert len(busy.requests) == 4


def test_a_wait_longer_than_the_longest_is_not_waited_for(server: Any, wire: SimpleNamespace) -> None:
    server.answers = lambda request, n: wire.Answer(429, {"error": {"message": "busy"}}, {"retry-after": "40"})
    with pytest.raises(ModelUnavailableError):
        Retry(inner=model_at(server), attempts=3, max_wait_s=1).invoke("q")
    assert len(server.requests) == 1


def test_a_retry_layer_of_a_stack_counts_alone(busy: Any) -> None:
    model = {"spec": "openai_compatible:m", "base_url": busy.url, "api_key": "k"}
    with pytest.raises(ModelUnavailableError):
        build({"model": model, "layers": [{"use": "retry", "attempts": 3, "wait_s": 0}]}).invoke("q")
    assert len(busy.requests) == 3


def test_without_the_layer_the_client_repeats_and_a_decorated_model_is_left_as_it_was(busy: Any) -> None:
    model = model_at(busy, max_retries=1)
    Retry(inner=model)
    with pytest.raises(ModelUnavailableError):
        model.invoke("q")
    assert len(busy.requests) == 2


def test_connections_are_shared_with_the_model_that_was_given(server: Any, wire: SimpleNamespace) -> None:
    model = model_at(server)
    layer = Retry(inner=model)
    assert layer.inner.root_client._client is model.root_client._client  # type: ignore[attr-defined]
