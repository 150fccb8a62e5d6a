"""Providers that are LangChain's: found by name, loaded by `init_chat_model`, missed with the line that installs them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from nacre.connectors.models import load_model
from nacre.connectors.models.langchain_models import PACKAGES, known_name
from nacre.connectors.models.providers import PROVIDERS
from nacre.errors import MissingExtraError, UnknownProviderError, UsageError


@pytest.mark.parametrize("name", [name for name in PACKAGES if PACKAGES[name] != "langchain-openai"])
def test_a_missing_package_comes_with_the_line_that_installs_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGES[name].replace("-", "_"), None)
    monkeypatch.setattr("importlib.util.find_spec", lambda item: None if "langchain_" in item else object())
    with pytest.raises(MissingExtraError) as caught:
        load_model(f"{name}:some-model")
    assert caught.value.install == f"pip install 'nacre-ai[agents]' {PACKAGES[name]}"


def test_a_model_is_loaded_with_its_settings_and_its_own_errors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("langchain")
    given: dict[str, Any] = {}

    class Other(FakeListChatModel):
        def __init__(self, **settings: Any) -> None:
            if settings.get("temperature") == 9:
                raise ValueError("temperature: at most 2")
            given.update(settings)
            super().__init__(responses=["Hello."])

    package = ModuleType("langchain_anthropic")
    package.ChatAnthropic = Other  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langchain_anthropic", package)
    monkeypatch.setattr("importlib.util.find_spec", lambda item: object())
    assert load_model("anthropic:m", temperature=0.5).invoke("Hi").text == "Hello."
    assert given == {"model": "m", "temperature": 0.5}
    with pytest.raises(UsageError, match="at most 2"):
        load_model("anthropic:m", temperature=9)
    with pytest.raises(UsageError, match="names no model"):
        load_model("anthropic:")


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        ("qwen-plus", "dashscope:qwen-plus"),
        ("dashscpe:qwen-plus", "dashscope:qwen-plus"),
        ("gemini-3.8-flash", "gemini:gemini-3.8-flash"),
        ("claude-opus-5-5", "claude:claude-opus-5-5"),
        ("doubao-seed-1-8-251228", "doubao:doubao-seed-1-8-251228"),
        ("hunyuan-t1", "hunyuan:hunyuan-t1"),
        ("MiniMax-M2.7", "minimax:MiniMax-M2.7"),
        ("antropic:claude", "anthropic:claude"),
        ("siliconflw:x", "siliconflow:x"),
        ("openruter:x", "openrouter:x"),
        ("glm-4.6", "zhipu:glm-4.6"),
        ("kimi-k2.6", "moonshot:kimi-k2.6"),
    ],
)
def test_what_was_meant_is_told(spec: str, meant: str) -> None:
    with pytest.raises(UnknownProviderError, match=meant.replace(".", r"\.")):
        load_model(spec)


def test_names_of_ours_stay_ours() -> None:
    assert not [name for name in PROVIDERS if known_name(name)]
