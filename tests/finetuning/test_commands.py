"""`nacre finetune` from a knowledge base to a checked, merged, listed and removed adapter, and its bad input in a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nacre import KnowledgeBase, cli, load_model
from nacre.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore")

Rows = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for n in range(12):
        rows = "".join(f"| P{n}{m} | {100 + 17 * n + m} |\n" for m in range(3))
        (folder / f"p{n}.md").write_text(f"# Pumps {n}\n\n| Pump | Bar |\n|---|---|\n{rows}")
    base = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    base.sync(str(folder))
    base.close()
    return tmp_path / "kb"


@pytest.fixture
def run(capsys: Any) -> Callable[..., Any]:
    def go(*words: object, status: int = 0) -> Any:
        capsys.readouterr()
        assert cli.run(["finetune", *map(str, words)]) == status, capsys.readouterr().err
        out, err = capsys.readouterr()
        if status == 2:
            assert err.startswith("nacre: ") and err.count("\n") == 1 and "Traceback" not in err
            return err
        return json.loads(out) if "--json" in words else out

    return go


def test_from_a_base_to_a_checked_adapter(run: Any, kb: Path, bases: dict[str, Path], tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "house"
    made = run("data", "--kb", kb, "--out", rows, "--count", 30, "-k", 2, "--json")
    assert {"rows", "train", "valid", "refusals"} <= set(made) and made["leaks"] == 0
    assert made["rows"] == len(rows.read_text().splitlines()) == made["train"] + made["valid"] + made["test"]
    row = json.loads(rows.read_text().splitlines()[0])
    assert {"messages", "document", "kind"} <= set(row)
    seen = run("train", "--base", f"transformers:{bases['glm4']}", "--data", rows, "--out", out, "--dry-run", "--json")
    assert seen["misfits"] == [] and seen["sample"].count("⟦") == 1 and seen["tokens_longest"] < seen["window"]


def test_an_adapter_is_trained_checked_merged_listed_and_removed(
    run: Any, bases: dict[str, Path], some_rows: Rows, write_rows: Write, tmp_path: Path
) -> None:
    from nacre.text.messages import Source, render_sources

    rows = some_rows(count=40)
    for n, row in enumerate(rows):
        row["split"] = "train" if n < 34 else "test"
        row["messages"][0]["content"] = f"{render_sources([Source(1, row['sources'][0])])}\n\n{row['question']}"
    data, out, merged = write_rows(rows), tmp_path / "adapters" / "house", tmp_path / "models" / "house"
    told = run(
        "train", "--base", bases["qwen2"], "--data", data, "--out", out, "--steps", 3, "--rate", "0.005", "--json"
    )
    assert {"steps", "loss_first", "loss_last", "seconds", "out"} <= set(told) and told["steps"] == 3
    checked = run("check", out, "--data", data, "--suites", "answers,refusal", "--limit", 4, "--json")
    assert set(checked["suites"]["answers"]) == {"quote", "base", "tuned"} and checked["gate"]["passed"]
    assert checked["suites"]["answers"]["quote"]["contains"] == 1.0
    assert checked["suites"]["answers"]["tuned"]["form"] is not None
    card = json.loads((out / "nacre.json").read_text())
    assert card["gate"]["passed"] and card["suites"]["answers"]["quote"]["contains"][0] == 1.0
    assert (out / "check" / "answers" / "tuned" / "report.html").is_file()
    assert run("merge", out, "--out", merged, "--json")["compared"] == 8
    assert "convert_hf_to_gguf.py" in run("merge", out, "--out", tmp_path / "again")
    found = run("list", tmp_path, "--json")["adapters"]
    assert {row["path"] for row in found} == {str(out), str(merged), str(tmp_path / "again")}
    assert next(row for row in found if row["path"] == str(out))["passed"] is True
    assert run("remove", merged, "--yes", "--json") == {"removed": str(merged)} and not merged.exists()


def test_a_tuned_model_that_loses_closes_the_gate(
    run: Any, bases: dict[str, Path], some_rows: Rows, write_rows: Write, tmp_path: Path, monkeypatch: Any
) -> None:
    from nacre import ScriptedChatModel
    from nacre.finetuning import checking
    from nacre.text.messages import Source, render_sources

    rows = some_rows(count=60)
    for row in rows:
        row["split"] = "train" if row["kind"] == "refusal" else "test"
        row["messages"][0]["content"] = f"{render_sources([Source(1, row['sources'][0])])}\n\n{row['question']}"
    data, out = write_rows(rows), tmp_path / "house"
    run("train", "--base", bases["qwen2"], "--data", data, "--out", out, "--steps", 1)
    right = lambda messages, n: messages[-1].text.split(" is ")[1].split("\n")[0] + " [1]."  # noqa: E731
    wrong = lambda messages, n: "mauve"  # noqa: E731
    scripts = [("quote", right), ("base", right), ("tuned", wrong)]
    monkeypatch.setattr(checking, "_models", lambda *_: ((who, ScriptedChatModel(said)) for who, said in scripts))
    told = run("check", out, "--data", data, "--suites", "answers", "--json", status=1)
    assert "answers: contains" in told["gate"]["losses"] and "answers: form" in told["against_quote"]
    assert json.loads((out / "nacre.json").read_text())["gate"]["passed"] is False
    items = {who: report["contains"] for who, report in told["suites"]["answers"].items()}
    assert items == {"quote": 1.0, "base": 1.0, "tuned": 0.0}


def test_bad_input_is_one_line_with_what_to_do(
    run: Any, kb: Path, bases: dict[str, Path], some_rows: Rows, write_rows: Write, tmp_path: Path
) -> None:
    base, out, good = f"transformers:{bases['llama']}", tmp_path / "out", write_rows(some_rows(count=40))
    empty = write_rows([], "empty.jsonl")
    asked = write_rows([{"id": "1", "question": "What colour is thing 3?", "answers": ["red"]}], "eval.jsonl")
    train = ("train", "--base", base, "--out", out, "--data")
    assert "has no rows" in run(*train, empty, status=2)
    assert "last message is not the assistant's" in run(
        *train, write_rows([{"messages": [{"role": "user", "content": "?"}]}], "u.jsonl"), status=2
    )
    assert "mixes forms" in run(
        *train, write_rows([*some_rows(count=2), {"instruction": "a", "output": "b"}], "m.jsonl"), status=2
    )
    assert "stand also in what is measured" in run(*train, good, "--exclude", asked, status=2)
    assert "no method 'qlora'" in run(*train, good, "--method", "qlora", status=2)
    assert "kto learns from thumbs" in run(*train, good, "--method", "kto", status=2)
    assert "base model nowhere/at/all is not here" in run(
        "train", "--base", "nowhere/at/all", "--out", out, "--data", good, status=2
    )
    assert "no form 'letters'" in run("data", "--kb", kb, "--out", out, "--form", "letters", status=2)
    assert "--kb PLACE, or --import" in run("data", "--out", out, status=2)
    for option, value in (("--minutes", 0), ("--rate", 0), ("--minutes", "inf")):
        assert f"{option} is {float(value)}; give a number above 0" in run(*train, good, option, value, status=2)
    assert "no object of JSON). Make some" in run(*train, write_rows([1, 2], "n.jsonl"), status=2)
    assert "accelerate config" in run(*train, good, "--launch", tmp_path / "no.yaml", status=2)
    for place in (good, good / "below"):
        assert f"{good} is no folder" in run("train", "--base", base, "--data", good, "--out", place, status=2)
        assert f"{good} is no folder" in run("encoder", "--kb", kb, "--out", place, status=2)
        assert f"{good} is no folder" in run("data", "--import", good, "--out", good / "below" / "x", status=2)
    assert "is a folder" in run("data", "--import", good, "--out", tmp_path, status=2)
    assert not out.exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.md").write_text("mine")
    for command in (("check", mine, "--data", good), ("merge", mine, "--out", out), ("remove", mine, "--yes")):
        assert "no folder that `nacre finetune` has written" in run(*command, status=2)
    assert (mine / "thesis.md").is_file()
    (mine / "nacre.json").write_text('{"kind": "encoder"}')
    assert "no chat model; nothing can be asked of it. Use it by --embedder" in run(
        "check", mine, "--data", good, status=2
    )
    with pytest.raises(ModelError, match=r"is encoder, no adapter\. Use it by --embedder"):
        load_model(base, adapter=str(mine)).invoke("?")
    assert "cannot be merged" in run("merge", mine, "--out", out, status=2)
    (tmp_path / "link").symlink_to(mine)
    assert "is no folder" in run("remove", tmp_path / "link", "--yes", status=2)
    (mine / "nacre.json").write_text('{"kind": "adapter"}')
    assert "is damaged. Train anew" in run("check", mine, "--data", good, status=2)
    (mine / "nacre.json").write_text("[")
    assert "nacre.json" in run("merge", mine, "--out", out, status=2)


def test_data_from_elsewhere_is_converted_and_previewed(run: Any, write_rows: Write, tmp_path: Path) -> None:
    alpaca = write_rows([{"instruction": f"{n} + {n}?", "output": f"{2 * n}"} for n in range(40)], "alpaca.jsonl")
    eval_set = write_rows([{"id": "1", "question": "7 + 7?", "answers": ["14"]}], "eval.jsonl")
    out = tmp_path / "rows.jsonl"
    seen = run("data", "--import", alpaca, "--exclude", eval_set, "--out", out, "--dry-run", "--json")
    assert seen["rows"] == 39 and seen["leaks"] == 1 and seen["tokens"] > 39 and not out.exists()
    assert run("data", "--import", alpaca, "--out", out, "--json")["rows"] == 40
    assert {json.loads(line)["split"] for line in out.read_text().splitlines()} == {"train", "valid", "test"}


def test_a_judge_scores_each_answer_of_the_answers_suite(kb: Path, write_rows: Write) -> None:
    from nacre import ScriptedChatModel
    from nacre.eval.answers import evaluate_answers

    class Short:
        def score(self, messages: Any, answers: Any) -> list[float]:
            assert "<sources" in messages[-1].text  # it sees what the model saw
            return [-float(len(answer)) for answer in answers]

    asked = write_rows([{"id": str(n), "question": f"What is the Bar of P{n}1?", "answers": ["x"]} for n in range(3)])
    model = ScriptedChatModel(["12", "123", "1"])
    report = evaluate_answers(asked, model, kb=kb, judge=Short())
    assert report.values("reward") == [-2, -3, -1] and "reward" in report.summary()["intervals"]
