"""Names become models, and what is missing is said with its cure."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nacre.connectors.embeddings import load_embedder
from nacre.connectors.models import default_spec, load_model
from nacre.connectors.models.providers import PROVIDERS, find_provider
from nacre.connectors.moderation import OpenAIModerator
from nacre.errors import MissingExtraError, MissingKeyError, UnknownProviderError, UsageError
from nacre.extras import need_all


@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.needs_key])
def test_models_without_a_key_name_the_variable(name: str) -> None:
    with pytest.raises(MissingKeyError) as caught:
        load_model(f"{name}:some-model")
    assert caught.value.variable == PROVIDERS[name].keys[0]
    assert f"export {caught.value.variable}=" in str(caught.value)


@pytest.mark.parametrize("name", PROVIDERS)
def test_models_of_every_provider_go_to_its_url_with_its_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = PROVIDERS[name]
    monkeypatch.setenv(provider.keys[-1], "the-key")
    model = load_model(f"{name}:some-model", **({} if provider.base_url else {"base_url": "http://127.0.0.1:1/v1"}))
    assert model.openai_api_base == (provider.base_url or "http://127.0.0.1:1/v1")  # type: ignore[attr-defined]
    assert model.openai_api_key.get_secret_value() == "the-key"  # type: ignore[attr-defined]
    assert model.model_name == "some-model"  # type: ignore[attr-defined]


def test_models_default_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_spec() == "quote"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert default_spec().startswith("openai:")
    assert load_model().openai_api_base == "http://127.0.0.1:1/v1"  # type: ignore[attr-defined]
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert default_spec().startswith("openai:")
    monkeypatch.setenv("NACRE_MODEL", "deepseek:deepseek-v4-pro")
    assert default_spec() == "deepseek:deepseek-v4-pro"


def test_models_unknown_names_get_a_hint() -> None:
    with pytest.raises(UnknownProviderError, match="Did you mean openai"):
        load_model("opnai:gpt-5")
    with pytest.raises(UnknownProviderError, match="provider:model"):
        load_model("gpt-5")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("qwen-plus", "dashscope:qwen-plus"),
        ("Qwen-Max-Latest", "dashscope:Qwen-Max-Latest"),
        ("qwne-plus", "dashscope:qwen-plus"),
        ("dashcope:qwen-plus", "dashscope:qwen-plus"),
        ("gpt-5.1", "openai:gpt-5.1"),
        ("o4-mini", "openai:o4-mini"),
        ("glm-4.6", "zhipu:glm-4.6"),
        ("kimi-k2-turbo", "moonshot:kimi-k2-turbo"),
        ("deepseek-chat", "deepseek:deepseek-chat"),
        ("ernie-5.0", "qianfan:ernie-5.0"),
        ("llama3", "ollama:llama3"),
        ("qwen3:8b", "ollama:qwen3:8b"),
        ("Qwen/Qwen3-8B", "transformers:Qwen/Qwen3-8B"),
        ("models/tiny.gguf", "transformers:models/tiny.gguf"),
        ("qwen3@http://127.0.0.1:8000/v1", "openai_compatible:qwen3@http://127.0.0.1:8000/v1"),
    ],
)
def test_models_without_their_provider_are_named_whole(written: str, meant: str) -> None:
    with pytest.raises(UnknownProviderError, match=re.escape(f"Did you mean {meant}?")):
        load_model(written)


def test_models_that_resemble_nothing_get_no_hint() -> None:
    with pytest.raises(UnknownProviderError) as caught:
        load_model("zzz:model")
    assert "Did you mean" not in str(caught.value) and "dashscope" in str(caught.value)


def test_models_without_key_and_package_are_told_both_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for load, package in ((load_model, "langchain_openai"), (load_embedder, "openai"), (OpenAIModerator, "openai")):
        with pytest.raises(MissingKeyError) as caught:
            load("openai:some-model")
        assert "pip install" not in str(caught.value)
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            with pytest.raises(MissingKeyError) as caught:
                load("openai:some-model")
        assert "OPENAI_API_KEY" in str(caught.value) and "pip install 'nacre-ai[openai]'" in str(caught.value)


def test_packages_of_several_extras_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match="mcp, uvicorn") as caught:
        need_all(mcp="mcp", uvicorn="serve", json="serve")
    assert caught.value.install == "pip install 'nacre-ai[mcp,serve]'"


def test_models_speak_the_users_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NACRE_LANG", "zh")
    with pytest.raises(MissingKeyError, match="需要密钥"):
        load_model("zhipu:glm-4.6")


@pytest.mark.parametrize("spec", ["ollama", "vllm:", "transformers:", "openai_compatible:"])
def test_models_that_must_be_named_say_so(spec: str) -> None:
    with pytest.raises(UsageError, match="names no model"):
        load_model(spec)


def test_models_url_stands_in_the_name_too() -> None:
    model = load_model("openai_compatible:qwen@2:7b@http://127.0.0.1:9000/v1")
    assert (model.model_name, model.openai_api_base) == ("qwen@2:7b", "http://127.0.0.1:9000/v1")  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="where the server is"):
        load_model("openai_compatible:qwen")


def test_models_ollama_host_is_taken_as_people_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:11500")
    assert load_model("ollama:qwen3").openai_api_base == "http://127.0.0.1:11500/v1"  # type: ignore[attr-defined]


def test_models_misspelt_settings_are_errors_and_server_settings_travel() -> None:
    with pytest.raises(UsageError, match=r"temprature.*temperature"):
        load_model("vllm:m", temprature=0.1)
    model = load_model("vllm:m", temperature=0.1, top_k=5, extra_body={"seed_mode": 1})
    assert model.extra_body == {"top_k": 5, "seed_mode": 1}  # type: ignore[attr-defined]


def test_models_aliases_find_their_provider() -> None:
    assert [find_provider(name).name for name in ("qwen", "GLM", "kimi", "ernie")] == [
        "dashscope",
        "zhipu",
        "moonshot",
        "qianfan",
    ]  # type: ignore[union-attr]
    names = [name for provider in PROVIDERS.values() for name in (provider.name, *provider.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("spec", "package", "extra"),
    [("vllm:m", "langchain_openai", "openai"), ("transformers:m", "transformers", "local")],
)
def test_models_missing_packages_come_with_the_install_line(
    spec: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught:
        load_model(spec)
    assert caught.value.install == f"pip install 'nacre-ai[{extra}]'"


def test_models_table_loads_no_package_of_a_provider() -> None:
    code = "import sys, nacre.connectors.models; print([m for m in ('langchain_core', 'openai', 'torch', 'transformers') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_models_page_lists_every_provider_as_the_table_has_it() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text("utf-8")
    rows = {row.split("`")[1].rstrip(":"): row for row in page.splitlines() if row.startswith("| `")}
    for name, provider in PROVIDERS.items():
        assert provider.title in rows[name] or name == "openai_compatible"
        assert f"`{provider.keys[0]}`" in rows[name] or not provider.needs_key
        assert provider.base_url in rows[name] and provider.default_model in rows[name]
        assert f"`{provider.urls[0]}`" in rows[name] or name == "openai_compatible"


def test_models_page_examples_run() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text("utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "docs/models.md", "exec"), {})
