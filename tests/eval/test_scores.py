"""The exact figures of small cases, module by module: what any small fault in them would change."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from nacre import ScriptedChatModel
from nacre.errors import EvaluationError, UsageError
from nacre.eval import Question, Report, assert_answers, evaluate_target, judge_answers, judge_pairs
from nacre.eval.answers import prompts_of, reply_of_any, scored, stands, usage
from nacre.eval.chat import load_conversations
from nacre.eval.datasets import RobustnessRow
from nacre.eval.exports import exported, junit, table
from nacre.eval.failures import _enough, _grouped, _reply
from nacre.eval.history import NAME, history, page, remember, trend
from nacre.eval.items import failures, group_of, went_wrong, worst, write_rows
from nacre.eval.production import drift, open_row, rows_of
from nacre.eval.refusal import ask_twice, evaluate_refusal
from nacre.eval.report import fingerprint, percentile, read_report
from nacre.eval.robustness import evaluate_robustness, mixed
from nacre.eval.running import counted, replayed
from nacre.eval.stages import Diagnosis
from nacre.eval.targets import is_refusal, over_http
from nacre.text.messages import last_user_text, nacre_of

# --- items and reports ------------------------------------------------------------------------------------------------


def test_which_items_went_wrong() -> None:
    assert went_wrong({"error": "x", "contains": 1.0}) and went_wrong({"contains": 0.49}) and went_wrong({"em": 0})
    assert not went_wrong({"contains": 0.5}) and not went_wrong({"contains": None}) and not went_wrong({})
    assert went_wrong({"contains": None, "refusal_recall": 0.0}) and not went_wrong({"contains": 1.0, "em": 0.0})
    assert worst(["contains", "misled", "abstained", "false_refusals"]) == {
        "contains": 0.0,
        "misled": 1.0,
        "false_refusals": 1.0,
    }
    assert group_of({"id": 1}) == "1" and group_of({"id": 1, "group": "g"}) == "g"


def test_failures_are_told_in_one_sentence() -> None:
    items = [{"id": "a", "error": "503" * 100}, {"id": "b", "error": "x"}, {"id": "c", "error": "503" * 100}, {"id": 4}]
    told = failures({"items": items})
    assert told == f"3 of 4 questions failed and count as wrong (a, b, c); most often: {('503' * 100)[:200]}"
    many = failures({"items": [{"id": f"question {n:03}", "error": "x"} for n in range(40)]})
    assert len(many.split("(")[1].split(")")[0]) == 200 and failures({"items": [{"id": 1}]}) == ""


def test_rows_are_written_one_a_line(tmp_path: Path) -> None:
    write_rows(tmp_path / "new" / "r.jsonl", [{"a": "é"}, {"b": Path("x")}])
    assert (tmp_path / "new" / "r.jsonl").read_text("utf-8") == '{"a": "é"}\n{"b": "x"}\n'


def test_percentiles_fingerprints_and_means() -> None:
    assert [percentile([3, 1, 2, 4], share) for share in (0, 0.25, 0.5, 0.51, 1)] == [1, 1, 2, 3, 4]
    assert percentile([7], 0.95) == 7 and len(fingerprint(["a"])) == 16
    assert fingerprint(["a", "b"]) == fingerprint(["b", "a"]) != fingerprint(["ab"])
    report = Report("s", ("m", "n"), [{"id": 1, "m": 1 / 3}, {"id": 2, "m": None}, {"id": 3, "m": 1.0}])
    summary = report.summary()
    assert (summary["m"], summary["n"]) == (0.666667, None) and set(summary["intervals"]) == {"m"}
    assert repr(report) == "Report('s', 3 items: m 0.666667)"


def test_what_is_no_report_is_told(tmp_path: Path) -> None:
    Report("s", ("m",), [{"id": "é", "m": 1.0}]).write(tmp_path)
    assert read_report(tmp_path) == read_report(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text("utf-8")
    assert "é" in text and '\n "suite": "s"' in text
    for wrong in ("[]", '{"suite": 1, "metrics": 2}', "{"):
        (tmp_path / "report.json").write_text(wrong, "utf-8")
        with pytest.raises(EvaluationError, match="is no report"):
            read_report(tmp_path)


def test_counts_latency_tokens_and_cost() -> None:
    items = [{"seconds": 0.1 * n, "tokens_in": 1000, "tokens_out": 10} for n in range(1, 21)] + [{"error": "x"}]
    found = counted(items, "queries", (2.0, 50.0))
    assert found == {
        "queries": 21,
        "errors": 1,
        "seconds_p50": pytest.approx(1.0),
        "seconds_p95": pytest.approx(1.9),
        "tokens_in": 20_000,
        "tokens_out": 200,
        "cost": 0.05,
    }
    assert counted([{"error": "x"}], "q") == {"q": 1, "errors": 1}
    assert counted([{}], "q", (1.0, 1.0)) == {"q": 1, "errors": 0, "tokens_in": 0, "tokens_out": 0, "cost": 0.0}
    assert counted([{"tokens_in": 1}], "q", (1 / 3, 0.0))["cost"] == 0.0 != counted(items, "q", (1 / 3, 0))["cost"]
    assert counted(items, "q", (1 / 3, 0.0))["cost"] == 0.006667


def test_a_replay_is_one_flat_object() -> None:
    items = [{"id": 1, "em": 1, "agreement": 1}, {"id": 2, "em": 0, "agreement": 0}]
    found = replayed(Report("r", ("em", "agreement", "none"), items, {"rows": 2}))
    assert found == {"em": 0.5, "agreement": 0.5, "none": 0.0, "rows": 2, "disagreements": [2]}


# --- answers ----------------------------------------------------------------------------------------------------------

TEXT = "It opens at nine. It closes at six."
BASE: Any = SimpleNamespace(text=lambda uri: TEXT)
HIT = {"n": 1, "uri": "file:///d/a.md", "start": 0, "end": 17, "text": TEXT[:17]}
CITED = {"n": 1, "uri": "file:///d/a.md", "start": 0, "end": 17, "quote": TEXT[:17], "answer_start": 0}


def score(question: Question, base: Any = BASE, **reply: Any) -> dict[str, Any]:
    return scored(question, {"answer": "", "abstained": False, **reply}, base)


def test_an_answer_is_scored_in_all_its_figures() -> None:
    question = Question("1", "When does it open?", ("nine",), "d/a.md", "g", True, False)
    item = score(question, answer="It opens at nine. [1] Ask us.", hits=[HIT], citations=[CITED], seconds=2.0)
    figures = {name: item[name] for name in ("contains", "em", "evidence", "citation_answer", "false_refusals")}
    assert figures == {"contains": 1.0, "em": 0.0, "evidence": 1.0, "citation_answer": 1.0, "false_refusals": 0.0}
    assert item["citation_precision"] == 1.0 and item["citation_recall"] == 0.5 and item["same_language"] == 1.0
    assert item["sources"] == [f"[1] file:///d/a.md [0:17] {TEXT[:17]}"] and item["shown"] == [TEXT[:17]]
    assert item["retrieved"] == ["[1] file:///d/a.md [0:17]"] and item["seconds"] == 2.0 and item["abstained"] == 0.0
    assert (item["uri"], item["group"], item["must"], item["named"]) == ("d/a.md", "g", True, False)
    assert "refusal_recall" not in item and "reward" not in item


def test_evidence_counts_in_the_right_document_and_citations_where_they_stand() -> None:
    other = {**HIT, "n": 2, "uri": "file:///d/b.md"}
    question = Question("1", "When does it open?", ("nine",), "a.md")
    found = score(question, answer="At nine. [2]", hits=[other], citations=[{**CITED, "n": 2, "quote": "It opens."}])
    assert (found["evidence"], found["citation_answer"], found["citation_precision"]) == (0.0, 0.0, 0.0)
    assert found["citation_recall"] == 0.0
    uncited = score(question, answer="At nine.", hits=[HIT, other], citations=[{**CITED, "n": 2}])
    assert (uncited["evidence"], uncited["citation_answer"], uncited["citation_precision"]) == (1.0, 0.0, 1.0)
    none = score(question, answer="At nine.", hits=[HIT])
    assert (none["citation_precision"], none["citation_recall"], none["citation_answer"]) == (0.0, 0.0, 0.0)
    assert score(question, answer="")["citation_recall"] == 0.0
    assert not stands({**CITED, "quote": ""}, BASE) and not stands({**CITED, "start": 1}, BASE) and stands(CITED, BASE)
    both = Question("1", "When?", ("nine",), "x.md|b.md")
    assert score(both, hits=[other])["evidence"] == 1.0 and both.documents == ["x.md", "b.md"]
    assert "retrieved" in score(both, hits=[{"n": 1, "uri": "", "text": "x"}])
    assert score(both, hits=[{"n": 1, "uri": "", "text": "x"}])["retrieved"] == []


def test_refusals_languages_and_failures() -> None:
    asked = Question("1", "When does it open?", ("nine",))
    refused = score(asked, answer="It says nine, perhaps.", abstained=True)
    assert (refused["contains"], refused["false_refusals"], refused["abstained"]) == (0.0, 1.0, 1.0)
    assert "citation_precision" not in refused and "refusal_recall" not in refused
    nothing = Question("1", "Who founded it?")
    assert score(nothing, abstained=True)["refusal_recall"] == 1.0 and score(nothing)["refusal_recall"] == 0.0
    assert "contains" not in score(nothing) and "citation_answer" not in score(nothing)
    assert score(asked, answer="42")["same_language"] is None and score(asked, answer="九点")["same_language"] == 0.0
    assert "citation_precision" not in score(asked, None, answer="At nine.")
    wrong = scored(asked, {"error": "x"}, BASE)
    assert wrong == {
        "question": "When does it open?",
        "gold": ["nine"],
        "error": "x",
        "false_refusals": 1.0,
        **dict.fromkeys(("contains", "em", "f1", "evidence", "same_language"), 0.0),
        **dict.fromkeys(("citation_precision", "citation_recall", "citation_answer"), 0.0),
    }
    lost = scored(nothing, {"error": "x"}, BASE)
    assert set(lost) == {"question", "gold", "error", "refusal_recall", "same_language"} | {
        "citation_precision",
        "citation_recall",
    }
    assert "citation_recall" not in scored(nothing, {"error": "x"}, None)
    assert score(asked, answer="x", reward=0.25)["reward"] == 0.25


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("At nine.", {"answer": "At nine.", "abstained": False, "hits": []}),
        ("I don't know.", {"answer": "I don't know.", "abstained": True, "hits": []}),
        (AIMessage("At nine."), {"answer": "At nine.", "abstained": False, "hits": []}),
        ({"answer": "I don't know.", "abstained": False}, {"answer": "I don't know.", "abstained": False, "hits": []}),
        (
            {"answer": "Nine.", "abstained": 1, "sources": ["a", "b"]},
            {
                "answer": "Nine.",
                "abstained": True,
                "hits": [{"n": 1, "uri": "", "text": "a"}, {"n": 2, "uri": "", "text": "b"}],
            },
        ),
    ],
)
def test_whatever_a_target_says_is_a_reply(said: Any, reply: Mapping[str, Any]) -> None:
    assert reply_of_any(said) == reply


def test_a_target_that_says_no_answer_is_told_and_names_are_found() -> None:
    with pytest.raises(EvaluationError, match=r"\['answer', 'b'\]; an answer needs the text"):
        reply_of_any({"answer": 5, "b": 1})
    rows = [{"question": f"{n}?", "answers": ["no"]} for n in range(30)]
    assert evaluate_target(str, rows).settings["target"] == "str"
    assert evaluate_target(str, rows, name="mine").settings["target"] == "mine"
    model = ScriptedChatModel(lambda messages, n: "no")
    assert evaluate_target(model, rows).settings["target"] == "ScriptedChatModel"
    assert_answers(model, rows)
    assert_answers(str, rows, contains=0.0)
    with pytest.raises(AssertionError) as told:
        assert_answers(str, rows)
    lines = str(told.value).splitlines()
    assert lines[0] == "contains is 0.000; --min asks for 1.0." and len(lines) == 21 and lines[1] == "1: 0? → 0?"
    with pytest.raises(AssertionError, match=r"1 of 1 questions failed.*\n1: x\? → TypeError"):
        assert_answers(len and (lambda q: 1 + q), [{"question": "x?", "answers": ["x"]}], contains=0.0)  # type: ignore[operator]


def test_refusals_of_systems_that_mark_none_are_guessed_from_the_first_sentence() -> None:
    for said in ("", "I do not know. It is nine.", "文档中没有找到相关信息。", "There is no information about it."):
        assert is_refusal(said), said
    for said in ("It is nine. I do not know more.", "It does not rain.", "九点开门。"):
        assert not is_refusal(said), said


def test_an_endpoint_is_asked_as_openai_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    sent: list[Any] = []
    replies: list[Any] = [
        {"choices": [{"message": {"content": "Nine.", "nacre": {"abstained": True}}}]},
        {"choices": [{"message": {"content": None}}]},
        {"choices": []},
        500,
    ]

    def post(self: httpx.Client, url: str, json: Any) -> httpx.Response:
        sent.append((url, json["model"], json["messages"][0]["content"]))
        reply = replies[len(sent) - 1]
        return httpx.Response(reply, text="down") if isinstance(reply, int) else httpx.Response(200, json=reply)

    monkeypatch.setattr(httpx.Client, "post", post)
    ask = over_http("http://host/v1/#small")
    assert ask("When?") == {"answer": "Nine.", "abstained": True}
    assert over_http("https://host/v1")("Who?") == {"answer": "", "abstained": None}
    address = "host/v1/chat/completions"
    assert sent == [(f"http://{address}", "small", "When?"), (f"https://{address}", "default", "Who?")]
    for match in ("answered no chat completion", "answered 500: down"):
        with pytest.raises(Exception, match=match):
            ask("What?")
    with pytest.raises(UsageError, match="no http address"):
        over_http("host/v1")


def test_prompts_of_layers_and_tokens_of_replies() -> None:
    assert set(prompts_of(["rag", {"use": "chain_of_thought"}])) == {
        id for id in prompts_of(["house:Own"]) if id.split("/")[0] in ("rag", "cot")
    }
    assert set(prompts_of([{"use": "pal", "prompt": "rag/answer"}])) > {"rag/answer"} and not prompts_of([])
    assert not any(id.startswith(("judge/", "eval/")) for id in prompts_of(["house:Own"]))
    told = AIMessage("x", usage_metadata={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
    assert usage(told) == {"tokens_in": 3, "tokens_out": 4} and usage(AIMessage("x")) == {}


# --- suites over given passages, and conversations ---------------------------------------------------------------------


def rgb(tmp_path: Path, **more: Any) -> Path:
    row = {
        "id": "1",
        "question": "Who paints?",
        "answer": ["Rosa"],
        "positive": ["Rosa paints."],
        "negative": ["Rain."],
    }
    (tmp_path / "rgb.jsonl").write_text(json.dumps({**row, **more}), "utf-8")
    return tmp_path / "rgb.jsonl"


def painter(messages: list[BaseMessage], n: int) -> str:
    shown = str([message.content for message in messages])
    return "Rosa paints. [1]" if "Rosa paints" in shown else "Max paints. [1]" if "Max" in shown else "It rains. [1]"


def test_refusals_are_scored_by_the_kind_of_passages(tmp_path: Path) -> None:
    [item] = evaluate_refusal(rgb(tmp_path), ScriptedChatModel(painter)).items
    told = {name: item[name] for name in ("refusal_recall", "false_refusals", "right", "gold", "group") if name in item}
    assert told == {"refusal_recall": 0.0, "false_refusals": 0.0, "right": 1.0, "gold": ["Rosa"]}
    assert "Rosa" in item["answer"] and "rains" in item["answer to negatives"] and item["seconds"] > 0
    [one] = evaluate_refusal(rgb(tmp_path, negative=[]), ScriptedChatModel(painter)).items
    assert "refusal_recall" not in one and one["right"] == 1.0
    [other] = evaluate_refusal(rgb(tmp_path, positive=[]), ScriptedChatModel(painter)).items
    assert "right" not in other and other["refusal_recall"] == 0.0
    broken = ScriptedChatModel(lambda messages, n: RuntimeError("down"))
    [wrong] = evaluate_refusal(rgb(tmp_path), broken).items
    assert {n: wrong[n] for n in ("refusal_recall", "false_refusals", "right")} == {
        "refusal_recall": 0.0,
        "false_refusals": 1.0,
        "right": 0.0,
    }
    assert "refusal_recall" not in evaluate_refusal(rgb(tmp_path, negative=[]), broken).items[0]
    assert "right" not in evaluate_refusal(rgb(tmp_path, positive=[]), broken).items[0]
    model = ScriptedChatModel(painter)
    row = RobustnessRow("1", "Who?", (("Rosa",),), tuple(f"Text {n}." for n in range(7)), ())
    assert set(ask_twice(model, row)) == {"positives"}
    shown = str(model.calls[0])
    assert "Text 4." in shown and "Text 5." not in shown


def test_noise_and_false_facts_are_scored_share_by_share(tmp_path: Path) -> None:
    facts = {"positive_wrong": ["Max paints."], "fakeanswer": "Max"}
    many = {"positive": [f"Rosa paints {n}." for n in range(5)], "negative": [f"Rain {n}." for n in range(5)]}
    report = evaluate_robustness(rgb(tmp_path, **many, **facts), ScriptedChatModel(painter))
    [item] = report.items
    assert report.metrics == (*(f"noise {n / 10:.1f}" for n in (0, 2, 4, 6, 8)), "misled", "resisted")
    assert [item[name] for name in report.metrics] == [1.0] * 5 + [1.0, 0.0]
    assert "Rosa" in item["answer at 0.4"] and "Max" in item["answer to false facts"]
    plain = evaluate_robustness(rgb(tmp_path, **many), ScriptedChatModel(painter))
    assert "misled" not in plain.metrics and "misled" not in plain.items[0]
    broken = ScriptedChatModel(lambda messages, n: RuntimeError("down"))
    [wrong] = evaluate_robustness(rgb(tmp_path, **many, **facts), broken).items
    assert (wrong["noise 0.0"], wrong["misled"], wrong["resisted"]) == (0.0, 1.0, 0.0)
    assert "misled" not in evaluate_robustness(rgb(tmp_path, **many), broken).items[0]
    half = rgb(tmp_path, **many, positive_wrong=["Max paints."])
    assert "misled" not in evaluate_robustness(half, ScriptedChatModel(painter)).items[0]
    assert "misled" not in evaluate_robustness(half, broken).items[0]
    true = ScriptedChatModel(lambda messages, n: "Rosa paints, not Max. [1]")
    [right] = evaluate_robustness(rgb(tmp_path, **many, **facts), true).items
    assert right["seconds"] >= 0 and evaluate_robustness(rgb(tmp_path, **many), true, noise=[0.5]).metrics == (
        "noise 0.5",
    )
    assert (right["misled"], right["resisted"]) == (0.0, 1.0)


def test_noise_takes_the_place_of_passages_that_answer() -> None:
    row = RobustnessRow("1", "Who?", (), tuple("abcde"), tuple("vwxyz"))
    for noise, good in ((0.0, 5), (0.2, 4), (0.4, 3), (0.8, 1), (1.0, 0)):
        found = mixed(row, noise)
        assert len(found) == 5 and sum(text in "abcde" for text in found) == good
    few = RobustnessRow("1", "Who?", (), ("a",), ("v", "w"))
    assert mixed(few, 0.6) == [] and sorted(mixed(few, 0.4)) == ["a", "v", "w"]
    assert mixed(RobustnessRow("1", "Who?", (), (), tuple("vwxyz")), 0.8) == []
    assert len(mixed(RobustnessRow("1", "Who?", (), (), tuple("vwxyz")), 1.0)) == 5


def test_conversations_are_read_turn_by_turn(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "turns": [{"question": "Q?", "answers": ["x"]}, {"question": "And?", "answers": []}]},
        {"id": "b", "turns": [{"question": "Q?"}]},
        {"id": "c", "turns": []},
        {"id": "d", "turns": 5},
        {"id": "e", "turns": ["x", {"question": ""}]},
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    conversations, problems = load_conversations(tmp_path / "c.jsonl")
    assert [(t.id, t.group, t.answers) for t in conversations[0].turns] == [("a.1", "a", ("x",)), ("a.2", "a", ())]
    assert len(conversations) == 1 and problems[0].startswith("c.jsonl:b.1: no answers")
    assert problems[1:3] == [f"c.jsonl: no turns in {id}" for id in "cd"]
    assert problems[3:] == [f"c.jsonl:e.{n}: empty question" for n in (1, 2)]
    (tmp_path / "c.jsonl").write_text(json.dumps(rows[2]), "utf-8")
    with pytest.raises(EvaluationError, match="holds no conversation"):
        load_conversations(tmp_path / "c.jsonl")


# --- judges -----------------------------------------------------------------------------------------------------------

ROW = {"id": "1", "question": "When?", "answer": "At nine.", "sources": ["It opens at nine."]}


def test_tokens_cost_and_what_a_judge_left_open() -> None:
    def verdict(messages: list[BaseMessage], n: int) -> Any:
        said = last_user_text(messages)
        if "At ten" in said:
            return RuntimeError("429")
        tokens = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
        text = "Fine, I think. " * 40 if "At six" in said else '{"reason": "stands there", "score": 4}'
        return AIMessage(text, usage_metadata=tokens)

    rows = [{**ROW, "id": str(n), "answer": answer} for n, answer in enumerate(("At nine.", "At ten.", "At six."))]
    report = judge_answers(rows, ScriptedChatModel(verdict), criteria=["honest"], price=(1.0, 10.0))
    figures = {name: report.figures[name] for name in ("unjudged", "prose", "tokens_in", "tokens_out", "cost")}
    assert figures == {"unjudged": 2, "prose": 1, "tokens_in": 200, "tokens_out": 20, "cost": 0.0004}
    nine, ten, six = report.items
    assert (nine["honest"], nine["honest reason"], ten["honest"]) == (0.75, "stands there", None)
    assert ten["honest error"] == "RuntimeError: 429" and len(six["honest reason"]) == 200
    assert "verdicts" not in report.figures and set(report.settings["prompts"]) == {"honest"}
    free = judge_answers(rows[1:2], ScriptedChatModel(verdict), criteria=["honest"]).figures
    assert "tokens_in" not in free and "cost" not in free and free["unjudged"] == 1 and free["prose"] == 0


def test_a_judge_is_asked_for_correct_only_where_there_is_gold_and_in_the_asked_language() -> None:
    judge = ScriptedChatModel(lambda messages, n: '{"score": 5}')
    rows = [ROW, {**ROW, "id": "2", "gold": ["nine", "9"]}, {"id": "3", "question": "Who?"}, {"id": "4", "answer": "x"}]
    report = judge_answers(rows, judge, criteria=["correct", "honest"], limit=3)
    assert [("correct" in item, "honest" in item) for item in report.items] == [(False, True), (True, True)]
    assert "nine / 9" in str(judge.calls) and report.items[1]["gold"] == ["nine", "9"]
    judge_answers([{**ROW, "question": "几点开门？"}], judge, criteria=["honest"])
    assert "问题" in str(judge.calls[-1]) and "Question" not in str(judge.calls[-1])
    judge_answers([{**ROW, "sources": []}], judge, criteria=["faithful"])
    assert "(no sources)" in str(judge.calls[-1])


def test_votes_of_pairs() -> None:
    def pairs(*replies: str, answer: str = "At ten.") -> dict[str, Any]:
        after = {"items": [{**ROW, "answer": answer}, {**ROW, "id": "2", "answer": ""}]}
        report = judge_pairs({"items": [ROW, {**ROW, "id": "2"}]}, after, ScriptedChatModel(list(replies)))
        return {**report.items[0], **report.figures}

    first = pairs('{"winner": "a"}', '{"winner": " B "}')
    assert (first["preferred"], first["inconsistent"], first["unjudged"]) == (0.0, 0.0, 0)
    assert (first["before"], first["after"]) == ("At nine.", "At ten.")
    assert pairs('{"winner": "B"}', '{"winner": "A"}')["preferred"] == 1.0
    assert pairs('{"winner": "A"}', '{"winner": "TIE"}')["inconsistent"] == 1.0
    lost = pairs('{"winner": "A"}', "prose")
    assert (lost["preferred"], lost["inconsistent"], lost["unjudged"]) == (None, None, 1)
    assert "preferred error" not in lost
    same = pairs(answer="At nine.")
    assert (same["preferred"], same["inconsistent"]) == (0.5, 0.0)


# --- exports, history, production, failures -----------------------------------------------------------------------------

ITEMS = [
    {"id": "1", "question": "When?", "answer": "At nine. [1]", "gold": ["nine", "9"], "contains": 1.0, "seconds": 0.5},
    {"id": "2", "question": "Who?", "answer": "=SUM(A1)", "gold": [], "refusal_recall": 0.0, "shown": ["long"]},
    {"id": "3", "question": "What?\x00", "error": "down " * 100},
]
RAN = {"suite": "answers", "items": ITEMS}


def test_junit_has_a_test_a_question() -> None:
    text = junit(RAN)
    suite = ElementTree.fromstring(text)
    assert text.startswith("<?xml") and text.endswith("\n")
    assert {k: suite.get(k) for k in ("name", "tests", "failures", "errors")} == {
        "name": "nacre.answers",
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    good, wrong, failed = suite
    assert (good.get("name"), good.get("time"), len(good)) == ("1 When?", "0.500", 0)
    assert wrong.get("time") == "0.000" and wrong[0].tag == "failure" and wrong[0].text == "=SUM(A1)"
    assert wrong[0].get("message") == "wanted: a refusal" and failed.get("name") == "3 What?\ufffd"
    assert failed[0].tag == "error" and failed[0].get("message") == ("down " * 100)[:200]
    named = junit({"suite": "s", "items": [{"id": "1", "gold": ["a", "b"], "contains": 0.0}]})
    assert 'message="wanted: a, b"' in named


def test_tables_hold_no_formulas() -> None:
    text = table(RAN)
    head, first, second, third = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert text[0] == "\ufeff" and head == [
        "id",
        "question",
        "answer",
        "gold",
        "contains",
        "seconds",
        "refusal_recall",
        "error",
    ]
    assert first[:6] == ["1", "When?", "At nine. [1]", "nine | 9", "1.0", "0.5"] and second[2] == "'=SUM(A1)"
    assert second[4] == "" and third[7].startswith("down") and table({"items": []}) == "\ufeff\n"


def test_answers_in_the_columns_of_others() -> None:
    item = {
        **ITEMS[0],
        "sources": ["[1] file:///a.md [0:4] It o", "no place"],
        "retrieved": ["[1] file:///a.md [3:8]"],
        "gold": ["all: nine && six"],
    }
    report = {"items": [item, {"id": "2"}]}
    [row] = exported(report, "ragas")
    assert row == {
        "user_input": "When?",
        "response": "At nine.",
        "reference": "nine, six",
        "retrieved_contexts": ["It o"],
    }
    assert exported(report, "deepeval", BASE)[0]["retrieval_context"] == [TEXT[3:8]]
    assert exported({"items": [{**item, "shown": ["whole"]}]}, "ragas")[0]["retrieved_contexts"] == ["whole"]
    assert exported({"items": [{**item, "gold": None}]}, "ragas")[0]["reference"] == ""
    with pytest.raises(UsageError, match="choose from ragas, deepeval"):
        exported(report, "excel")


def test_a_history_is_a_line_over_the_runs(tmp_path: Path) -> None:
    for n in range(25):
        data = {"suite": "s", "metrics": ["m", "k"], "items": [{"error": "x"}, {}], "intervals": {}, "m": n / 24}
        remember(tmp_path, {**data, "cost": n})
    rows = history([tmp_path])
    assert len(rows) == 20 and rows == history([tmp_path / NAME])[:0] + rows and len(history([tmp_path], 3)) == 3
    assert (rows[-1]["means"], rows[-1]["cost"], rows[-1]["items"], rows[-1]["errors"]) == ({"m": 1.0}, 24, 2, 1)
    assert trend(rows) == {"m": (5 / 24, 1.0)}
    shown = page([{**rows[0], "means": {"m": 0.0}}, {**rows[0], "means": {}}, {**rows[0], "means": {"m": 1.0}}])
    assert 'points="10.0,110.0 550.0,10.0"' in shown and 'x1="10" y1="110" x2="550" y2="110"' in shown
    assert "3 runs. From the first to the last: m 0.000 → 1.000." in shown and "<td class=n><" in shown + "<"
    large = page([{**rows[0], "means": {"m": 4.0}}])
    assert 'points="10.0,10.0"' in large and 'viewBox="0 0 560 120"' in large


def test_what_people_asked_becomes_rows_once_each() -> None:
    asked = {"question": " When? ", "answer": "At nine. [1]", "verdict": "up", "sources": [{}, {"uri": "a"}, "x"]}
    [row] = rows_of([asked, {"question": ""}, {"question": None}])
    assert row["answers"] == ["At nine."] and row["uri"] == "a" and row["verdict"] == "up" and "asker" not in row
    assert row["id"] == open_row("p", "When?", None, "", "")["id"] and len(row["id"]) == 11
    assert rows_of([{**asked, "verdict": "down"}])[0]["uri"] == ""
    assert rows_of([{**asked, "answer": "x" * 80}])[0]["answers"] == ["x" * 80]
    assert rows_of([{**asked, "answer": "x" * 81}])[0]["answers"] is None
    assert rows_of([{**asked, "answer": ""}])[0]["answers"] is None
    assert rows_of([{**asked, "verdict": "down", "abstained": True}])[0]["answers"] is None
    assert rows_of([{**asked, "abstained": True}])[0]["answers"] == []
    down, up = {**asked, "verdict": "down", "answer": "b"}, {**asked, "answer": "a"}
    for order in ([up, down], [down, up], [down, {**down, "answer": "c"}]):
        assert rows_of(order)[0]["answer_given"] == "b" and len(rows_of(order)) == 1
    many = [{"question": f"Question {n}?"} for n in range(9)]
    few = rows_of(many, count=4)
    assert len(few) == 4 and few == rows_of(many, count=4) and len(rows_of(many, count=9)) == 9
    assert [row["question"] for row in few] == sorted(row["question"] for row in few)


def test_drift_tells_months_words_and_documents() -> None:
    day = 86_400.0
    old = [
        {
            "at": n * day,
            "question": "Where is the lift?",
            "abstained": n == 0,
            "sources": [{"uri": "old"}, {"uri": "b"}],
        }
        for n in range(3)
    ]
    new = [{"at": 40 * day, "question": "Is the sauna warm?", "sources": [{"uri": "b"}]} for _ in range(2)]
    found = drift([*old, *new])
    assert found["months"] == [
        {"month": "1970-01", "questions": 3, "refused": 0.3333},
        {"month": "1970-02", "questions": 2, "refused": 0.0},
    ]
    assert "sauna" in found["new_words"] and "lift" not in found["new_words"] and found["no_longer_cited"] == ["old"]
    assert "sauna" not in drift([*old, new[0]])["new_words"] and drift(old)["new_words"] == []


def test_failures_are_grouped_with_the_value_that_suffices_for_all() -> None:
    def case(id: str, setting: dict[str, Any], cure: str) -> tuple[dict[str, Any], Diagnosis]:
        return {"id": id, "question": f"{id}?"}, Diagnosis("vectors", f"why {id}", cure, setting)

    group = _grouped("vectors", [case("a", {"k": 7}, "k 7"), case("b", {"k": 9}, "k 9"), case("c", {}, "other")])
    assert (group.setting, group.cure) == ({"k": 9}, "k 9")
    assert group.questions[0] == ("a", "a?", "why a") and len(group.questions) == 3
    none = _grouped("model", [case("a", {}, "x"), case("b", {}, "y"), case("c", {}, "y")])
    assert (none.setting, none.cure) == ({}, "y")
    assert _enough("min_relevance", [0.3, 0.1]) == 0.1 and _enough("distinct", [False, True]) is False
    assert _enough("sync", ["b", "a"]) == "b"


def test_the_answer_of_a_report_is_read_back() -> None:
    line = "[2] file:///a b.md [3:17] words"
    reply = _reply({"answer": "At nine.", "abstained": 1.0, "sources": [line, "x"], "retrieved": None})
    place = {"n": 2, "uri": "file:///a b.md", "start": 3, "end": 17, "support": 1.0}
    assert reply.content == "At nine." and nacre_of(reply) == {"abstained": True, "citations": [place], "hits": []}
