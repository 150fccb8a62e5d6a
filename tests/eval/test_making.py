"""Question sets made from a knowledge base: literal answers, no twins, both languages, some without an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre import KnowledgeBase, ScriptedChatModel
from nacre.errors import EvaluationError
from nacre.eval.datasets import load_questions
from nacre.eval.making import make_questions, save_questions

HANDBOOK = """# Handbook

Can I work from home? You may work from home on two days a week.

| Matter | Person |
|---|---|
| Payroll | Tomas Vidal |
| Building | Rosa Lima |

Deadline: 3 May 2026

The trial period lasts four months. Claims are filed within 30 days in the portal.
"""
CHINESE = "# 差旅\n\n出差住宿费每晚最多报销 600 元。\n\n可以远程办公吗？每周可以在家办公两天。\n\n| 事项 | 负责人 |\n|---|---|\n| 采购合同 | 周明远 |\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    folder = tmp_path_factory.mktemp("docs")
    for name, text in (("handbook.md", HANDBOOK), ("travel.md", CHINESE)):
        (folder / name).write_text(text, "utf-8")
    secret = tmp_path_factory.mktemp("secret")
    (secret / "pay.md").write_text("The director earns 90000 euros a year, says the board.", "utf-8")
    kb = KnowledgeBase.open(tmp_path_factory.mktemp("kb") / "kb", embedder="none")
    kb.sync(str(folder))
    kb.sync(str(secret), principals=["board"])
    return kb


def test_every_answer_stands_at_its_place_and_nothing_hidden_is_asked(base: KnowledgeBase) -> None:
    made = make_questions(base, count=20)
    answered = [question for question in made if question.answers]
    assert {question.lang for question in made} == {"en", "zh"} and len({q.id for q in made}) == len(made)
    assert {"asked", "table"} <= {question.kind for question in made}
    for question in answered:
        assert base.text(question.uri)[question.start : question.end] == question.answers[0]
    assert not any("90000" in str(question) for question in made)
    assert made == make_questions(base, count=20)


def test_a_share_is_unanswerable_and_names_what_no_document_names(base: KnowledgeBase) -> None:
    made = make_questions(base, count=10, unanswerable=0.3)
    without = [question for question in made if not question.answers]
    assert without and len(without) <= 0.4 * len(made)
    assert all(question.uri == "" and question.kind == "unanswerable" for question in without)


def test_what_a_model_writes_counts_only_with_a_literal_answer(base: KnowledgeBase) -> None:
    replies = [
        '{"question": "How long is the trial?", "answer": "four months"}',
        '{"question": "How long is the trial?", "answer": "five months"}',
        "I cannot do that.",
        '{"question": "Who is Rosa Lima?", "answer": "Rosa Lima"}',
    ]
    model = ScriptedChatModel(lambda messages, n: replies[n % 4])
    made = make_questions(base, count=10, unanswerable=0, model=model)
    assert [(q.question, q.answers, q.kind) for q in made] == [("How long is the trial?", ("four months",), "written")]


def test_a_set_is_read_by_the_suite_of_answers(base: KnowledgeBase, tmp_path: Path) -> None:
    made = make_questions(base, count=20)
    save_questions(made, tmp_path / "q.jsonl")
    questions, problems = load_questions(tmp_path / "q.jsonl")
    assert [q.text for q in questions] == [q.question for q in made] and not problems


def test_an_empty_base_has_nothing_to_ask(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="nothing to ask"):
        make_questions(KnowledgeBase.open(tmp_path / "kb", embedder="none"))
