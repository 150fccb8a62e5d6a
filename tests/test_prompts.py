"""Prompts as files."""

from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nacre import prompts
from nacre.errors import PromptError
from nacre.prompts import Prompt

IDS = prompts.prompt_ids()


@pytest.mark.parametrize("id", IDS)
def test_every_prompt_stands_in_both_languages_with_the_same_slots(id):
    english, chinese = prompts.load(id, "en"), prompts.load(id, "zh")
    assert english.variables == chinese.variables
    assert [role for role, _ in english.messages] == [role for role, _ in chinese.messages]
    assert english.version == chinese.version
    values = {name: f"<{name}>" for name in english.variables}
    rendered = "".join(str(m.content) for m in english.render(**values))
    assert all(value in rendered for value in values.values())


def test_every_file_in_the_folder_is_a_prompt():
    folder = Path(str(files("nacre.prompts")))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")}
    assert found == {f"{id}.{language}.yaml" for id in IDS for language in ("en", "zh")}


@given(st.text(), st.text())
def test_values_are_content(question, sources):
    prompt = Prompt("a/b", "en", 1, ("question", "sources"), (("user", "{{sources}}|{{ question }}|{x}"),))
    (message,) = prompt.render(question=question, sources=sources)
    assert message.content == f"{sources}|{question}|{{x}}"


def test_slots_inside_values_are_not_filled():
    prompt = Prompt("a/b", "en", 1, ("a", "b"), (("user", "{{a}} {{b}}"),))
    assert prompt.text(a="{{b}}", b="{{a}} {0} %s") == "{{b}} {{a}} {0} %s"


def test_missing_and_unknown_variables_are_named():
    prompt = Prompt("a/b", "en", 1, ("question",), (("user", "{{question}}"),))
    with pytest.raises(PromptError, match="question"):
        prompt.render()
    with pytest.raises(PromptError, match="context"):
        prompt.render(question="x", context="y")


@pytest.mark.parametrize(
    "id",
    [
        "rag",
        "../secrets",
        "/etc/passwd",
        "rag/../rag/answer",
        "rag/answer.en",
        "Rag/answer",
        "a text with {{slots}}",
        "",
    ],
)
def test_only_ids_are_loaded(id):
    with pytest.raises(PromptError):
        prompts.load(id)


def test_an_unknown_prompt_names_those_that_there_are():
    with pytest.raises(PromptError, match="cot/zero_shot") as caught:
        prompts.load("cot/unheard_of")
    assert caught.value.prompt_id == "cot/unheard_of"


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"id": "other/name"},
        {"variables": []},
        {"variables": ["question", "unused"]},
        {"messages": [{"role": "tool", "content": "{{question}}"}]},
        {"messages": None},
        {"messages": [{"role": "user"}]},
        {"messages": ["text"]},
        {"variables": 3},
        {"version": "one"},
    ],
)
def test_a_wrong_file_is_an_error_that_names_it(tmp_path, monkeypatch, change):
    good = {
        "id": "x/y",
        "version": 1,
        "variables": ["question"],
        "messages": [{"role": "user", "content": "{{question}}"}],
    }
    (tmp_path / "x").mkdir()
    file = tmp_path / "x" / "y.en.yaml"
    monkeypatch.setattr(prompts, "files", lambda package: tmp_path)
    file.write_text(yaml.safe_dump(good))
    prompts.load.cache_clear()
    try:
        assert prompts.load("x/y").text(question="?") == "?"
        file.write_text(yaml.safe_dump({**good, **change}))
        prompts.load.cache_clear()
        with pytest.raises(PromptError, match="x/y"):
            prompts.load("x/y")
        file.write_text("a: [")
        with pytest.raises(PromptError, match="x/y"):
            prompts.load("x/y")
    finally:
        prompts.load.cache_clear()
