"""Rows: of every tool's form, split by document without leaks, and as the very ids that serve."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from nacre import KnowledgeBase
from nacre.connectors.models.templates import prompt_ids
from nacre.errors import FinetuningError
from nacre.eval.datasets import Question
from nacre.eval.metrics import contains
from nacre.finetuning.building import build_rows, shown
from nacre.finetuning.encoding import Encoder, fitting
from nacre.finetuning.exchanges import Exchange, citations_hold, read_exchanges, rows_of
from nacre.finetuning.plan import Plan
from nacre.finetuning.rewards import citation_holds, prompts_as_served, refusal_right, value_right
from nacre.finetuning.rows import Row, read_rows, save_rows
from nacre.finetuning.splitting import SHARES, groups, interleaved, leaks, sides, split_rows
from nacre.finetuning.training import load_trainable, prepare
from nacre.grounding.evidence import is_refusal
from nacre.text.markers import MARKER, numbers

Write = Callable[..., Path]
Rows = Callable[..., list[dict[str, Any]]]
ASK, SAY = {"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "2"}


# --- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "form"),
    [
        ({"messages": [ASK, SAY]}, "answers"),
        ({"messages": [ASK], "chosen": SAY, "rejected": {"role": "assistant", "content": "3"}}, "pairs"),
        ({"messages": [ASK, SAY], "label": True}, "thumbs"),
        ({"instruction": "1 + 1?", "input": "", "output": "2"}, "answers"),
        ({"instruction": "1 + 1?", "chosen": "2", "rejected": "3"}, "pairs"),
        ({"instruction": "1 + 1?", "output": "2", "kto_tag": True}, "thumbs"),
        ({"conversations": [{"from": "human", "value": "1 + 1?"}, {"from": "gpt", "value": "2"}]}, "answers"),
        ({"conversations": [{"from": "human", "value": "1 + 1?"}], "chosen": {"from": "gpt", "value": "2"}, "rejected": {"from": "gpt", "value": "3"}}, "pairs"),
        ({"input": {"messages": [ASK]}, "preferred_output": [SAY], "non_preferred_output": [{"role": "assistant", "content": "3"}]}, "pairs"),
        ({"prompt": "1 + 1?", "completion": "2"}, "answers"),
        ({"prompt": [ASK], "completion": [SAY], "label": True}, "thumbs"),
        ({"prompt": [ASK], "chosen": [SAY], "rejected": [{"role": "assistant", "content": "3"}]}, "pairs"),
    ],
)  # fmt: skip
def test_rows_of_every_tool_become_ours_and_are_written_back(
    write_rows: Write, tmp_path: Path, data: Any, form: str
) -> None:
    (row,), problems = read_rows(write_rows([data]))
    assert (row.form, row.prompt, row.answer, problems) == (form, (ASK,), "2", [])
    assert row.rejected == ("3" if form == "pairs" else None)
    save_rows([row], tmp_path / "again.jsonl")
    assert read_rows(tmp_path / "again.jsonl")[0] == [row]


def test_systems_and_histories_come_along(write_rows: Write) -> None:
    data = {"system": "Be short.", "instruction": "And 2?", "input": "+ 2", "history": [["1?", "1"]], "output": "4"}
    (row,), _ = read_rows(write_rows([data]))
    assert [turn["role"] for turn in row.prompt] == ["system", "user", "assistant", "user"]
    assert row.prompt[-1]["content"] == "And 2?\n+ 2"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"messages": [ASK]}, "the last message is not the assistant's"),
        ({"messages": [SAY]}, "no question before the answer"),
        ({"messages": []}, "the last message is not the assistant's"),
        ({"messages": [ASK, {"role": "assistant", "content": " "}]}, "an answer is empty"),
        ({"messages": [ASK, {"role": "assistant", "content": [{"type": "image"}]}]}, "a message is no text"),
        ({"messages": [{"role": "root", "content": "x"}, ASK, SAY]}, "the role 'root' is unknown"),
        ({"messages": [ASK], "chosen": SAY}, "'rejected' is missing"),
        ({"messages": [ASK, SAY], "label": "yes"}, "neither true nor false"),
        ({"messages": "1 + 1?"}, ""),
        ({"messages": [None, None]}, ""),
        ({"messages": [{"role": "user"}, SAY]}, "'content' is missing"),
        ({"question": "1 + 1?"}, "'messages' is missing"),
        ({"conversations": [{"value": "x"}]}, ""),
        ([1], "no object"),
        (7, "no object"),
    ],
)
def test_a_broken_row_costs_only_itself(write_rows: Write, data: Any, told: str) -> None:
    good = {"messages": [ASK, SAY]}
    rows, problems = read_rows(write_rows([good, data, good]))
    assert len(rows) == 2 and len(problems) == 1 and told in problems[0] and "row 2" in problems[0]
    assert "\n" not in problems[0]
    with pytest.raises(FinetuningError, match="has no rows"):
        read_rows(write_rows([data]))


def test_files_that_are_none_are_told_in_one_line(write_rows: Write, tmp_path: Path) -> None:
    with pytest.raises(FinetuningError, match="no file"):
        read_rows(tmp_path / "none.jsonl")
    (tmp_path / "bad.jsonl").write_text("{\n[1,\n" + "[" * 100_000)
    with pytest.raises(FinetuningError, match="has no rows"):
        read_rows(tmp_path / "bad.jsonl")
    mixed = [{"messages": [ASK, SAY]}, {"instruction": "1?", "output": "1"}]
    with pytest.raises(FinetuningError, match=r"mixes forms.*row 1.*row 2"):
        read_rows(write_rows(mixed))
    (tmp_path / "list.json").write_text(json.dumps([{"instruction": "1?", "output": "1"}] * 2))
    assert len(read_rows(tmp_path / "list.json")[0]) == 2


# --- splits -----------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 9), min_size=1, max_size=30), st.integers(0, 9))
def test_no_group_stands_on_two_sides(weights: dict[str, int], seed: int) -> None:
    group_of = {uri: uri[:1] for uri in weights}
    found = sides(group_of, weights, seed)
    assert set(found) == set(weights) and found == sides(group_of, weights, seed)
    each = {group: {found[uri] for uri in weights if group_of[uri] == group} for group in group_of.values()}
    assert all(len(side) == 1 for side in each.values())


def test_near_duplicates_stay_together_and_others_part() -> None:
    text = " ".join(f"Paragraph {n} says that pump {n * 7} runs at {n * 13} bar." for n in range(40))
    texts = {
        "a": text,
        "b": text.replace("pump 7 ", "pump 8 ").upper(),
        "c": text[: len(text) // 3],
        "d": "泵房每天检查两次。" * 9,
    }
    found = groups(texts)
    assert found["a"] == found["b"] and len(set(found.values())) == 3


def test_shares_are_near_what_is_wanted() -> None:
    uris = {f"doc{n}": 1 + n % 5 for n in range(60)}
    found = Counter[str]()
    for uri, side in sides({u: u for u in uris}, uris, 3).items():
        found[side] += uris[uri]
    assert all(abs(found[side] / sum(uris.values()) - share) < 0.03 for side, share in SHARES.items())


def test_rows_without_a_side_get_one_and_few_are_not_torn_apart() -> None:
    rows = [Row((ASK,), "2", document=f"doc{n % 20}", question=f"q {n}") for n in range(60)]
    found = split_rows(rows, 1)
    by_document = {row.document: {r.split for r in found if r.document == row.document} for row in rows}
    assert {r.split for r in found} == {"train", "valid", "test"} and all(len(s) == 1 for s in by_document.values())
    assert {row.split for row in split_rows(rows[:6], 1)} == {"train"}


def test_the_first_rows_are_like_the_whole_though_a_file_is_sorted() -> None:
    both = [Row((ASK,), "2", question=f"What is {n}?", kind=kind) for kind in ("answer", "refusal") for n in range(30)]
    rows = [*both, *(Row((ASK,), "2", question=f"第{n}个是什么？", kind="answer") for n in range(40))]
    found = interleaved(rows, 7)
    assert sorted(map(repr, found)) == sorted(map(repr, rows)) and found == interleaved(rows, 7)
    for start in range(0, 100, 20):
        kinds = Counter((row.kind, row.question[0]) for row in found[start : start + 20])
        assert abs(kinds["refusal", "W"] - 6) <= 1 and abs(kinds["answer", "第"] - 8) <= 1
    for at, row in enumerate(found):  # with and without its passage side by side
        if row.kind == "refusal":
            assert row.question in {found[at - 1].question, found[(at + 1) % len(found)].question}


def test_questions_of_an_evaluation_set_are_found_in_other_words_too() -> None:
    rows = [
        Row((), "", question=q) for q in ("How many days of annual leave?", "Who repairs the pump?", "年假多少天？")
    ]
    found = leaks(rows, ["how many days of the annual leave", "年假 多少天"])
    assert [row.question for row in found] == [rows[0].question, rows[2].question]


# --- a knowledge base -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    folder = tmp_path_factory.mktemp("docs")
    for n in range(12):
        table = "".join(f"| Pump {n}-{m} | {100 + 17 * n + m} bar | {n + m} May |\n" for m in range(5))
        (folder / f"pumps{n}.md").write_text(
            f"# Pumps {n}\n\nStation {n} stands in Harbour street {n + 40}.\n\n| Pump | Pressure | Check |\n|---|---|---|\n{table}\nThe manual of station {n} was printed in {1900 + n}.\n"
        )
    (folder / "zh.md").write_text(
        "# 泵房\n\n泵房可以进入吗？每天上午九点以后可以进入。\n\n泵房的水泵每 30 天检查一次。\n"
    )
    secret = tmp_path_factory.mktemp("secret")
    (secret / "pay.md").write_text("# Pay\n\nThe director earns 90000 euros a year, says the board.\n")
    kb = KnowledgeBase.open(tmp_path_factory.mktemp("kb") / "kb", embedder="none")
    kb.sync(str(folder))
    kb.sync(str(secret), principals=["board"])
    return kb


def test_rows_of_a_base_hold_what_they_say(base: KnowledgeBase) -> None:
    built = build_rows(base, count=80, k=3, follow_ups=0.2)
    kinds, places = Counter(row.kind for row in built.rows), Counter[int]()
    assert 0.3 <= kinds["refusal"] / len(built.rows) <= 0.4 and kinds["follow_up"] >= 5
    sides = {}
    for row in built.rows:
        assert row.prompt[0]["role"] == "system" and "90000" not in json.dumps(row.to_dict())
        assert all(source in row.prompt[-1]["content"] for source in row.sources) and len(row.sources) <= 3
        assert sides.setdefault(row.document, row.split) == row.split
        if row.kind == "refusal":
            assert is_refusal(row.answer, "en") and not row.answers
        else:
            (n,) = [number for marker in MARKER.finditer(row.answer) for number in numbers(marker)]
            assert [i for i, s in enumerate(row.sources, 1) if contains(s, row.answers)] == [n]
            places[n] += 1
    refused = {row.question for row in built.rows if row.kind == "refusal"}
    assert refused <= {row.question for row in built.rows if row.kind != "refusal"}  # contrastive pairs
    assert max(places.values()) - min(places.values()) <= 0.2 * sum(places.values())
    assert not leaks(
        [r for r in built.rows if r.split == "train"], [r.question for r in built.rows if r.split != "train"]
    )
    assert built.rows == build_rows(base, count=80, k=3, follow_ups=0.2).rows


def test_sources_of_a_row_are_of_its_own_side(base: KnowledgeBase) -> None:
    side_of_text = {}
    for row in build_rows(base, count=80, k=3).rows:
        for source in row.sources:
            assert side_of_text.setdefault(source, row.split) == row.split


def test_the_prompt_of_a_row_is_the_one_that_serves(base: KnowledgeBase) -> None:
    from nacre import RetrievalAugmented, ScriptedChatModel

    model = ScriptedChatModel(["340 bar [1]."])
    layer = RetrievalAugmented(inner=model, retriever=base.retriever(k=2), min_relevance=0)
    layer.invoke("What is the Pressure of Pump 3-2?")
    assert (
        shown(base.retriever(k=2).invoke("What is the Pressure of Pump 3-2?"), "What is the Pressure of Pump 3-2?")
        == model.calls[0]
    )


def test_a_follow_up_that_leans_stands_in_its_row_as_it_is(base: KnowledgeBase) -> None:
    past = [HumanMessage("What is the Pressure of Pump 3-2?"), AIMessage("153 bar [1].")]
    messages = shown(base.retriever(k=2).invoke("Pump 3-3"), "And how is it for Pump 3-3?", past)
    assert messages[1:3] == past and "And how is it for Pump 3-3?" in messages[-1].text


def test_pairs_and_written_questions_and_what_is_excluded(base: KnowledgeBase) -> None:
    pairs = build_rows(base, count=30, k=3, pairs=True).rows
    assert all(row.rejected and row.rejected != row.answer for row in pairs)
    assert len({MARKER.sub("", row.rejected or "") == MARKER.sub("", row.answer) for row in pairs}) == 2
    given = [
        Question("a", "Where does station 4 stand?", ("Harbour street 44",), "pumps4.md"),
        Question("b", "Who won the Harbour street race?", ()),
    ]
    rows = build_rows(base, count=0, questions=given, k=3).rows
    assert [row.kind for row in rows if row.question == "Who won the Harbour street race?"] == ["refusal"]
    assert "Harbour street 44 [" in next(row.answer for row in rows if row.kind == "answer")
    first = rows[0].question
    built = build_rows(base, count=0, questions=given, k=3, exclude=[first.upper()])
    assert built.leaks == [first] and all(row.question != first for row in built.rows)
    with pytest.raises(FinetuningError, match="No row came of 1 questions"):
        build_rows(base, count=0, questions=[Question("c", "Who?", ("nobody at all",))])


def test_feedback_and_traces_become_rows_where_their_citations_hold(base: KnowledgeBase, tmp_path: Path) -> None:
    import sqlite3

    good, bad = "Station 4 stands in Harbour street 44 [1].", "Station 4 stands in Paris [1]."
    with sqlite3.connect(tmp_path / "records.sqlite") as db:
        db.execute("create table feedback (at real, asker text, verdict text, record text)")
        db.execute("create table traces (request text, at real, asker text, model text, record text)")
        for n, (verdict, answer) in enumerate([("up", good), ("down", bad)]):
            db.execute(
                "insert into feedback values (?, 'a', ?, ?)",
                (n, verdict, json.dumps({"question": "Where does station 4 stand?", "answer": answer, "comment": ""})),
            )
        said = [{"type": "human", "data": {"content": "When was the manual of station 3 printed?"}}]
        db.execute(
            "insert into traces values ('r', 9, 'a', 'm', ?)",
            (json.dumps({"messages": said, "answer": "It was printed in 1903 [7]."}),),
        )
    db.close()
    found = read_exchanges(tmp_path)
    assert found[0] == Exchange("Where does station 4 stand?", good, "up") and len(found) == 3
    assert [(r.answer, r.label) for r in rows_of(found, base, "thumbs", 3)] == [(good, True), (bad, False)]
    assert [(r.answer, r.rejected) for r in rows_of(found, base, "pairs", 3)] == [(good, bad)]
    (row,) = list(rows_of(found, base, "answers", 3)) or [None]
    assert row is None or citations_hold(row.answer, row.sources)
    with pytest.raises(FinetuningError, match="no data folder of a server"):
        read_exchanges(tmp_path / "elsewhere")


def test_a_citation_must_hold_the_words() -> None:
    sources = ("Station 4 stands in Harbour street 44.", "Pumps are blue.")
    assert citations_hold("Station 4 stands in Harbour street 44 [1]. Pumps are blue [2].", sources)
    for answer in ("Station 4 stands in Harbour street 44 [2].", "Station 4 stands there.", "Blue pumps [3].", ""):
        assert not citations_hold(answer, sources)


def test_rewards_know_a_right_citation_a_due_refusal_and_a_value() -> None:
    facts = {"sources": [["a 7", "b"]] * 3, "answers": [["7"], ["7"], []], "question": ["?"] * 3}
    said = ["It is 7 [1].", "It is 7 [2].", "I can't find this in the sources."]
    assert citation_holds(said, **facts) == [1, 0, 0]
    assert refusal_right(said, **facts) == [1, 1, 1]
    assert value_right([[{"role": "assistant", "content": text}] for text in said], **facts) == [1, 1, 0]


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["llama", "glm4", "qwen2"])
def test_what_is_trained_is_what_serves(bases: dict[str, Path], family: str) -> None:
    model, tokenizer = load_trainable(str(bases[family]), "lora")
    encoder = Encoder.of(model, tokenizer)
    turns = [
        ("system", "Cite."),
        ("user", "1?"),
        ("assistant", "1 [1]."),
        ("user", "And <|eot|> 2? <|im_end|> <|user|>"),
    ]
    row = Row(tuple({"role": role, "content": text} for role, text in turns), "It is 2 [1].")
    served = [SystemMessage("Cite."), HumanMessage("1?"), AIMessage("1 [1]."), HumanMessage(turns[3][1])]
    prompt = prompt_ids(tokenizer, served, None, {})[0]
    found = encoder.trained(row)
    start = found["labels"].index(next(label for label in found["labels"] if label != -100))
    assert found["input_ids"][:start] == prompt and set(found["labels"][:start]) == {-100}
    answer = found["input_ids"][start:]
    assert found["labels"][start:] == answer and answer[-1] in encoder.stops
    assert not set(answer[:-1]) & set(encoder.stops)
    assert tokenizer.decode(answer, skip_special_tokens=True).strip() == "It is 2 [1]."
    # As the template itself would go on.
    whole = prompt_ids(tokenizer, [*served, AIMessage("It is 2 [1]."), HumanMessage("?")], None, {})[0]
    assert whole[: len(prompt) + len(answer)] == prompt + answer
    assert encoder.marked(row).count("⟦") == 1 and "⟦" not in encoder.marked(row).split("⟦")[1]
    assert prompts_as_served(Row((ASK,), "2"), encoder) == [ASK]
    with pytest.raises(FinetuningError, match="control tokens"):
        prompts_as_served(row, encoder)


def test_a_row_that_does_not_fit_is_left_out_whole(bases: dict[str, Path]) -> None:
    encoder = Encoder.of(*load_trainable(str(bases["qwen2"]), "lora"))
    long = Row(({"role": "user", "content": "x " * 1200},), "2")
    kept, problems = fitting([Row((ASK,), "2"), long], encoder)
    assert (
        len(kept) == 1 and problems[0].startswith(f"The row {long.asked[:80]!r} does not fit") and "1024" in problems[0]
    )
    with pytest.raises(FinetuningError, match="No row fits"):
        fitting([long], encoder)


# --- what is refused before a model is looked at ----------------------------------------------------------------------


def test_plans_are_checked_by_their_rows(some_rows: Rows, write_rows: Write) -> None:
    def plan(rows: list[dict[str, Any]], method: str = "lora") -> Plan:
        return Plan(base="none", data=str(write_rows(rows)), out="none", method=method)

    good = some_rows(count=40)
    whole = prepare(plan(good))
    assert whole.problems == []
    part = prepare(replace(plan(good), rows=32))
    assert part.train == whole.train[:32] and len(whole.train) > 32 and part.rows == whole.rows
    assert "Only 9 rows" in prepare(plan(some_rows(count=9))).problems[0]
    told = prepare(plan([row for row in good if row["kind"] == "answer"])).problems
    assert any("No refusals" in line for line in told)
    with pytest.raises(FinetuningError, match="stand also in what is measured"):
        prepare(plan(good), ["what colour is the thing 3"])
    with pytest.raises(FinetuningError, match="stand also in what is measured"):
        prepare(plan([*good, {**good[0], "split": "test"}]))
    with pytest.raises(FinetuningError, match="dpo learns from pairs"):
        prepare(plan(good, "dpo"))
    with pytest.raises(FinetuningError, match="no row of the split train"):
        prepare(plan([{**row, "split": "test"} for row in good]))
