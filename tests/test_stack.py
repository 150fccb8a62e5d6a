"""A stack is data: built, explained, and refused with the reason where it cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import nacre
from nacre.errors import StackError, UsageError
from nacre.stack import ILLEGAL, LAYERS


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
        ({"model": "quote", "layers": ["rga"]}, StackError, "rga"),
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
    "self_consistency": {"samples": 3},
    "few_shot": {"examples": [["1 + 1?", "2"]]},
    "chain_of_thought": {},
    "pal": {"attempts": 1, "samples": 2},
    "react": {"tools": ["python", "wikipedia:zh"], "principals": ["hr"], "max_steps": 3, "protocol": "text"},
    "fallback": {"others": ["quote"]},
    "retry": {"attempts": 2},
}


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_is_built_again_from_what_explain_says(name: str, kb: str) -> None:
    where = {"kb": kb} if name in ("rag", "react") else {}
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
