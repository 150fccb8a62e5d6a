"""Twenty ways in which an evaluation could flatter, each as somebody met it: nothing stale, nothing missing, told."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from nacre import KnowledgeBase, ScriptedChatModel, prompts
from nacre.cli import run
from nacre.errors import EvaluationError
from nacre.eval import Question, Rules, ask_all, gated, judge_answers, judge_pairs
from nacre.eval.answers import described, evaluate_answers
from nacre.eval.chat import evaluate_chat
from nacre.eval.gate import compare
from nacre.eval.judge import kappa
from nacre.eval.metrics import contains, exact_match
from nacre.eval.questions import load_questions
from nacre.eval.report import read_report
from nacre.text.messages import last_user_text

COLOURS = ("green", "white", "red", "black", "blue", "amber", "grey", "pink")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KnowledgeBase]:
    docs = tmp_path_factory.mktemp("docs")
    for n, colour in enumerate(COLOURS):
        (docs / f"room{n}.md").write_text(f"The door of room {n} is painted {colour}.", "utf-8")
    with KnowledgeBase.open(tmp_path_factory.mktemp("kb") / "kb", embedder="none") as made:
        made.sync(str(docs))
        yield made


def questions(count: int = 4, **gold: str) -> list[Question]:
    return [
        Question(f"q{n}", f"What colour is the door of room {n}?", (gold.get(f"q{n}", COLOURS[n]),))
        for n in range(count)
    ]


def painter(fails: Callable[[int], bool] = lambda n: False) -> ScriptedChatModel:
    """Answers rightly, but where it is to fail."""

    def answer(messages: list[BaseMessage], call: int) -> str:
        asked = last_user_text(messages)
        number = int(asked.rsplit("room ", 1)[1].split("?")[0])
        if fails(number):
            raise RuntimeError("503 overloaded")
        return f"It is painted {COLOURS[number]}. [1]"

    return ScriptedChatModel(answer)


def asked(
    base: KnowledgeBase, model: ScriptedChatModel, rows: list[Question], out: Path | None = None, **more: Any
) -> Any:
    return ask_all(base, model, rows, [], "set", **({"out": out} if out else {}), **more)


def data(values: list[float], **more: Any) -> dict[str, Any]:
    items = [{"id": str(n), "question": f"q {n}", "contains": v, **more} for n, v in enumerate(values)]
    return {"suite": "answers", "metrics": ["contains"], "items": items}


# --- 1 to 4: nothing stale --------------------------------------------------------------------------------------------


def test_1_a_gold_answer_that_was_mended_counts_at_once_and_costs_no_call(base: KnowledgeBase, tmp_path: Path) -> None:
    model = painter()
    assert asked(base, model, questions(), tmp_path).summary()["contains"] == 1.0
    again = asked(base, model, questions(q0="violet", q1="violet"), tmp_path)
    assert again.summary()["contains"] == 0.5 and len(model.calls) == 4


def test_2_an_edited_prompt_of_either_language_is_another_system(base: KnowledgeBase, tmp_path: Path) -> None:
    own = tmp_path / "own" / "rag"
    own.mkdir(parents=True)
    shutil.copy(Path(prompts.__file__).parent / "rag" / "answer.zh.yaml", own)
    model = painter()
    before = asked(base, model, questions(2), tmp_path / "out")
    text = (own / "answer.zh.yaml").read_text("utf-8").replace("system: |", "system: |\n      你是海盗。", 1)
    (own / "answer.zh.yaml").write_text(text, "utf-8")
    try:
        prompts.use(tmp_path / "own")
        after = asked(base, model, questions(2), tmp_path / "out")
    finally:
        prompts.forget()
    assert len(model.calls) == 4
    assert before.settings["prompts"]["rag/answer"] != after.settings["prompts"]["rag/answer"]
    assert before.settings["prompt"] == after.settings["prompt"]  # its version was forgotten


def test_3_a_verdict_is_about_the_answer_that_is_in_the_report(tmp_path: Path) -> None:
    judge = ScriptedChatModel(lambda messages, n: '{"score": 5}')
    row = {"id": "1", "question": "When?", "answer": "At nine.", "sources": ["It opens at nine."]}
    for answer, calls in (("At nine.", 1), ("At nine.", 1), ("At ten.", 2)):
        judge_answers([{**row, "answer": answer}], judge, criteria=["honest"], name="r", out=tmp_path)
        assert len(judge.calls) == calls


def test_4_a_verdict_that_failed_is_asked_again_and_no_other(tmp_path: Path) -> None:
    replies: list[Any] = ['{"score": 5}', RuntimeError("429"), '{"score": 1}']
    judge = ScriptedChatModel(replies)
    row = {"id": "1", "question": "When?", "answer": "At nine."}
    first = judge_answers([row], judge, criteria=["honest", "helpful"], out=tmp_path)
    assert first.summary()["unjudged"] == 1 and first.items[0]["helpful"] is None
    again = judge_answers([row], judge, criteria=["honest", "helpful"], out=tmp_path)
    assert again.summary()["unjudged"] == 0 and again.items[0]["helpful"] == 0.0 and len(judge.calls) == 3


# --- 5 to 8: nothing missing ------------------------------------------------------------------------------------------


def test_5_questions_that_fail_lower_the_mean_and_disarm_no_gate(base: KnowledgeBase, tmp_path: Path) -> None:
    report = asked(base, painter(lambda n: n < 1), questions())
    assert report.summary()["contains"] == 0.75 and report.summary()["errors"] == 1
    assert "503 overloaded" in report.items[0]["error"]
    with pytest.raises(EvaluationError, match=r"1 of 4 questions failed.*503 overloaded.*only what failed is asked"):
        compare(report.data(), report.data())


def test_5_a_run_with_failures_says_so_first_and_ends_with_2(
    base: KnowledgeBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.jsonl").write_text('{"question": "What colour is the door?", "answers": ["green"]}', "utf-8")
    arguments = ["eval", "answers", "--data", str(tmp_path / "q.jsonl"), "--target", "builtins:print_nothing"]
    assert run(arguments) == 2 and "--target" in capsys.readouterr().err
    target = ["--target", "math:sqrt"]  # fails with a TypeError on every question
    assert run([*arguments[:4], *target, "--out", str(tmp_path / "r")]) == 2
    assert "1 of 1 questions failed" in capsys.readouterr().err.splitlines()[0]
    assert "questions failed and count as wrong" in (tmp_path / "r" / "report.md").read_text("utf-8").splitlines()[2]
    assert run([*arguments[:4], *target, "--max-failed", "1"]) == 0


def test_6_a_conversation_that_breaks_keeps_all_its_turns(base: KnowledgeBase, tmp_path: Path) -> None:
    turns = [{"question": f"What colour is the door of room {n}?", "answers": [COLOURS[n]]} for n in range(3)]
    (tmp_path / "chat.jsonl").write_text(json.dumps({"id": "c", "turns": turns}), "utf-8")
    model = painter(lambda n: n == 1)
    report = evaluate_chat(tmp_path / "chat.jsonl", model, base.folder)
    assert [item["id"] for item in report.items] == ["c.1", "c.2", "c.3"]
    assert [item["contains"] for item in report.items] == [1.0, 0.0, 0.0] and report.summary()["errors"] == 2
    assert {item["group"] for item in report.items} == {"c"}


def test_7_questions_in_one_run_only_close_the_gate(tmp_path: Path) -> None:
    before = data([1.0] * 60)
    fewer, renamed = data([1.0] * 20), data([1.0] * 60)
    for n, item in enumerate(renamed["items"][1:]):
        item["id"] = f"x{n}"
    for after, missing, new in ((fewer, 40, 0), (renamed, 59, 59)):
        verdict = gated(after, before)
        assert verdict.state == "red" and (len(verdict.paired.missing), len(verdict.paired.new)) == (missing, new)
        assert f"{missing} questions of the baseline are missing" in verdict.told
        assert gated(after, before, rules=Rules(allow_missing=True)).passed


def test_8_rows_without_ids_are_paired_by_their_question_and_others_only_where_it_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "q.csv"
    rows = [f"What colour is door {n}?,{COLOURS[n]}" for n in range(6)]

    def report(lines: list[str]) -> dict[str, Any]:
        file.write_text("question,answers\n" + "\n".join(lines), "utf-8")
        found, _ = load_questions(file)
        items = [
            {"id": q.id, "question": q.text, "named": q.named, "contains": float("5" not in q.text)} for q in found
        ]
        return {"suite": "answers", "metrics": ["contains"], "items": items}

    verdict = gated(report(["A new one?,x", *rows]), report(rows), rules=Rules(allow_missing=True))
    change = verdict.changes[0]
    assert (change.items, change.worse, change.better) == (6, (), ())
    other = data([1.0, 1.0])
    other["items"][0]["question"] = "something else"
    assert gated(other, data([1.0, 1.0])).paired.changed == ("0",)


# --- 9, 10: mistakes in question files (more of them in test_questions.py) ---------------------------------------------


def test_9_a_misspelt_key_makes_no_question_unanswerable(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": "1", "question": "Open?", "anwsers": ["nine"]}', "utf-8")
    with pytest.raises(EvaluationError, match=r"q.jsonl:1: unknown key 'anwsers'. Did you mean 'answers'"):
        load_questions(tmp_path / "q.jsonl")


def test_10_an_encoding_of_excel_is_read_and_said(tmp_path: Path) -> None:
    rows = "\n".join(f"第{n}号会议室的投影仪由哪个部门保管？,行政部" for n in range(5))
    (tmp_path / "q.csv").write_bytes(("问题,答案\n" + rows).encode("gbk"))
    found, problems = load_questions(tmp_path / "q.csv")
    assert found[0].answers == ("行政部",) and len(found) == 5
    assert "gb18030" in problems[0]


# --- 11 to 13: the gate -----------------------------------------------------------------------------------------------


def test_11_a_loss_that_is_not_sure_is_worded_as_one_with_what_could_have_been_seen() -> None:
    verdict = gated(data([0.0] * 6 + [1.0] * 54), data([1.0] * 60))
    assert verdict.state == "yellow" and verdict.passed
    assert "Worse, but not surely: contains 1.000 → 0.900 (6 questions worse, 0 better" in verdict.told
    assert "With 60 questions a drop of contains below" in verdict.power and "needed" in verdict.power
    assert verdict.smallest_drop == pytest.approx(0.167, abs=0.01)
    assert gated(data([1.0] * 6), data([1.0] * 6)).smallest_drop is None  # six flips prove nothing


def test_12_slower_dearer_and_drifting_runs_do_not_pass() -> None:
    fast, slow = data([1.0] * 40, seconds=0.06, tokens_in=100), data([1.0] * 40, seconds=0.56, tokens_in=100)
    assert "seconds a question 0.06 → 0.56" in gated(slow, fast).told and not gated(slow, fast).passed
    long = data([1.0] * 40, seconds=0.06, tokens_in=400)
    assert "tokens" in gated(long, fast).told and gated(fast, slow).passed
    runs = [data([0.0] * lost + [1.0] * (200 - lost)) for lost in range(0, 22, 2)]
    assert all(gated(after, before).passed for before, after in itertools.pairwise(runs))
    assert "Beside the anchor" in gated(runs[-1], runs[-2], anchors=[runs[0]]).told


def test_13_a_group_counts_as_one() -> None:
    before, after = data([1.0] * 40), data([0.0] * 10 + [1.0] * 30)
    assert not gated(after, before).passed
    for report in (before, after):
        for n, item in enumerate(report["items"]):
            item["group"] = f"paraphrases {n // 10}"
    assert gated(after, before).passed  # one of four changed its mind


# --- 14 to 16: judges -------------------------------------------------------------------------------------------------


def test_14_both_orders_see_the_same_sources_and_a_judge_of_places_is_found_out() -> None:
    before = data([1.0], answer="At nine.", shown=["It opens at nine."])
    after = data([1.0], answer="Ask us.", shown=[])
    judge = ScriptedChatModel(lambda messages, n: '{"winner": "A"}')
    report = judge_pairs(before, after, judge)
    assert (report.summary()["preferred"], report.summary()["inconsistent"]) == (0.5, 1.0)
    assert all("It opens at nine." in last_user_text(call) for call in judge.calls)
    tie = judge_pairs(before, after, ScriptedChatModel(lambda messages, n: '{"winner": "tie"}'))
    assert (tie.summary()["preferred"], tie.summary()["inconsistent"]) == (0.5, 0.0)


def test_15_a_judge_sees_the_gold_answer_and_what_the_model_was_shown() -> None:
    judge = ScriptedChatModel(lambda messages, n: '{"score": 5}')
    row = {
        "id": "1",
        "question": "When?",
        "answer": "At nine.",
        "gold": ["9:00"],
        "shown": ["whole"],
        "sources": ["cut"],
    }
    judge_answers([row, {**row, "id": "2", "gold": []}], judge, criteria=["correct", "faithful"])
    first, faithful, refusing, _ = [last_user_text(call) for call in judge.calls]
    assert "9:00" in first and "whole" in faithful and "cut" not in faithful and "saying so is right" in refusing


def test_16_labels_are_read_strictly_and_constants_have_no_kappa() -> None:
    judge = ScriptedChatModel(lambda messages, n: '{"score": 5}')
    row = {"id": "1", "question": "When?", "answer": "At nine."}
    labelled = [{**row, "id": str(n), "labels": {"honest": label}} for n, label in enumerate(("no", "yes", 1, 0))]
    figures = judge_answers(labelled, judge, criteria=["honest"]).figures
    assert figures["honest_agreement"] == 0.5 and figures["honest_kappa"] == 0.0
    low, high = figures["honest_kappa_interval"]
    assert low <= 0 <= high and kappa([True, True], [True, True]) is None
    with pytest.raises(EvaluationError, match=r"faithfull.*faithful"):
        judge_answers([{**row, "labels": {"faithfull": 1}}], judge)
    with pytest.raises(EvaluationError, match="honest is 5"):
        judge_answers([{**row, "labels": {"honest": 5}}], judge)


# --- 17 to 20: where people work --------------------------------------------------------------------------------------


def test_17_anything_that_answers_is_a_target_and_one_question_more_asks_one(tmp_path: Path) -> None:
    from nacre.eval import assert_answers, evaluate_target

    calls: list[str] = []

    def application(question: str) -> str:
        calls.append(question)
        return "I do not know." if "founded" in question else "It opens at 9:00."

    rows: list[dict[str, Any]] = [
        {"question": "When does it open?", "answers": ["9:00"]},
        {"question": "Who founded it?", "answers": []},
    ]
    assert evaluate_target(application, rows, out=tmp_path).summary()["refusal_recall"] == 1.0
    report = evaluate_target(application, [{"question": "Till when?", "answers": ["18:00"]}, *rows], out=tmp_path)
    assert len(calls) == 3 and report.summary()["contains"] == 0.5
    assert len(report.to_pandas()) == 3 and len(repr(report)) < 200
    with pytest.raises(AssertionError, match="Till when"):
        assert_answers(application, [{"question": "Till when?", "answers": ["18:00"]}], contains=0.9)


def test_18_why_reads_a_report_and_asks_nothing_anew(base: KnowledgeBase) -> None:
    from nacre import RetrievalAugmented
    from nacre.eval import failures_of

    model = ScriptedChatModel(lambda messages, n: "It is a secret.")
    rows = [
        *questions(3),
        Question("absent", "Who painted the doors?", ("Rosa Lima",)),
        Question("none", "What colour is the door of room 3, by Ana?", ()),
    ]
    report = asked(base, model, rows)
    count = len(model.calls)
    found = failures_of(report.data(), RetrievalAugmented(inner=model, retriever=base.retriever(k=6)))
    assert len(model.calls) == count
    assert {group.stage: len(group.questions) for group in found} == {"model": 3, "source": 1, "answered": 1}
    assert all(group.cure for group in found)


def test_19_a_verdict_becomes_a_question() -> None:
    from nacre.eval.production import rows_of

    given = {
        "question": "When does it open?",
        "answer": "At 9:00. [1]",
        "sources": [{"uri": "file:///a.md"}],
        "request": "r1",
    }
    rows = rows_of([{**given, "verdict": "up"}, {**given, "question": "when does it  OPEN?", "verdict": "down"}])
    assert len(rows) == 1 and rows[0]["answers"] is None and rows[0]["verdict"] == "down"
    assert rows_of([{**given, "verdict": "up"}])[0]["answers"] == ["At 9:00."]


def test_20_a_report_is_read_where_people_work(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    from nacre.eval.exports import junit, table

    report = data([1.0, 0.0], answer="=cmd()\x00", gold=["a"])
    report["items"].append({"id": "e", "error": "down"})
    suite = ElementTree.fromstring(junit(report))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert "'=cmd()" in table(report) and table(report).startswith("\ufeffid,")


def test_matching_of_single_letters_and_denials() -> None:
    assert contains("The answer is A.", ["A"]) == 1 and exact_match("the", ["A"]) == 0
    assert contains("It is not refundable.", ["refundable"]) == 0


def test_a_stack_of_ones_own_is_measured_as_an_asker(base: KnowledgeBase, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(
        '{"question": "What colour is the door of room 1?", "answers": ["white"]}', "utf-8"
    )
    stack = {"layers": ["retry", {"use": "rag", "k": 2}]}
    options: dict[str, Any] = {"kb": base.folder, "stack": stack, "principals": ["*"]}
    report = evaluate_answers(tmp_path / "q.jsonl", painter(), **options)
    assert report.summary()["contains"] == 1.0 and report.settings["as"] == ["*"]
    assert report.settings["stack"]["layers"][0] == "retry" and described(painter())["prompts"] == {}


def test_reports_of_a_run_that_failed_are_read_back(base: KnowledgeBase, tmp_path: Path) -> None:
    asked(base, painter(lambda n: n == 2), questions(), tmp_path).write(tmp_path)
    assert read_report(tmp_path)["errors"] == 1
    model = painter()
    asked(base, model, questions(), tmp_path).write(tmp_path)
    assert read_report(tmp_path)["errors"] == 0 and len(model.calls) == 1
