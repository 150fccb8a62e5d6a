"""Broken rows are named and counted, and cost only themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre.errors import EvaluationError
from nacre.eval.datasets import load_questions, load_retrieval, load_robustness, read_rows


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_DOT_", ".")).write_text(text, "utf-8")
    return folder


def test_a_beir_folder_with_faults(tmp_path: Path) -> None:
    write(
        tmp_path,
        corpus_DOT_jsonl='{"_id":"1","text":"a"}\n{"_id":"1","text":"b"}\nnot json\n{"_id":"2","title":null,"text":"c\ufeff"}\n',
        queries_DOT_jsonl='{"_id":"q1","text":"?"}\n{"_id":"q2","text":"??"}\n{"text":"no id"}\n',
        qrels_DOT_tsv="query-id\tcorpus-id\tscore\nq1\t1\t1\nq1\t9\t1\nq7\t1\t1\nq2\t2\tx\n",
    )
    data = load_retrieval(tmp_path)
    assert [p.text for p in data.corpus] == ["a", "c\ufeff"]
    assert dict(data.queries) == {"q1": "?"}
    assert data.qrels == {"q1": {"1": 1}}
    assert len(data.problems) == 6


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.jsonl", '{"id":"1","question":"q?","answers":["x","y"]}'), ("a.csv", "question,answers\nq?,x|y\n")],
)
def test_questions_from_lines_and_tables(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    questions, problems = load_questions(tmp_path / name)
    assert [(q.id, q.text, q.answers) for q in questions] == [("1", "q?", ("x", "y"))]
    assert problems == []


def test_a_question_without_answers_is_unanswerable_and_an_empty_one_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id":"1","question":"q?","answers":[]}\n{"id":"2","question":" "}\n', "utf-8")
    questions, problems = load_questions(tmp_path / "q.jsonl")
    assert [q.answers for q in questions] == [()]
    assert len(problems) == 1


@pytest.mark.parametrize("load", [load_retrieval, load_questions, load_robustness])
def test_a_missing_file_is_one_clear_error(tmp_path: Path, load: object) -> None:
    with pytest.raises(EvaluationError, match="no"):
        load(tmp_path / "nothing.jsonl")  # type: ignore[operator]


def test_a_robustness_row_in_all_its_shapes(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(
        '{"id":1,"question":"q","answer":["12人",["a","b"]],"positive":[["p1"],"p2"],"negative":[]}\n{"id":2,"question":"","positive":[]}\n',
        "utf-8",
    )
    rows, problems = load_robustness(tmp_path / "r.jsonl")
    assert rows[0].answers == (("12人",), ("a", "b"))
    assert rows[0].positive == ("p1", "p2")
    assert len(problems) == 1


def test_rows_that_must_all_be_right(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text('{"a": 1}\n\n{"id": "x", "a": 2}\n{"id": "x", "a": 3}\n{"id": "x", "a": 4}\n', "utf-8")
    assert [(row["id"], row["a"]) for row in read_rows(file, ["a"])] == [
        ("row 1", 1),
        ("x", 2),
        ("x (2)", 3),
        ("x (3)", 4),
    ]
    for text, told in (
        ('{"a": 1}\n{"b": 1}\n', r"r\.jsonl:2: missing a\."),
        ('{"a": 1}\n[1]\n', r"r\.jsonl:2: not an object"),
        ('{"a": 1}\n{"a"\n', r"r\.jsonl:2: not JSON"),
        ("\n", "has no rows"),
    ):
        file.write_text(text, "utf-8")
        with pytest.raises(EvaluationError, match=told):
            read_rows(file, ["a"])


def test_judgements_of_all_shapes(tmp_path: Path) -> None:
    write(
        tmp_path,
        corpus_DOT_jsonl='{"_id":"1","text":"a","title":"T"}\n{"_id":"2","text":"b"}\n{"text":"c"}\n[1]\n',
        queries_DOT_jsonl='{"_id":"q1","text":"?"}\n{"_id":"q2","text":" "}\n{"_id":"q3","text":"?"}\n',
    )
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("q1\t0\t1\t2\nq1\t0\t2\t0\nq2\t0\t1\t1\nq3\t0\t2\t-1\nq1\n", "utf-8")
    data = load_retrieval(tmp_path)
    assert data.qrels == {"q1": {"1": 2}} and dict(data.queries) == {"q1": "?"} and data.corpus[0].title == "T"
    assert data.problems == ("corpus.jsonl:3: no id", "corpus.jsonl:4: not an object", "test.tsv:5: not three columns")
    assert len(data.corpus) == 2 and load_retrieval(tmp_path).corpus[1].id == "2"
