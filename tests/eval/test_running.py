"""An interrupted run goes on where it stopped; a failing question costs only itself."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nacre.connectors.models.quote import QuoteChatModel
from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.errors import EvaluationError, ModelError
from nacre.eval.items import group_of
from nacre.eval.pal import evaluate_pal
from nacre.eval.questions import Question
from nacre.eval.refusal import evaluate_refusal
from nacre.eval.robustness import evaluate_robustness
from nacre.eval.running import Suite, carry_out, run_items


def test_items_keep_their_order_and_errors_stay_with_their_item() -> None:
    def ask(task: int) -> dict[str, object]:
        if task == 2:
            raise ModelError("no answer")
        if task == 3:
            raise RuntimeError("provider")
        return {"value": task}

    items = run_items([1, 2, 3, 4], ask, name=str, workers=3)
    assert items == [
        {"id": "1", "value": 1},
        {"id": "2", "error": "no answer"},
        {"id": "3", "error": "RuntimeError: provider"},
        {"id": "4", "value": 4},
    ]


def test_a_second_run_asks_only_what_is_missing(tmp_path: Path) -> None:
    file, asked = tmp_path / "items.jsonl", []

    def ask(task: int) -> dict[str, object]:
        asked.append(task)
        return {"value": task}

    run_items([1, 2], ask, name=str, done_file=file, key="a")
    with file.open("a") as half:
        half.write('{"key": "a", "item": {"id": "3", "va')
    assert run_items([1, 2, 3], ask, name=str, done_file=file, key="a")[2] == {"id": "3", "value": 3}
    assert asked == [1, 2, 3]
    run_items([1], ask, name=str, done_file=file, key="another stack")
    assert asked == [1, 2, 3, 1]


def questions(*rows: tuple[str, str]) -> list[Question]:
    return [Question(id, f"What of {id}?", (gold,)) for id, gold in rows]


def suite(asked: list[str], rows: list[Question], **options: Any) -> Suite[Question]:
    def ask(question: Question) -> dict[str, Any]:
        asked.append(question.id)
        if question.id == "broken":
            raise ModelError("no answer")
        return {"right": 1.0, "gold": list(question.answers), "tokens_in": 1000, "tokens_out": 500}

    return Suite("sums", ("right",), rows, ask, options.pop("settings", {"stack": "a"}), **options)


def test_every_suite_is_counted_in_one_place() -> None:
    steps: list[tuple[int, int]] = []
    rows = questions(("a", "1"), ("broken", "2"), ("c", "3"), ("d", "4"))
    report = carry_out(
        suite([], rows, unit="queries", figures=lambda items: {"last": items[-1]["id"]}),
        limit=3,
        workers=2,
        price=(1.0, 2.0),
        on_progress=lambda *step: steps.append(step),
    )
    found = report.summary()
    assert (found["queries"], found["errors"], found["right"], found["last"]) == (3, 1, 0.666667, "c")
    assert (found["tokens_in"], found["tokens_out"], found["cost"]) == (2000, 1000, 0.004)
    assert found["seconds_p50"] >= 0 and steps == [(1, 3), (2, 3), (3, 3)]
    assert report.items[1] == {"id": "broken", "error": "no answer", "right": 0.0}


def test_a_question_is_asked_again_when_it_failed_or_it_or_the_stack_changed(tmp_path: Path) -> None:
    asked: list[str] = []
    rows = questions(("a", "1"), ("broken", "2"), ("c", "3"))
    carry_out(suite(asked, rows), out=tmp_path)
    carry_out(suite(asked, rows), out=tmp_path)
    assert asked == ["a", "broken", "c", "broken"]
    other = questions(("a", "one"), ("c", "3"), ("d", "4"))
    items = carry_out(suite(asked, other), out=tmp_path, limit=3).items
    assert asked[4:] == ["a", "d"] and [item["gold"] for item in items] == [["one"], ["3"], ["4"]]
    carry_out(suite(asked, other, settings={"stack": "b"}), out=tmp_path)
    assert asked[6:] == ["a", "c", "d"]


def test_what_measures_our_own_code_runs_anew(tmp_path: Path) -> None:
    asked: list[str] = []
    for _ in range(2):
        carry_out(suite(asked, questions(("a", "1")), resumes=False), out=tmp_path)
    assert asked == ["a", "a"] and not list(tmp_path.iterdir())


def test_refusals_go_on_where_they_stopped_and_never_take_over_another_model(tmp_path: Path) -> None:
    row = {"question": "Who paints?", "answer": "Rosa", "positive": ["Rosa paints."], "negative": ["It rains."]}
    (tmp_path / "rgb.jsonl").write_text("\n".join(json.dumps({**row, "id": n}) for n in range(3)), "utf-8")
    model = ScriptedChatModel(lambda messages, n: "Rosa paints [1].")
    for evaluate, calls in ((evaluate_refusal, 6), (evaluate_robustness, 6)):
        before = len(model.calls)
        out = tmp_path / evaluate.__name__
        first = evaluate(tmp_path / "rgb.jsonl", model, out=out)
        again = evaluate(tmp_path / "rgb.jsonl", model, out=out, workers=2)
        assert len(model.calls) - before == calls and again.items == first.items
        evaluate(tmp_path / "rgb.jsonl", QuoteChatModel(), out=out)
        assert len((out / "items.jsonl").read_text("utf-8").splitlines()) == 6


def test_programs_are_asked_several_at_a_time_and_taken_over_only_from_the_same_model(tmp_path: Path) -> None:
    rows = [{"question": "2 + 2?", "answer": 4}, {"question": "3 + 3?", "answer": 6}]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    model = ScriptedChatModel(lambda messages, n: f"```python\n{messages[-1].text[:5]}\n```")
    for _ in range(2):
        report = evaluate_pal(tmp_path / "sums.jsonl", model, out=tmp_path / "out", workers=2)
        assert [item["id"] for item in report.items] == ["row 1", "row 2"] and len(model.calls) == 2
    report = evaluate_pal(tmp_path / "sums.jsonl", QuoteChatModel(), out=tmp_path / "out")
    assert report.settings["stack"]["model"] != "ScriptedChatModel" and report.summary()["accuracy"] in (0.0, None)


def test_two_runs_never_write_into_one_folder(tmp_path: Path) -> None:
    from nacre.eval.running import only_writer

    with only_writer(tmp_path), pytest.raises(EvaluationError, match="Another run is writing into"):
        carry_out(suite([], questions(("a", "1"))), out=tmp_path)
    carry_out(suite([], questions(("a", "1"))), out=tmp_path)


def test_a_run_that_is_killed_anywhere_goes_on_without_a_false_figure(tmp_path: Path) -> None:
    rows = questions(*((f"q{n}", str(n)) for n in range(6)))
    carry_out(suite([], rows), out=tmp_path).write(tmp_path)
    whole = (tmp_path / "items.jsonl").read_bytes()
    for cut in range(0, len(whole), 37):
        (tmp_path / "items.jsonl").write_bytes(whole[:cut])
        asked: list[str] = []
        report = carry_out(suite(asked, rows), out=tmp_path)
        kept = whole[:cut].count(b"\n") + whole[:cut].endswith(b"}}")
        assert len(asked) == 6 - kept and report.summary()["right"] == 1.0
        assert [item["gold"] for item in report.items] == [[str(n)] for n in range(6)]
        assert not (tmp_path / "report.json").exists()  # of the run before, and none of this one yet
        again: list[str] = []
        carry_out(suite(again, rows), out=tmp_path)
        assert again == []


def test_what_a_run_left_that_is_no_reply_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_bytes(
        b'\xff\xfe\n[1]\n{"key": 1, "item": [2]}\n{"item": {}}\nnull\n' + b"[" * 90_000
    )
    asked: list[str] = []
    carry_out(suite(asked, questions(("a", "1"))), out=tmp_path)
    assert asked == ["a"]


def test_replies_are_kept_as_they_come_however_slow_the_first_is(tmp_path: Path) -> None:
    released = threading.Event()

    def ask(task: int) -> dict[str, object]:
        if task == 0:
            released.wait(20)
        return {"value": task}

    def progress(done: int, total: int) -> None:
        if done == 3:
            assert len((tmp_path / "items.jsonl").read_text("utf-8").splitlines()) == 3
            released.set()

    items = run_items(range(4), ask, name=str, workers=2, done_file=tmp_path / "items.jsonl", on_progress=progress)
    assert [item["value"] for item in items] == [0, 1, 2, 3]


def test_repeats_are_asked_anew_and_count_as_one(tmp_path: Path) -> None:
    asked: list[str] = []
    report = carry_out(suite(asked, questions(("a", "1"), ("b", "2"))), repeat=3, out=tmp_path)
    assert asked == ["a", "b"] * 3 and [item["id"] for item in report.items] == [
        "a",
        "b",
        "a #2",
        "b #2",
        "a #3",
        "b #3",
    ]
    assert [group_of(item) for item in report.items] == ["a", "b"] * 3
    carry_out(suite(asked, questions(("a", "1"), ("b", "2"))), repeat=4, out=tmp_path)
    assert len(asked) == 8


def test_ids_twice_are_refused() -> None:
    with pytest.raises(EvaluationError, match="Two questions have the id 'a'"):
        carry_out(suite([], questions(("a", "1"), ("a", "2"))))


def test_a_file_may_be_renamed_and_rows_without_ids_may_move(tmp_path: Path) -> None:
    asked: list[str] = []

    def told(rows: list[Question], data: str) -> Any:
        made = suite(asked, rows, settings={"stack": "a", "data": data})
        return carry_out(replace(made, asked=lambda question: question.text), out=tmp_path)

    told(questions(("a", "1"), ("b", "2")), "one.csv")
    moved = [Question("1", "New?", ("0",)), Question("2", "What of a?", ("1",)), Question("3", "What of b?", ("2",))]
    assert [item["id"] for item in told(moved, "two.csv").items] == ["1", "2", "3"]
    assert asked == ["a", "b", "1"]


def test_the_last_runs_are_remembered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nacre.cli import run

    for gold in ("1", "2"):
        carry_out(suite([], questions(("a", gold)))).write(tmp_path)
    with (tmp_path / "history.jsonl").open("a") as half:
        half.write('{"at": "2026')
    assert run(["eval", "history", str(tmp_path), "--out", str(tmp_path / "h.html"), "--json"]) == 0
    assert [row["means"] for row in json.loads(capsys.readouterr().out)["runs"]] == [{"right": 1.0}] * 2
    page = (tmp_path / "h.html").read_text("utf-8")
    assert "2 runs" in page and "right: 1.000 → 1.000" in page and "<main>" in page
    assert run(["eval", "history", str(tmp_path / "none")]) == 2 and "no history" in capsys.readouterr().err
