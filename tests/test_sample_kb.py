"""The sample knowledge base: its documents can be read, and its gold answers stand where they are said to stand."""

from __future__ import annotations

import json
import unicodedata
from importlib.resources import files
from pathlib import Path

import pytest

from nacre.documents import parse
from nacre.text.language import language_of

SAMPLE = Path(str(files("nacre.eval") / "sample_kb"))
DOCUMENTS = {path.name: path for path in sorted((SAMPLE / "documents").rglob("*.*"))}
QUESTIONS = [json.loads(line) for line in (SAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()]


def plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {name: parse(path.read_bytes(), name=name).text for name, path in DOCUMENTS.items()}


def test_there_are_documents_of_every_format_in_both_languages(texts: dict[str, str]) -> None:
    assert len(DOCUMENTS) >= 15
    assert {path.suffix for path in DOCUMENTS.values()} == {".md", ".html", ".pdf", ".docx", ".xlsx", ".txt"}
    for name, path in DOCUMENTS.items():
        assert language_of(texts[name]) == path.parent.name, name


def test_every_gold_answer_stands_in_the_document_it_names(texts: dict[str, str]) -> None:
    missing = [
        row["id"]
        for row in QUESTIONS
        if row["answers"] and not any(plain(answer) in plain(texts[row["uri"]]) for answer in row["answers"])
    ]
    assert missing == []


def test_the_questions_are_complete() -> None:
    assert len({row["id"] for row in QUESTIONS}) == len(QUESTIONS) >= 60
    assert sum(not row["answers"] for row in QUESTIONS) >= 20
    for row in QUESTIONS:
        assert language_of(row["question"]) == row["lang"], row["id"]
        assert bool(row["answers"]) == bool(row["uri"]) == (row["kind"] != "unanswerable"), row["id"]


def test_every_document_is_asked_about() -> None:
    assert {row["uri"] for row in QUESTIONS if row["uri"]} == set(DOCUMENTS)
