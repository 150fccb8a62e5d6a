"""Retry and fallback."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from pydantic import BaseModel

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.decorator import ChatModelDecorator
from nacre.errors import MissingKeyError, ModelUnavailableError
from nacre.layers.fallback import Fallback
from nacre.layers.retry import Retry, is_transient, retry_after
from nacre.text.messages import merge_chunks

DOWN = ConnectionError("down")


class HTTPError(Exception):
    def __init__(self, status, headers=None, code=None):
        super().__init__(f"HTTP {status}")
        self.status_code, self.code = status, code
        self.response = SimpleNamespace(headers=headers or {})


async def ask(layer, how, question="?", **kwargs):
    match how:
        case "invoke":
            return layer.invoke(question, **kwargs)
        case "ainvoke":
            return await layer.ainvoke(question, **kwargs)
        case "stream":
            return merge_chunks(list(layer.stream(question, **kwargs)))
        case _:
            return merge_chunks([c async for c in layer.astream(question, **kwargs)])


HOW = pytest.mark.parametrize("how", ["invoke", "ainvoke", "stream", "astream"])


def waits_of(layer, errors):
    """The waits that a layer asks for when its calls fail with these errors one after the other."""
    flow = layer.flow([HumanMessage("?")])
    next(flow)
    waits = []
    for error in errors:
        call = flow.throw(error)
        assert isinstance(call.target, RunnableLambda)
        waits.append(call.input)
        flow.send(None)
    return waits


# --- retry ------------------------------------------------------------------------------------------------------------


@HOW
async def test_a_passing_failure_costs_nothing_but_time(how):
    inner = ScriptedChatModel([DOWN, HTTPError(503), "fine"])
    assert (await ask(Retry(inner=inner, wait_s=0), how)).text == "fine"
    assert len(inner.calls) == 3


@HOW
async def test_the_last_error_is_raised(how):
    inner = ScriptedChatModel([HTTPError(429), HTTPError(500), DOWN, "too late"])
    with pytest.raises(ConnectionError, match="down"):
        await ask(Retry(inner=inner, attempts=3, wait_s=0), how)
    assert len(inner.calls) == 3


@HOW
async def test_what_a_repeat_cannot_mend_is_raised_at_once(how):
    inner = ScriptedChatModel([HTTPError(401), "fine"])
    with pytest.raises(HTTPError):
        await ask(Retry(inner=inner, wait_s=0), how)
    assert len(inner.calls) == 1


@pytest.mark.parametrize("how", ["stream", "astream"])
async def test_nothing_is_retried_once_it_is_shown(how):
    inner = ScriptedChatModel([("half ", DOWN), "whole"])
    with pytest.raises(ConnectionError):
        await ask(Retry(inner=inner, wait_s=0), how)
    assert len(inner.calls) == 1


def test_waits_grow_and_are_bounded():
    layer = Retry(inner=ScriptedChatModel([]), attempts=9, wait_s=2, max_wait_s=10)
    waits = waits_of(layer, [DOWN] * 6)
    for wait, whole in zip(waits, [2, 4, 8, 10, 10, 10], strict=True):
        assert whole / 2 <= wait <= whole
    assert waits_of(layer, [DOWN] * 6) != waits, "clients that failed together do not come back together"


def test_a_server_is_waited_for_as_long_as_it_asks():
    layer = Retry(inner=ScriptedChatModel([]), wait_s=0, max_wait_s=60)
    assert waits_of(layer, [HTTPError(429, {"retry-after": "7"})]) == [7.0]
    assert waits_of(layer, [ModelUnavailableError("busy", retry_after_s=3.5)]) == [3.5]
    flow = layer.flow([HumanMessage("?")])
    next(flow)
    with pytest.raises(HTTPError):  # an hour is not waited
        flow.throw(HTTPError(429, {"Retry-After": "3600"}))


def test_retry_after_may_be_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < retry_after(HTTPError(429, {"retry-after": later})) <= 100
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=100), usegmt=True)
    assert retry_after(HTTPError(429, {"retry-after": past})) == 0
    assert retry_after(HTTPError(429, {"retry-after": "soon"})) is None
    assert retry_after(ValueError()) is None


async def test_waiting_does_not_block_the_event_loop():
    failed = asyncio.Event()

    def fails(messages, n):
        failed.set()
        return DOWN

    layer = Retry(inner=ScriptedChatModel(fails), wait_s=600, max_wait_s=600)
    task = asyncio.create_task(layer.ainvoke("?"))
    await failed.wait()
    for _ in range(50):
        await asyncio.sleep(0)  # the loop runs on while the layer waits its ten minutes
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_which_errors_count_may_be_chosen():
    inner = ScriptedChatModel([KeyError("odd"), "fine"])
    assert Retry(inner=inner, wait_s=0, on=lambda e: isinstance(e, KeyError)).invoke("?").text == "fine"


class APITimeoutError(Exception):
    pass


class SomeTimeout(APITimeoutError):
    pass


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (HTTPError(429), True),
        (HTTPError(503), True),
        (HTTPError(529), True),
        (HTTPError(429, code="insufficient_quota"), False),
        (HTTPError(400), False),
        (HTTPError(404), False),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (ModelUnavailableError("x"), True),
        (MissingKeyError("x"), False),
        (SomeTimeout(), True),
        (ValueError(), False),
        (FileNotFoundError(), False),
    ],
)
def test_which_errors_pass(error, transient):
    assert is_transient(error) is transient


# --- fallback ---------------------------------------------------------------------------------------------------------


@HOW
async def test_the_next_model_answers(how):
    first, second, third = (
        ScriptedChatModel([DOWN]),
        ScriptedChatModel([ValueError("no")]),
        ScriptedChatModel(["third"]),
    )
    layer = Fallback(inner=first, others=[second, third])
    assert (await ask(layer, how)).text == "third"
    assert [len(m.calls) for m in (first, second, third)] == [1, 1, 1]


@HOW
async def test_when_all_fail_the_last_error_tells_of_the_others(how):
    with pytest.raises(ValueError, match="second") as caught:
        await ask(Fallback(inner=ScriptedChatModel([DOWN]), others=[ScriptedChatModel([ValueError("second")])]), how)
    assert "ConnectionError: down" in caught.value.__notes__[0]


async def test_a_half_shown_answer_is_not_mixed_with_another_models():
    other = ScriptedChatModel(["second"])
    with pytest.raises(ConnectionError):
        await ask(Fallback(inner=ScriptedChatModel([("first ", DOWN)]), others=[other]), "stream")
    assert other.calls == []


def test_for_which_errors_may_be_chosen():
    layer = Fallback(inner=ScriptedChatModel([ValueError("mine")]), others=[ScriptedChatModel(["x"])], on=is_transient)
    with pytest.raises(ValueError, match="mine"):
        layer.invoke("?")


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return city


class Joke(BaseModel):
    """A joke."""

    setup: str


class OtherFormat(ScriptedChatModel):
    """A provider with another form of tools."""

    def bind_tools(self, tools, *, tool_choice=None, **kwargs):
        return self.bind(functions=[t.name if hasattr(t, "name") else t.__name__ for t in tools], choice=tool_choice)


CALL = AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "杭州"}, "id": "1"}])
JOKE = AIMessage("", tool_calls=[{"name": "Joke", "args": {"setup": "x"}, "id": "1"}])


@HOW
async def test_tools_are_bound_to_each_model_in_its_own_form(how):
    first, second = ScriptedChatModel([DOWN]), OtherFormat([CALL])
    stack = ChatModelDecorator(inner=Retry(inner=Fallback(inner=first, others=[second]), attempts=1))
    bound = stack.bind_tools([weather], tool_choice="any")
    reply = await ask(bound, how)
    assert reply.tool_calls[0]["args"] == {"city": "杭州"}
    assert first.call_kwargs[0]["tools"][0]["function"]["name"] == "weather"
    assert first.call_kwargs[0]["tool_choice"] == "any"
    assert second.call_kwargs[0]["functions"] == ["weather"]
    assert second.call_kwargs[0]["choice"] == "any"


def test_structured_output_by_whichever_model_answers():
    stack = ChatModelDecorator(inner=Fallback(inner=ScriptedChatModel([DOWN]), others=[OtherFormat([JOKE])]))
    assert stack.with_structured_output(Joke).invoke("?") == Joke(setup="x")


def test_a_model_without_tools_is_told_when_they_are_bound():
    class Plain(ScriptedChatModel):
        bind_tools = BaseChatModel.bind_tools

    with pytest.raises(NotImplementedError):
        Fallback(inner=ScriptedChatModel([]), others=[Plain([])]).bind_tools([weather])
