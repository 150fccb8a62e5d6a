"""Question sets made from a knowledge base: literal answers, no twins, both languages, some without an answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from nacre import KnowledgeBase, ScriptedChatModel
from nacre.errors import EvaluationError
from nacre.eval import ask_all
from nacre.eval.chat import load_conversations
from nacre.eval.made import in_turn, literal, paraphrases
from nacre.eval.making import Made, _alike, _unanswerable, _unlike, make_conversations, make_questions, save_questions
from nacre.eval.metrics import contains
from nacre.eval.questions import load_questions, strange_uris

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


PUMP = "# Pump {name}\n\n| Property | Value |\n|---|---|\n| Max pressure | {bar} bar |\n| Maker | {maker} |\n"
BRIEFS = {
    "a": PUMP.format(name="A7", bar=8, maker="Nordwerk"),
    "b": PUMP.format(name="A9", bar=16, maker="Haitai"),
    "c": "# Suppliers\n\n| Company | Phone | City |\n|---|---|---|\n| Nordwerk | 5521-0 | Kiel |\n| Haitai | 8801 | Ningbo |\n",
    "d": "# 水泵 B2\n\n| 参数 | 值 |\n|---|---|\n| 最高压力 | 6巴 |\n",
    "e": "# 水泵 B5\n\n| 参数 | 值 |\n|---|---|\n| 最高压力 | 12巴 |\n",
}


@pytest.fixture(scope="module")
def pumps(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    folder = tmp_path_factory.mktemp("pumps")
    for name, text in BRIEFS.items():
        (folder / f"{name}.md").write_text(text, "utf-8")
    kb = KnowledgeBase.open(tmp_path_factory.mktemp("kb") / "kb", embedder="none")
    kb.sync(str(folder))
    return kb


def test_two_documents_are_needed_and_both_are_named(pumps: KnowledgeBase) -> None:
    made = make_questions(pumps, count=30, unanswerable=0, two_documents=True)
    over = {q.question: q for q in made if isinstance(q.uri, tuple)}
    compared = over["What is the Max pressure in “Pump A7”, and in “Pump A9”?"]
    assert compared.answers == ({"all": ["8 bar", "16 bar"]},) and compared.kind == "comparison"
    assert over["“水泵 B2”和“水泵 B5”中，最高压力分别是什么？"].answers == ({"all": ["6巴", "12巴"]},)
    bridge = over["What is the Phone of the Maker of Pump A7?"]
    assert bridge.answers == ("5521-0",) and bridge.kind == "bridge"
    assert [uri.rsplit("/", 1)[-1] for uri in bridge.uri] == ["a.md", "c.md"]
    for question in over.values():
        parts = question.answers[0]["all"] if question.kind == "comparison" else list(question.answers)
        assert len(question.uri) == 2 and not any(all(p in pumps.text(u) for p in parts) for u in question.uri[:1])
        assert pumps.text(question.uri[1])[question.start : question.end] == parts[-1]
    assert not any(isinstance(q.uri, tuple) for q in make_questions(pumps, count=30))
    for count, wanted in ((1, 1), (5, 1), (6, 2)):
        few = make_questions(pumps, count=count, unanswerable=0, two_documents=True)
        assert sum(isinstance(q.uri, tuple) for q in few) == wanted and len(few) == count


def test_an_answer_over_two_documents_needs_both_parts_and_the_set_is_read(
    pumps: KnowledgeBase, tmp_path: Path
) -> None:
    save_questions(make_questions(pumps, count=30, unanswerable=0, two_documents=True), tmp_path / "q.jsonl")
    questions, problems = load_questions(tmp_path / "q.jsonl")
    assert not problems and not strange_uris(questions, (d["uri"] for d in pumps.documents()))
    compared = next(q for q in questions if "Max pressure in" in q.text)
    assert len(compared.documents) == 2
    assert contains("A7 has 8 bar, A9 has 16 bar.", compared.answers) == 1.0
    assert contains("A7 has 8 bar.", compared.answers) == 0.0
    both = ask_all(pumps, ScriptedChatModel(lambda m, n: "8 bar [1] and 16 bar [2]"), [compared], [], "two", k=6)
    assert both.summary()["contains"] == 1.0 and both.summary()["evidence"] == 1.0
    one = ask_all(pumps, ScriptedChatModel(lambda m, n: "8 bar [1]"), [compared], [], "two", k=1)
    assert one.summary()["contains"] == 0.0 and one.summary()["evidence"] == 0.0


def test_the_second_question_of_a_conversation_depends_on_the_first(pumps: KnowledgeBase, tmp_path: Path) -> None:
    talks = make_conversations(pumps, count=20)
    turns = [[turn.question for turn in talk.turns] for talk in talks]
    assert ["What is the Phone of Nordwerk?", "And of Haitai?"] in turns or [
        "What is the Phone of Haitai?",
        "And of Nordwerk?",
    ] in turns
    assert any(second in ("And the Maker?", "And the Max pressure?") for _, second in turns)
    for talk in talks:
        for turn in talk.turns:
            assert pumps.text(str(turn.uri))[turn.start : turn.end] == turn.answers[0]
    save_questions(talks, tmp_path / "c.jsonl")
    conversations, problems = load_conversations(tmp_path / "c.jsonl")
    assert len(conversations) == len(talks) and not problems and len(conversations[0].turns) == 2


def test_paraphrases_are_one_group_with_their_question_and_say_the_same(pumps: KnowledgeBase) -> None:
    made = {q.question: q for q in make_questions(pumps, count=30, unanswerable=0.2, paraphrases=2)}
    first, other = made["What is the City of Haitai?"], made["Could you tell me the City of Haitai?"]
    assert (other.group, other.answers, other.uri, other.kind) == (first.id, first.answers, first.uri, "paraphrase")
    assert first.group == first.id and other.id == f"{first.id}.1"
    assert "请问水泵 B2中，最高压力是什么？" in made and not any("请问空格" in question for question in made)
    assert all(q.group == "" for q in make_questions(pumps, count=30))


def test_what_a_model_writes_over_two_documents_and_in_other_words_is_checked(pumps: KnowledgeBase) -> None:
    def write(messages: list[BaseMessage], call: int) -> str:
        shown = str(messages[-1].content)
        if "Passage 2" in shown:
            first, _, second = shown.partition("Passage 2")
            parts = ["8 bar", "16 bar"] if "8 bar" in first and "16 bar" in second else ["16 bar", "99 bar"]
            return json.dumps({"question": "How far apart are the pressures of A7 and A9?", "answers": parts})
        if "Ways:" in shown:
            said = ["How do A7 and A9 differ in pressure?", "How do A7 and A8 differ?", "Is it 8 bar for A7 and A9?", 5]
            return json.dumps({"paraphrases": said})
        return json.dumps({"question": "Who makes it?", "answer": "Nobody"})

    made = make_questions(
        pumps, count=3, unanswerable=0, two_documents=True, paraphrases=3, model=ScriptedChatModel(write)
    )
    assert [(q.question, q.kind) for q in made] == [
        ("How far apart are the pressures of A7 and A9?", "comparison"),
        ("How do A7 and A9 differ in pressure?", "paraphrase"),
    ]


def test_a_follow_up_of_a_model_that_names_its_subject_again_is_thrown_away(pumps: KnowledgeBase) -> None:
    def write(again: str) -> ScriptedChatModel:
        first = {"question": "Which pressure can pump A7 take?", "answer": "8 bar"}
        told = {"first": first, "second": {"question": again, "answer": "Nordwerk"}}
        return ScriptedChatModel(lambda messages, call: json.dumps(told))

    talks = make_conversations(pumps, model=write("And who makes it?"))
    assert [turn.answers for turn in talks[0].turns] == [("8 bar",), ("Nordwerk",)] and len(talks) == 1
    with pytest.raises(EvaluationError, match="The model wrote no question"):
        make_conversations(pumps, model=write("Who makes pump A7?"))


def test_none_is_like_another_and_none_is_answered_in_two_ways() -> None:
    def asked(question: str, answer: str) -> Made:
        return Made("", "en", question, (answer,), "a.md", "table", 0, 1)

    steps: list[tuple[int, int]] = []
    rows = [
        asked("When does the gate of hall one open?", "9"),
        asked("Who?", "Rosa"),
        asked("WHEN does the gate of hall one open?", "9"),
    ]
    rows += [
        asked("Who?", "Max"),
        asked("Who?", "Rosa"),
        asked("Where is the old lift?", "North"),
        asked("Why is it so?", "x"),
    ]
    kept = _unlike(iter(rows), 3, [], lambda *step: steps.append(step))
    assert [found.question for found in kept] == [rows[0].question, "Where is the old lift?", "Why is it so?"]
    assert steps == [(1, 3), (2, 3), (2, 3), (3, 3)]
    assert _unlike(iter(rows), 1, [], None) == rows[:1] and _unlike(iter(rows[:1]), 1, rows[1:2], None) == rows[1:2]
    assert _alike("p q r s", "p q r s t") and not _alike("p q r s", "q r s t")


def test_what_is_asked_of_nothing_changes_the_last_number_or_name() -> None:
    def asked(question: str, lang: str = "en") -> Made:
        return Made("", lang, question, ("x",), "a.md", "table", 0, 1)

    changed = _unanswerable(asked("What is the weight of pump 7 of 9?"), "pump 7 of 9, and 146")
    assert changed and changed.question == "What is the weight of pump 7 of 283?" and changed.answers == ()
    named = _unanswerable(asked("Who is Rosa of Kiel?"), "Varnholm")
    assert named and named.question.startswith("Who is Rosa of ") and "Kiel" not in named.question
    assert "Varnholm" not in named.question
    assert (
        _unanswerable(asked("满5年的假期是什么？", "zh"), "") is None and _unanswerable(asked("who is it?"), "") is None
    )


def test_rules_of_paraphrases_keep_the_meaning() -> None:
    def reworded(question: str, lang: str, count: int = 9) -> list[str]:
        return paraphrases(Made("", lang, question, ("x",), "", "table", 0, 1), count, None)

    assert reworded("What is the Fee of A7?", "en") == [
        "Could you tell me the Fee of A7?",
        "I would like to know the Fee of A7.",
        "what is the fee of a7",
    ]
    assert reworded("Pump A7: what is the Fee?", "en", 1) == ["What is the Fee in Pump A7?"]
    assert reworded("A7的价格是什么？", "zh") == ["请问A7的价格是什么？", "我想知道A7的价格是什么。", "A7的价格是什么"]
    assert reworded("What belongs in the gap: “a ____ b”?", "en") == []
    assert reworded("空格处应填什么：“a____”？", "zh") == []


def test_a_models_paraphrase_keeps_numbers_and_names_and_hides_the_answer() -> None:
    asked = Made("q1", "en", "Who sold the PX-200 to Kiel in 2024?", ("Rosa",), "", "table", 0, 1)
    said = [
        "Who was the seller of the PX-200 to Kiel in 2024?",
        "who sold Kiel the px-200, 2024?",
        "Who sold the PX-2000 to Kiel in 2024?",
        "Who sold the PX-200 to Bonn in 2024?",
        "Did Rosa sell the PX-200 to Kiel in 2024?",
        "谁在2024年把 PX-200 卖给 Kiel？",
        asked.question.upper(),
        "",
        "x" * 301,
        None,
    ]
    model = ScriptedChatModel(lambda messages, n: json.dumps({"paraphrases": said}))
    assert paraphrases(asked, 5, model) == said[:2] and paraphrases(asked, 1, model) == said[:1]
    for odd in ('{"paraphrases": "Who?"}', "prose", '{"paraphrases": {"a": 1}}'):
        assert paraphrases(asked, 5, ScriptedChatModel(lambda messages, n, odd=odd: odd)) == []


def test_an_answer_of_a_model_is_literal_short_and_not_in_the_question() -> None:
    assert literal(" eight bar ", "It takes eight bar.", "How much?") == (9, "eight bar")
    assert literal("nine bar", "It takes eight bar.", "How much?")[1] == "" and literal(None, "None", "?")[1] == ""
    assert literal("eight bar", "It takes eight bar.", "Is it eight bar?")[1] == ""
    assert literal("x" * 120, "x" * 120, "?")[1] and not literal("x" * 121, "x" * 121, "?")[1]
    assert list(in_turn([iter("abc"), iter("x"), iter("")])) == ["a", "x", "b", "c"]


def test_gaps_are_no_marks_names_or_articles(tmp_path: Path) -> None:
    text = "Claims are filed within 30 days. > Old since 3 May 2020. The HS-20 is new here.\n\n第六条　报销款随下月工资发放。"
    made = made_of(tmp_path, a=text)
    assert [q.answers[0] for q in made if q.kind == "gap"] == ["30"]


def test_a_pair_of_a_model_needs_both_parts(pumps: KnowledgeBase) -> None:
    def write(*parts: object, question: str = "How do A7 and A9 differ?") -> ScriptedChatModel:
        return ScriptedChatModel(lambda messages, n: json.dumps({"question": question, "answers": list(parts)}))

    for model in (write("8 bar", ""), write("", "16 bar"), write("8 bar"), write("8 bar", "16 bar", question="")):
        with pytest.raises(EvaluationError, match="The model wrote no question"):
            make_questions(pumps, two_documents=True, model=model)
    with pytest.raises(EvaluationError, match="The model wrote no question"):
        make_questions(pumps, two_documents=True, model=write("Max pressure", "Maker"))  # both stand in both
