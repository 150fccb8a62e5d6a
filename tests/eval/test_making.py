"""Question sets made from a knowledge base: literal answers, no twins, both languages, some without an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre import KnowledgeBase, ScriptedChatModel
from nacre.errors import EvaluationError
from nacre.eval.datasets import load_questions
from nacre.eval.making import Made, make_questions, save_questions

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


def made_of(tmp_path: Path, **documents: str) -> list[Made]:
    for name, text in documents.items():
        (tmp_path / f"{name}.md").write_text(text, "utf-8")
    kb = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    kb.sync(*(str(tmp_path / f"{name}.md") for name in documents))
    return make_questions(kb, count=40, unanswerable=0)


def test_a_time_is_no_pair_and_a_sentence_no_title(tmp_path: Path) -> None:
    made = made_of(
        tmp_path, canteen="Canteen. Open from 11:30 to 14:00. Employees pay 4.20 EUR for a meal.\n\nPhone: 5521\n"
    )
    assert all("what is the Canteen" not in q.question and "Open from 11?" not in q.question for q in made)
    assert all(len(q.answers[0]) <= 81 for q in made)


def test_marks_of_headings_and_labels_of_answers_are_left_out(tmp_path: Path) -> None:
    faq = "# 产品手册\n\n问：什么时候发货？\n\n答：付款后三天之内从仓库发货。\n"
    made = made_of(tmp_path, faq=faq)
    assert made and all("#" not in q.question for q in made)
    assert [q.answers[0] for q in made if "发货" in q.question and q.kind == "asked"] == ["付款后三天之内从仓库发货。"]


def test_a_question_that_two_documents_answer_differently_is_left_out(tmp_path: Path) -> None:
    rows = "| Property | Value |\n|---|---|\n| Max pressure | {} bar |\n| Weight | {} kg |\n"
    made = made_of(tmp_path, a=f"# Pump A7\n\n{rows.format(8, 21)}", b=f"# Pump A9\n\n{rows.format(16, 34)}")
    asked = {q.question: q.answers[0] for q in made if "Max pressure" in q.question}
    assert all("Pump A" in question for question in asked) or not asked


def test_a_model_that_writes_nothing_of_use_is_to_blame(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("The office opens at nine and closes at six.", "utf-8")
    kb = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    kb.sync(str(tmp_path / "a.md"))
    with pytest.raises(EvaluationError, match="The model wrote no question"):
        make_questions(kb, model=ScriptedChatModel(lambda messages, n: "I cannot."))
