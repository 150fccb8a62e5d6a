"""Malformed question files: the line and the cure are told, exit 2, no traceback; what can be read is read."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest

from nacre import KnowledgeBase
from nacre.cli import run
from nacre.errors import EvaluationError
from nacre.eval.gold import gold_of
from nacre.eval.metrics import contains
from nacre.eval.questions import Note, Question, as_questions, faults, load_questions, strange_uris

GOOD = '{"question": "When?", "answers": ["nine"]}'
BAD = {
    "a broken line": ('{"question": "When?"', "q.jsonl:2: not JSON"),
    "no object": ("[1, 2]", "q.jsonl:2: not an object"),
    "no answers": ('{"question": "Who?"}', 'q.jsonl:2: no answers; write "answers": []'),
    "null": ('{"question": "Who?", "answers": null}', "q.jsonl:2: the answer is null"),
    "true": ('{"question": "Who?", "answers": true}', "q.jsonl:2: the answer is true"),
    "an empty answer": ('{"question": "Who?", "answers": [""]}', "q.jsonl:2: the answer is empty"),
    "an empty text": ('{"question": "Who?", "answers": ""}', "q.jsonl:2: the answer is null"),
    "an empty question": ('{"question": " ", "answers": ["x"]}', "q.jsonl:2: empty question"),
    "no question": ('{"answers": ["x"]}', "q.jsonl:2: empty question"),
    "a misspelt question": ('{"qestion": "Who?", "answers": ["x"]}', "Did you mean 'question'?"),
    "misspelt answers": ('{"question": "Who?", "anwsers": ["x"]}', "Did you mean 'answers'?"),
    "another tool's word": ('{"question": "Who?", "ground_truth": "x"}', "Did you mean 'answers'?"),
    "another tool's question": ('{"user_input": "Who?", "answers": ["x"]}', "Did you mean 'question'?"),
    "must": ('{"question": "Who?", "answers": ["x"], "must": "perhaps"}', "q.jsonl:2: must is 'perhaps'"),
    "an unknown object": ('{"question": "Who?", "answers": [{"nmber": 3}]}', "is no gold answer"),
    "a bad date": ('{"question": "When?", "answers": [{"date": "3.9.2026"}]}', "is no date"),
    "a bad pattern": ('{"question": "Who?", "answers": [{"regex": "(a"}]}', "is no regular expression"),
    "an endless pattern": ('{"question": "Who?", "answers": [{"regex": "(a+)+$"}]}', "could take for ever"),
    "a number that is none": ('{"question": "Who?", "answers": [{"number": "x"}]}', "is no gold answer"),
    "deep nesting": ('{"question": "Who?", "answers": ' + "[" * 100_000 + "]" * 100_000 + "}", "q.jsonl:2: not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_named_with_its_cure(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line, told = BAD[name]
    file = tmp_path / "q.jsonl"
    file.write_text(f"{GOOD}\n{line}\n", "utf-8")
    found, problems = load_questions(file)
    assert [question.text for question in found] == ["When?"]
    assert len(faults(problems)) == 1 and told in problems[0] and "q.jsonl:2" in problems[0]
    assert run(["eval", "check", str(file)]) == 2
    assert "1 mistakes" in capsys.readouterr().out
    assert run(["eval", "answers", "--data", str(file), "--target", "builtins:str"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and told in said and "Traceback" not in said and "nothing was asked" in said
    file.write_text(line, "utf-8")
    with pytest.raises(EvaluationError, match="holds no question"):
        load_questions(file)


def test_ids_twice_name_both_lines(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(f'{GOOD[:-1]}, "id": "a"}}\n' * 2, "utf-8")
    found, problems = load_questions(tmp_path / "q.jsonl")
    assert len(found) == 1 and problems == [
        "q.jsonl:2: id twice: a stands at q.jsonl:1 already; give each row its own."
    ]


TABLES = {
    "commas": "question,answers\nWhen?,nine|9\n",
    "semicolons": "question;answers\nWhen?;nine|9\n",
    "tabs": "question\tanswers\nWhen?\tnine|9\n",
    "capitals": "Question,Answers\nWhen?,nine|9\n",
    "blanks": "id, question, answers\n1, When?, nine|9\n",
    "Chinese heads": "编号,问题,答案\n1,When?,nine|9\n",
    "a hint of Excel": "sep=;\nquestion;answers\nWhen?;nine|9\n",
    "empty columns": "question,answers,,\nWhen?,nine|9,,\n",
    "empty lines": "question,answers\n\nWhen?,nine|9\n,\n",
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_tables_of_all_kinds_are_read(name: str, charset: str, tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_bytes(TABLES[name].encode(charset))
    found, problems = load_questions(tmp_path / "q.csv")
    assert [(q.text, q.answers) for q in found] == [("When?", ("nine", "9"))] and faults(problems) == []
    assert any("utf-16" in p for p in problems) == (charset == "utf-16")


def test_an_unquoted_comma_and_an_empty_cell_are_told(tmp_path: Path) -> None:
    text = "question,answers\nWhen, and where?,nine\nWho?,\nWhy?,[]\nOnly one\n"
    (tmp_path / "q.csv").write_text(text, "utf-8")
    found, problems = load_questions(tmp_path / "q.csv")
    assert [(q.text, q.answers) for q in found] == [("Why?", ())]
    assert [p.split(": ")[0] for p in problems] == ["q.csv:2", "q.csv:3", "q.csv:5"]
    assert "3 cells for 2 columns" in problems[0] and "quotes" in problems[0]


def test_arrays_numbers_and_typed_gold(tmp_path: Path) -> None:
    rows = [
        {"question": "How many?", "answer": 26},
        {"question": "How much?", "answers": [140.0, {"number": 140, "tolerance": 5, "unit": "EUR"}]},
        {"question": "When?", "answers": {"date": "2026-09-03"}},
        {"question": "Which?", "answers": [["PX-200", "PX 200"], {"regex": r"PX.?\d+"}], "group": "g", "must": True},
    ]
    (tmp_path / "q.json").write_text(json.dumps(rows), "utf-8")
    found, problems = load_questions(tmp_path / "q.json")
    assert problems == [] and [q.answers[0] for q in found] == ["26", "140", "date: 2026-09-03", "PX-200"]
    assert (found[3].group, found[3].must, len(found[3].answers)) == ("g", True, 3)
    assert (
        contains("About 144.50 euros.", found[1].answers[1:]) == 1 and contains("146 euros", found[1].answers[1:]) == 0
    )
    assert contains("on 3 September 2026", found[2].answers) == 1 and contains("the px_17", found[3].answers[2:]) == 1
    (tmp_path / "q.json").write_text(json.dumps([1, rows[0]]), "utf-8")
    assert load_questions(tmp_path / "q.json")[1] == ["q.json:[1]: not an object"]
    (tmp_path / "q.json").write_text("[{", "utf-8")
    with pytest.raises(EvaluationError, match="not JSON"):
        load_questions(tmp_path / "q.json")


@pytest.mark.parametrize("pattern", [r"(a|a)*b", r".*.*.*x", r"(?:a{1,99}){1,99}", r"(.)\1+x", "a" * 600])
def test_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="for ever"):
        gold_of({"regex": pattern})


def test_what_is_no_text_and_what_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "q.xlsx").write_bytes(b"PK\x03\x04" + bytes(range(32)) * 40)
    (tmp_path / "empty.csv").write_bytes(codecs.BOM_UTF8)
    for name, told in (("q.xlsx", "Save it as CSV"), ("empty.csv", "holds no question"), ("none.csv", "no file")):
        assert run(["eval", "check", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert told in said and said.count("\n") == 1


def test_an_unknown_key_that_means_nothing_is_a_note_once(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(
        f'{GOOD[:-1]}, "priority": 1}}\n' * 1 + f'{GOOD[:-1]}, "priority": 2, "lang": "en"}}', "utf-8"
    )
    found, problems = load_questions(tmp_path / "q.jsonl")
    assert len(found) == 2 and len(problems) == 1 and isinstance(problems[0], Note) and "priority" in problems[0]


def test_addresses_that_no_document_has_are_told_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        Question("1", "?", ("x",), "travle.md"),
        Question("2", "?", ("x",), "docs/travel.md"),
        Question("3", "?", ("x",), "avel.md"),
    ]
    told = strange_uris(asked, ["file:///srv/docs/travel.md", "file:///srv/docs/leave.md"])
    assert len(told) == 2 and "1: no document has the uri 'travle.md'. Did you mean 'travel.md'?" in told[0]
    (tmp_path / "travel.md").write_text("Nine.", "utf-8")
    KnowledgeBase.open(tmp_path / "kb", embedder="none").sync(str(tmp_path / "travel.md"))
    (tmp_path / "q.jsonl").write_text(f'{GOOD[:-1]}, "uri": "travle.md"}}', "utf-8")
    assert run(["eval", "check", str(tmp_path / "q.jsonl"), "--kb", str(tmp_path / "kb"), "--json"]) == 2
    assert "travle.md" in json.loads(capsys.readouterr().out)["problems"][0]


def test_rows_of_a_program_are_questions_too() -> None:
    assert as_questions([{"question": "When?", "answers": ["nine"]}, Question("x", "Who?")])[1].id == "x"
    with pytest.raises(EvaluationError, match=r"\[1\]: no answers"):
        as_questions([{"question": "When?"}])


def test_a_beir_folder_misses_nothing(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text('{"_id": "a", "text": "When?"}\n{"_id": "b", "text": "Who?"}', "utf-8")
    (tmp_path / "answers.jsonl").write_text('{"_id": "a", "answers": ["nine"]}\n{"_id": "c", "answers": []}', "utf-8")
    found, problems = load_questions(tmp_path)
    assert [(q.id, q.text) for q in found] == [("a", "When?")] and "no question c" in problems[0]
