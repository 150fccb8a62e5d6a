"""A stack is data: built, explained, and refused with the reason where it cannot work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

import nacre
from nacre.errors import StackError, UsageError
from nacre.stack import ILLEGAL, LAYERS

EXAMPLE = Path(__file__).parents[1] / "examples" / "custom_layer"
LOUD = """
from nacre.decorator import ChatModelDecorator

class Loud(ChatModelDecorator):
    times: int = 1

    def flow(self, messages, **kwargs):
        reply = yield from self.ask(messages, **kwargs)
        return reply.model_copy(update={"content": reply.text.upper() + "!" * self.times})

class Retry(Loud):
    pass

class NoLayer:
    pass
"""


@pytest.fixture(scope="module")
def kb(tmp_path_factory: pytest.TempPathFactory) -> str:
    from nacre.ingest.source import TextSource

    path = tmp_path_factory.mktemp("stack") / "kb"
    nacre.KnowledgeBase.open(path, embedder="none").sync(
        TextSource("memory:t/", [("memory:t/1", "Nacre is mother of pearl.", "Nacre")])
    )
    return str(path)


def full(kb: str) -> dict[str, object]:
    return {
        "model": "quote",
        "layers": [
            "moderation",
            {"use": "memory"},
            "cache",
            {"use": "rag", "kb": kb, "k": 3, "strict": True},
            {"use": "retry", "attempts": 2},
        ],
    }


def test_a_full_stack_answers(kb: str) -> None:
    answer = nacre.build(full(kb)).invoke("What is nacre?", config={"configurable": {"session_id": "s"}})
    assert "mother of pearl" in answer.text
    assert answer.response_metadata["nacre"]["citations"]


def test_explain_gives_back_what_build_takes(kb: str) -> None:
    data = nacre.explain(nacre.build(full(kb)))
    assert [layer if isinstance(layer, str) else layer["use"] for layer in data["layers"]] == [
        "moderation",
        "memory",
        "cache",
        "rag",
        "retry",
    ]
    assert data["layers"][3] == {"use": "rag", "k": 3, "kb": kb, "strict": True}
    assert nacre.explain(nacre.build(data)) == data
    assert yaml.safe_load(yaml.safe_dump(data)) == data


def test_a_yaml_file_is_read_and_its_faults_are_named(kb: str, tmp_path: Path) -> None:
    file = tmp_path / "stack.yaml"
    file.write_text(yaml.safe_dump(full(kb)), "utf-8")
    assert nacre.explain(nacre.build(file))["model"] == "quote"
    file.write_text("model: [", "utf-8")
    with pytest.raises(StackError, match=r"stack\.yaml"):
        nacre.build(file)
    with pytest.raises(StackError, match="cannot be read"):
        nacre.build(tmp_path / "none.yaml")


@pytest.mark.parametrize("pair", sorted(ILLEGAL))
def test_an_order_that_cannot_work_is_refused_with_the_reason(pair: tuple[str, str]) -> None:
    with pytest.raises(StackError, match="cannot stand outside"):
        nacre.build({"model": "quote", "layers": list(pair)})


@pytest.mark.parametrize(
    ("stack", "error", "names"),
    [
        ({"model": "quote", "layers": ["rga"]}, StackError, "rga.*Did you mean 'rag'"),
        ({"model": "quote", "layers": ["retry", 7]}, StackError, "7 is not a layer"),
        ({"model": "quote", "layers": [{"attempts": 2}]}, StackError, "is not a layer"),
        ({"model": "quote", "layers": [{"use": "retry", 2: 3}]}, StackError, "is not a layer"),
        ({"model": "quote", "layers": ["no_such_module_here:Layer"]}, StackError, "cannot be imported"),
        ({"model": "quote", "layers": ["nacre.layers.retry:Rety"]}, StackError, "cannot be imported"),
        ({"model": "quote", "layers": ["os:system"]}, StackError, "os:system is no layer"),
        ({"model": "quote", "layers": ["os.path:"]}, StackError, "is not a layer"),
        ({"model": "quote", "layers": [{"use": "rag"}]}, StackError, "kb"),
        ({"model": "quote", "layer": []}, StackError, "layer"),
        ({"model": "quote", "layers": [{"use": "retry", "atempts": 2}]}, UsageError, "attempts"),
    ],
)
def test_a_malformed_stack_names_its_fault(stack: dict[str, object], error: type[Exception], names: str) -> None:
    with pytest.raises(error, match=names):
        nacre.build(stack)


def test_every_layer_of_the_table_is_a_layer() -> None:
    from nacre.decorator import ChatModelDecorator

    for layer in LAYERS.values():
        assert issubclass(layer.kind(), ChatModelDecorator)


ARGUMENTS: dict[str, dict[str, object]] = {
    "moderation": {},
    "memory": {},
    "cache": {},
    "rag": {"k": 3, "strict": True, "principals": ["hr"]},
    "decomposition": {"parts": "rules", "most": 3},
    "summary": {"sentences": 3, "principals": ["hr"]},
    "self_consistency": {"samples": 3},
    "best_of": {"samples": 2},
    "few_shot": {"examples": [["1 + 1?", "2"]]},
    "chain_of_thought": {},
    "pal": {"attempts": 1, "samples": 2},
    "react": {"tools": ["python", "wikipedia:zh"], "principals": ["hr"], "max_steps": 3, "protocol": "text"},
    "fallback": {"others": ["quote"]},
    "retry": {"attempts": 2},
}


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_is_built_again_from_what_explain_says(name: str, kb: str, tmp_path: Path) -> None:
    (tmp_path / "nacre.json").write_text('{"kind": "reward"}')
    where = {"kb": kb} if name in ("rag", "react", "summary") else {}
    where |= {"judge": str(tmp_path)} if name == "best_of" else {}
    data = nacre.explain(nacre.build({"model": "quote", "layers": [{"use": name, **where, **ARGUMENTS[name]}]}))
    said = data["layers"][0]
    assert (said if isinstance(said, dict) else {"use": said}) == {"use": name, **where, **ARGUMENTS[name]}
    assert nacre.explain(nacre.build(yaml.safe_load(yaml.safe_dump(data)))) == data


@pytest.mark.parametrize("layer", ["rag", "react"])
def test_a_misspelt_folder_is_said_and_not_made(layer: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nacre sync"):
        nacre.build({"model": "quote", "layers": [{"use": layer, "kb": str(tmp_path / "none")}]})
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("stack", [3, ["rag"], {"layers": "rag"}, {"model": 3}])
def test_what_is_no_stack_is_refused(stack: object) -> None:
    with pytest.raises(StackError):
        nacre.build(stack)  # type: ignore[arg-type]


@pytest.fixture
def loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules with layers that are not Nacre's."""
    (tmp_path / "loud_layers.py").write_text(LOUD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "loud_layers", raising=False)
    return tmp_path


def test_a_layer_of_ones_own_is_built_and_explained_by_where_it_is(loud: Path) -> None:
    stack = {"layers": ["retry", {"use": "loud_layers:Loud", "times": 2}, "loud_layers:Retry"]}
    model = nacre.build(stack, leaf=nacre.ScriptedChatModel(["hello"]))
    assert model.invoke("?").text == "HELLO!!!"
    assert nacre.explain(model)["layers"] == stack["layers"]
    with pytest.raises(StackError, match="NoLayer is no layer"):
        nacre.build({"model": "quote", "layers": ["loud_layers:NoLayer"]})
    with pytest.raises(UsageError, match="times"):
        nacre.build({"model": "quote", "layers": [{"use": "loud_layers:Loud", "time": 2}]})


def test_a_module_that_fails_is_told_with_its_error(loud: Path) -> None:
    (loud / "broken_layers.py").write_text("raise RuntimeError('out of paint')")
    with pytest.raises(StackError, match="broken_layers:Loud cannot be imported: RuntimeError: out of paint"):
        nacre.build({"model": "quote", "layers": ["broken_layers:Loud"]})


def test_an_installed_package_names_its_layers_and_takes_no_name_of_ours(loud: Path) -> None:
    installed = loud / "loud-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[nacre.layers]\nloud = loud_layers:Loud\nretry = loud_layers:Retry\n")
    stack = {"layers": [{"use": "loud", "times": 3}, "retry"]}
    model = nacre.build(stack, leaf=nacre.ScriptedChatModel(["hello"]))
    assert model.invoke("?").text == "HELLO!!!" and type(model.inner) is nacre.Retry
    assert nacre.explain(model)["layers"] == stack["layers"]
    with pytest.raises(StackError, match=r"laud.*Did you mean 'loud'"):
        nacre.build({"model": "quote", "layers": ["laud"]})


def test_the_example_of_the_documentation_is_built_from_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLE)
    text = (EXAMPLE / "stack.yaml").read_text("utf-8")
    assert f"```yaml\n{text}```" in (EXAMPLE.parents[1] / "docs" / "layers.md").read_text("utf-8")
    model = nacre.build(EXAMPLE / "stack.yaml", leaf=nacre.ScriptedChatModel(["Pearls are grown.", "Yes."]))
    assert model.invoke("How are pearls made?").response_metadata["nacre"]["sure"]
    assert nacre.explain(nacre.build(EXAMPLE / "stack.yaml")) == yaml.safe_load(text)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> nacre.KnowledgeBase:
    from nacre.ingest.source import TextSource

    base = nacre.KnowledgeBase.open(tmp_path_factory.mktemp("private") / "kb", embedder="none")
    base.sync(TextSource("memory:s/", [("memory:s/1", "Salaries are paid on the tenth.", "Pay")]), principals=["hr"])
    return base


@pytest.mark.parametrize(("principals", "finds"), [(None, False), (["*"], False), (["hr"], True), (("it", "hr"), True)])
def test_whoever_builds_decides_what_is_searched_and_as_whom(private, principals, finds) -> None:
    model = nacre.build({"model": "quote", "layers": ["memory", "rag"]}, kb=private, principals=principals)
    assert ("tenth" in model.invoke("When are salaries paid?", session_id="s").text) is finds
    if principals == ["*"]:
        assert "tenth" not in model.invoke("When are salaries paid?", session_id="s", principals=["hr"]).text
    tools = nacre.build(
        {"model": "quote", "layers": [{"use": "react", "tools": ["kb"]}]}, kb=private, principals=principals
    ).tools
    assert [("tenth" in str(tool.invoke({"query": "salaries"}))) for tool in tools] == [finds]


@pytest.mark.parametrize("layer", ["rag", "react"])
def test_a_stack_cannot_say_what_is_decided(private, layer: str) -> None:
    for mine in ({"kb": "elsewhere"}, {"principals": ["hr"]}):
        with pytest.raises(StackError, match=f"{layer} sets '?{next(iter(mine))}"):
            nacre.build({"model": "quote", "layers": [{"use": layer, **mine}]}, kb=private, principals=["*"])


def test_an_agent_without_the_tool_searches_nothing(private) -> None:
    model = nacre.build({"model": "quote", "layers": [{"use": "react", "tools": ["python"]}]}, kb=private)
    assert [tool.name for tool in model.tools] == ["python"]


def test_a_path_is_opened_and_the_leaf_stands_in_for_the_model(kb: str) -> None:
    leaf = nacre.ScriptedChatModel(["It is [1]."])
    model = nacre.build({"model": "openai:never-loaded", "layers": ["rag"]}, kb=kb, leaf=leaf)
    assert model.inner is leaf and model.invoke("What is nacre?").text == "It is [1]."
    with pytest.raises(UsageError, match="leaf"):
        nacre.build({"layers": []}, leaf="quote")  # type: ignore[arg-type]


def test_every_model_that_has_a_name_is_explained_by_it() -> None:
    for spec in ("quote", "dashscope:qwen-plus", "openai_compatible:m@http://127.0.0.1:9/v1", "ollama:llama3.1:8b"):
        assert nacre.explain(nacre.load_model(spec, **({} if spec == "quote" else {"api_key": "k"})))["model"] == spec
    seeded = {"spec": "transformers:nowhere/at-all", "seed": 7, "adapter": "folder"}
    assert nacre.explain(nacre.build({"model": seeded}))["model"] == seeded
    assert nacre.explain(nacre.ScriptedChatModel([]))["model"] == "ScriptedChatModel"
