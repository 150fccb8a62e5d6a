"""Whether a layer is still a chat model: LangChain's own standard tests, run on it and on what it decorates.

The rule is that a layer passes exactly what its inner model passes. `outcomes` runs every test of the package
`langchain-tests` and says how each ended, so the rule is one comparison::

    assert outcomes(lambda inner: MyLayer(inner=inner)) == outcomes(lambda inner: inner)
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.extras import need
from nacre.text.messages import last_user_text, parse_sources

Make = Callable[[BaseChatModel], BaseChatModel]
_INSTALL = "pip install 'langchain-tests>=1.1,<2'"
# They concern how a test class is written, the recording of HTTP, and environment variables.
_ABOUT_OTHER_THINGS = frozenset({"test_no_overrides_DO_NOT_OVERRIDE", "test_stream_time"})
_CAN = """has_tool_calling has_tool_choice has_structured_output supports_json_mode supports_image_inputs
supports_image_urls supports_image_tool_message supports_pdf_inputs supports_pdf_tool_message supports_audio_inputs
supports_anthropic_inputs supports_model_override returns_usage_metadata"""
CAPABILITIES: dict[str, Any] = {**dict.fromkeys(_CAN.split(), True), "model_override_value": "another-model"}
"""What `CapableChatModel` can do, in the words of `langchain-tests`."""


class CapableChatModel(ScriptedChatModel):
    """A model that can do everything, by rule: it calls the tools it is given and answers all else with a sentence."""

    temperature: float | None = None
    max_tokens: int | None = None

    def __init__(self, **settings: Any) -> None:
        settings.pop("replies", None)
        super().__init__([], **settings)

    def _next(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> AIMessage:
        with self._lock:
            self.calls.append(list(messages))
            self.call_kwargs.append(dict(kwargs))
        metadata = {"model_name": kwargs.get("model", self.model)}
        tools = [entry["function"] for entry in kwargs.get("tools", ())]
        if not tools or isinstance(messages[-1], ToolMessage):
            return AIMessage("A pearl is what you asked for.", response_metadata=metadata)
        asked = last_user_text(messages)
        while (read := parse_sources(asked))[0]:
            asked = read[1]
        wanted = next(
            (f for f in tools if f["name"] in (kwargs.get("tool_choice"), *re.findall(r"\w+", asked))), tools[0]
        )
        call = {"name": wanted["name"], "args": _arguments(wanted.get("parameters", {}), asked), "id": "call-1"}
        return AIMessage("", tool_calls=[call], response_metadata=metadata)


def _arguments(schema: dict[str, Any], asked: str) -> dict[str, Any]:
    """Arguments that fit a JSON schema: numbers and quoted names from the question where there are any."""
    number = re.search(r"\d+", asked)
    quoted = re.search(r"'([^']+)'", asked)
    values: dict[str, Any] = {
        "integer": int(number[0]) if number else 1,
        "number": float(number[0]) if number else 1.0,
        "boolean": True,
        "array": [],
        "object": {},
        "string": quoted[1] if quoted else "a pearl",
    }
    properties = schema.get("properties", {})
    return {name: values.get(properties[name].get("type"), "a pearl") for name in schema.get("required", properties)}


def outcomes(make: Make) -> dict[str, str]:
    """Run LangChain's standard tests for chat models on a layer around a `CapableChatModel`.

    Args:
        make: puts the layer around an inner model.

    Returns:
        How each test ended: "passed", "skipped: why" or "failed: why", by "suite.test[parameters]".

    Raises:
        MissingExtraError: `langchain-tests` is not installed.
    """
    units = need("langchain_tests.unit_tests", install=_INSTALL)
    integration = need("langchain_tests.integration_tests", install=_INSTALL)
    chat_models = need("langchain_tests.integration_tests.chat_models", install=_INSTALL)
    results: dict[str, str] = {}
    with (
        mock.patch.object(chat_models.httpx, "get", _downloaded),
        warnings.catch_warnings(),
        asyncio.Runner() as runner,
    ):
        warnings.simplefilter("ignore")
        for suite, base in (("unit", units.ChatModelUnitTests), ("integration", integration.ChatModelIntegrationTests)):
            tests = suite_class(base, make)()
            for name in sorted(n for n in dir(tests) if n.startswith("test_") and n not in _ABOUT_OTHER_THINGS):
                for label, arguments in _cases(getattr(base, name)):
                    results[f"{suite}.{name}{label}"] = _outcome(tests, name, arguments, runner)
    return results


def suite_class(base: type, make: Make) -> type:
    """A class of LangChain's standard tests for a layer, also fit for pytest.

    Args:
        base: `ChatModelUnitTests` or `ChatModelIntegrationTests`.
        make: puts the layer around an inner model.

    Returns:
        The subclass, with the capabilities of `CapableChatModel`.
    """
    shown: dict[str, Any] = {"chat_model_class": _Factory(make), "chat_model_params": {"model": "capable"}}
    fields = {name: _constant(value) for name, value in {**shown, **CAPABILITIES}.items()}
    return type(f"Test{base.__name__}", (base,), fields)


def _constant(value: Any) -> property:
    return property(lambda self: value)


class _Factory:
    """Stands where the tests expect a class: the settings that they pass are the inner model's."""

    def __init__(self, make: Make) -> None:
        self.make = make

    def __call__(self, **settings: Any) -> BaseChatModel:
        return self.make(CapableChatModel(**settings))

    def is_lc_serializable(self) -> bool:
        return False


def _cases(test: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parameter sets of a test, as pytest makes them."""
    marks = [m for m in getattr(test, "pytestmark", []) if m.name == "parametrize"]
    axes = []
    for mark in marks:
        names = [name.strip() for name in mark.args[0].split(",")] if isinstance(mark.args[0], str) else mark.args[0]
        axes.append([dict(zip(names, [v] if len(names) == 1 else v, strict=True)) for v in mark.args[1]])
    for number, chosen in enumerate(itertools.product(*axes)):
        merged = {name: value for part in chosen for name, value in part.items()}
        yield (f"[{number}]" if axes else ""), merged


def _outcome(tests: Any, name: str, arguments: dict[str, Any], runner: asyncio.Runner) -> str:
    outcome = need("_pytest.outcomes", install="pip install pytest")
    method = getattr(tests, name)
    try:
        wanted = [p.name for p in inspect.signature(method).parameters.values() if p.default is p.empty]
        given = {name: _fixture(tests, name, arguments) for name in wanted}
        done = method(**given)
        if inspect.iscoroutine(done):
            runner.run(done)
    except outcome.Skipped as skipped:
        return f"skipped: {skipped.msg}"
    except (Exception, outcome.Failed) as error:
        return f"failed: {type(error).__name__}: {error}"
    return "passed"


def _fixture(tests: Any, name: str, arguments: dict[str, Any]) -> Any:
    if name == "model":
        settings = {**tests.standard_chat_model_params, **tests.chat_model_params, **(arguments.get("model") or {})}
        return tests.chat_model_class(**settings)
    if name == "my_adder_tool":
        return _adder
    if name == "benchmark":
        return lambda function: function()
    return arguments.get(name)


@tool("my_adder_tool")
def _adder(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


def _downloaded(url: str, **kwargs: Any) -> Any:
    """The pictures and recordings that some tests fetch: any bytes will do for a model that does not look."""
    return mock.Mock(content=json.dumps({"url": url}).encode())
