"""eval as a person and a program meet it: the keys of the contract, reports, the gate, and one line for bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nacre.cli import run


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beir")
    facts = [(f"d{n}", f"The {thing} of room {n} is painted {colour}.") for n, (thing, colour) in enumerate(
        [("door", "green"), ("lamp", "white"), ("table", "red"), ("shelf", "black"), ("clock", "blue")])]  # fmt: skip
    facts.append(("zh", "北楼会议室的投影仪由行政部保管。"))
    rows = {
        "corpus.jsonl": [{"_id": id, "title": "Rooms", "text": text} for id, text in facts],
        "queries.jsonl": [
            {"_id": f"q{n}", "text": f"What colour is the {text.split()[1]} of room {n}?"}
            for n, (_, text) in enumerate(facts[:5])
        ],
        "answers.jsonl": [
            {"_id": f"q{n}", "answers": [text.split()[-1].rstrip(".")]} for n, (_, text) in enumerate(facts[:5])
        ],
    }
    rows["queries.jsonl"].append({"_id": "qzh", "text": "投影仪由哪个部门保管？"})
    rows["answers.jsonl"].append({"_id": "qzh", "answers": ["行政部"]})
    for name, lines in rows.items():
        (folder / name).write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\n" + "".join(f"q{n}\td{n}\t1\n" for n in range(5)) + "qzh\tzh\t1\n", "utf-8"
    )
    return folder


@pytest.fixture(scope="module")
def kb(beir: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    docs = tmp_path_factory.mktemp("docs")
    for line in (beir / "corpus.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        (docs / f"{row['_id']}.md").write_text(row["text"], "utf-8")
    path = tmp_path_factory.mktemp("kb") / "kb"
    assert run(["sync", str(docs), "--kb", str(path), "--embedder", "none", "--json"]) == 0
    return str(path)


def answer(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> Any:
    capsys.readouterr()
    assert run([str(a) for a in arguments]) == status
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert run([str(a) for a in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and "Traceback" not in captured.err
    return captured.err


def test_retrieval_prints_the_keys_of_the_contract(beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "eval", "retrieval", "--data", beir, "--json")
    assert set(found) >= {"ndcg@10", "recall@10", "mrr@10", "queries", "documents", "index_seconds", "query_ms_p50"}
    assert (found["queries"], found["documents"], found["recall@10"]) == (6, 6, 1.0)
    assert answer(capsys, "eval", "retrieval", "--data", beir, "--limit", 2, "--json")["queries"] == 2


def test_answers_print_the_keys_of_the_contract(beir: Path, kb: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "eval", "answers", "--data", beir, "--kb", kb, "--price", "1,2", "--json")
    assert set(found) >= {"em", "f1", "contains", "citation_precision", "abstained", "queries", "cost"}
    assert found["contains"] == 1.0 and found["citation_precision"] == 1.0 and found["evidence"] == 1.0


def test_an_interrupted_run_goes_on(beir: Path, kb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("eval", "answers", "--data", beir, "--kb", kb, "--out", tmp_path, "--json")
    answer(capsys, *arguments)
    kept = (tmp_path / "items.jsonl").read_text("utf-8").splitlines()
    assert len(kept) == 6
    (tmp_path / "items.jsonl").write_text("\n".join(kept[:3]) + "\n" + kept[3][:40], "utf-8")
    assert answer(capsys, *arguments)["queries"] == 6
    assert len((tmp_path / "items.jsonl").read_text("utf-8").splitlines()) == 7


def test_reports_and_the_gate(beir: Path, kb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("eval", "answers", "--data", beir, "--kb", kb, "--json")
    answer(capsys, *arguments, "--out", tmp_path / "a")
    assert {"report.json", "report.md", "report.html"} <= {path.name for path in (tmp_path / "a").iterdir()}
    found = answer(capsys, *arguments, "--gate", tmp_path / "a" / "report.json", "--out", tmp_path / "b")
    assert found["gate"]["passed"] and (tmp_path / "b" / "compare.html").exists()
    better = json.loads((tmp_path / "a" / "report.json").read_text("utf-8"))
    worse = json.loads((tmp_path / "a" / "report.json").read_text("utf-8"))
    better["items"] = [{**better["items"][0], "id": str(n)} for n in range(30)]
    worse["items"] = [{**better["items"][0], "id": str(n), "contains": 0.0, "answer": "<b>no</b>"} for n in range(30)]
    (tmp_path / "better.json").write_text(json.dumps(better), "utf-8")
    (tmp_path / "worse.json").write_text(json.dumps(worse), "utf-8")
    assert (
        run(
            [
                "eval",
                "compare",
                str(tmp_path / "better.json"),
                str(tmp_path / "worse.json"),
                "--out",
                str(tmp_path / "c"),
            ]
        )
        == 1
    )
    said = capsys.readouterr()
    assert "contains got significantly worse" in said.err and "LOSS" in said.out
    page = (tmp_path / "c" / "compare.html").read_text("utf-8")
    assert "<b>no</b>" not in page and "&lt;b&gt;no" in page and "Worse: contains" in page
    assert answer(capsys, "eval", "compare", tmp_path / "worse.json", tmp_path / "better.json", "--json")["passed"]


def test_refusal_robustness_pal_and_react(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rgb = {"id": 1, "question": "Who paints the door?", "answer": ["Rosa Lima"], "positive": ["Rosa Lima paints the door."] * 5,
           "negative": ["The river is cold.", "A lamp is white."] * 3, "positive_wrong": ["Ana Reis paints the door."] * 5, "fakeanswer": "Ana Reis"}  # fmt: skip
    (tmp_path / "rgb.jsonl").write_text(json.dumps(rgb), "utf-8")
    found = answer(capsys, "eval", "refusal", "--data", tmp_path / "rgb.jsonl", "--json")
    assert (found["refusal_recall"], found["false_refusals"], found["questions"]) == (1.0, 0.0, 1)
    found = answer(capsys, "eval", "robustness", "--data", tmp_path / "rgb.jsonl", "--json")
    assert found["noise 0.0"] == 1.0 and found["misled"] == 1.0 and "noise 0.8" in found
    rows = [{"id": "1", "answer": 4, "program": "ans = 2 + 2", "entry": "ans", "published_correct": True}] * 2
    (tmp_path / "pal.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    found = answer(capsys, "eval", "pal", "--replay", tmp_path / "pal.jsonl", "--json")
    assert (found["accuracy"], found["agreement"], found["rows"]) == (1.0, 1.0, 2) and found["seconds"] > 0
    row = {
        "id": "1",
        "question": "?",
        "answer": "Paris",
        "trajectory": "Thought 1: easy\nAction 1: Finish[Paris]\n",
        "published_correct": True,
    }
    (tmp_path / "react.jsonl").write_text(json.dumps(row), "utf-8")
    found = answer(capsys, "eval", "react", "--replay", tmp_path / "react.jsonl", "--json")
    assert (found["em"], found["agreement"], found["parsed"], found["rows"]) == (1.0, 1.0, 1.0, 1)


def test_conversations_are_asked_turn_by_turn(kb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    turns = [
        {"question": "What colour is the door of room 0?", "answers": ["green"]},
        {"question": "And the lamp of room 1?", "answers": ["white"]},
    ]
    (tmp_path / "chat.jsonl").write_text(
        json.dumps({"id": "c", "turns": turns}) + '\n{"id": "empty", "turns": []}\n', "utf-8"
    )
    price = ("--price", "1,2", "--workers", 2)
    found = answer(capsys, "eval", "chat", "--data", tmp_path / "chat.jsonl", "--kb", kb, *price, "--json")
    assert (found["conversations"], found["queries"], found["follow_ups"]) == (1, 2, 1.0)
    assert (
        found["cost"] == pytest.approx((found["tokens_in"] + 2 * found["tokens_out"]) / 1e6, abs=1e-6) and found["cost"]
    )
    assert "empty" in found["problems"][0]


def test_make_answer_tune_and_export(kb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "q.jsonl"
    made = answer(capsys, "eval", "make", "--kb", kb, "--out", file, "--count", 12, "--unanswerable", 0, "--json")
    assert made["questions"] == len(file.read_text("utf-8").splitlines()) > 0
    assert (
        answer(capsys, "eval", "answers", "--data", file, "--kb", kb, "--out", tmp_path / "r", "--json")["queries"]
        == made["questions"]
    )
    assert run(["eval", "export", str(tmp_path / "r"), "--out", str(tmp_path / "x.jsonl"), "--kb", kb]) == 0
    row = json.loads((tmp_path / "x.jsonl").read_text("utf-8").splitlines()[0])
    assert set(row) == {"user_input", "response", "reference", "retrieved_contexts"} and row["retrieved_contexts"]
    assert "--to" in complaint(capsys, "eval", "export", tmp_path / "r", "--out", tmp_path / "y.jsonl", "--to", "excel")
    lines = [
        json.dumps({"id": n, "question": f"What colour is the door of room {n % 5}?", "answers": ["green"]})
        for n in range(12)
    ]
    file.write_text("\n".join(lines), "utf-8")
    tuned = answer(capsys, "eval", "tune", "--kb", kb, "--data", file, "--grid", '{"k": [1, 2]}', "--json")
    assert tuned["chosen"]["k"] in (1, 2, 6) and len(tuned["tried"]) == 3 and tuned["written"] is False


def test_make_over_two_documents_with_paraphrases_and_follow_ups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, price in (("North", 4), ("South", 9)):
        text = f"# Canteen {name}\n\n| Matter | Rule |\n|---|---|\n| Lunch | {price} EUR |\n| Hours | {price} to 14 |\n"
        (tmp_path / f"{name}.md").write_text(text, "utf-8")
    place, file = str(tmp_path / "kb"), tmp_path / "q.jsonl"
    assert (
        run(["sync", str(tmp_path / "North.md"), str(tmp_path / "South.md"), "--kb", place, "--embedder", "none"]) == 0
    )
    make = ("eval", "make", "--kb", place, "--out", file)
    made = answer(capsys, *make, "--two-documents", "--paraphrases", 1, "--unanswerable", 0, "--json")
    assert made["kinds"]["comparison"] >= 1 and made["kinds"]["paraphrase"] >= 1
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert all(
        len(row["uri"]) == 2 and len(row["answers"][0]["all"]) == 2 for row in rows if row["kind"] == "comparison"
    )
    assert answer(capsys, "eval", "answers", "--data", file, "--kb", place, "--json")["errors"] == 0
    talks = answer(capsys, *make, "--follow-ups", "--json")
    assert talks["kinds"] == {"follow-up": talks["questions"]}
    assert (
        answer(capsys, "eval", "chat", "--data", file, "--kb", place, "--json")["conversations"] == talks["questions"]
    )
    assert "--follow-ups writes conversations" in complaint(capsys, *make, "--follow-ups", "--paraphrases", 1)


def test_bad_input_is_one_line(beir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cut.json").write_text('{"suite": "answers", "items": [', "utf-8")
    (tmp_path / "list.json").write_text("[1]", "utf-8")
    (tmp_path / "empty.jsonl").write_text("", "utf-8")
    assert "corpus.jsonl" in complaint(capsys, "eval", "retrieval", "--data", tmp_path, "--json")
    assert "is no report" in complaint(capsys, "eval", "compare", tmp_path / "cut.json", tmp_path / "cut.json")
    assert "is no report" in complaint(
        capsys, "eval", "retrieval", "--data", beir, "--gate", tmp_path / "list.json", "--json"
    )
    assert "no usable row" in complaint(capsys, "eval", "refusal", "--data", tmp_path / "empty.jsonl")
    assert "--replay" in complaint(capsys, "eval", "pal")
    for suite, more in (("pal", ("--data", tmp_path)), ("react", ("--data", tmp_path)), ("pal", ("--model", "quote"))):
        assert "Leave out one" in complaint(capsys, "eval", suite, "--replay", tmp_path / "empty.jsonl", *more)
    assert "no rows" in complaint(capsys, "eval", "react", "--replay", tmp_path / "empty.jsonl")
    assert "--price" in complaint(capsys, "eval", "answers", "--data", beir, "--price", "cheap")
    assert "report" in complaint(capsys, "eval", "judge")


def test_a_data_set_in_mixed_encodings_is_read_and_its_faults_are_counted(
    beir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"):
        (tmp_path / name).write_bytes((beir / name).read_bytes())
    with (tmp_path / "corpus.jsonl").open("ab") as file:
        file.write('\n{"_id": "gb", "text": "门是绿色的"}\n'.encode("gb18030") + b'{"_id": "d0", "text": "again"}\n')
    with (tmp_path / "qrels.tsv").open("a", encoding="utf-8") as file:
        file.write("q0\tnowhere\t1\n")
    found = answer(capsys, "eval", "retrieval", "--data", tmp_path, "--embedder", "none", "--json")
    assert (
        found["queries"] == 6
        and any("d0" in p for p in found["problems"])
        and any("nowhere" in p for p in found["problems"])
    )


def test_a_suite_is_a_module_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nacre.eval.retrieval", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "corpus.jsonl" in done.stderr and "Traceback" not in done.stderr
