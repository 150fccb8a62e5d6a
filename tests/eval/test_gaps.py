"""Gaps: what was refused or disliked, grouped by meaning, each group with the stage that lost it."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import pytest
from langchain_core.embeddings import Embeddings

from nacre import KnowledgeBase, RetrievalAugmented
from nacre.cli import run
from nacre.cli.why import _show
from nacre.connectors.models.quote import QuoteChatModel
from nacre.eval.gaps import Exchange, Gap, find_gaps, grouped
from nacre.server.records import Records
from nacre.store.encoder import Encoder
from nacre.testing.stores import StoreEmbeddings

GATE = "What is the gate code of the north warehouse?"
FACT = "The gate code of the north warehouse is 4417."
TEXTS = [FACT, *(f"Note {n}: the attic keeps {n} crates of tea." for n in range(20))]


@pytest.fixture
def stack(tmp_path: Path) -> RetrievalAugmented:
    return over(tmp_path)


def over(tmp_path: Path, principals: list[str] | None = None) -> RetrievalAugmented:
    folder = tmp_path / "docs"
    folder.mkdir()
    for n, text in enumerate(TEXTS):
        (folder / f"{n:02}.md").write_text(text, "utf-8")
    kb = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    kb.sync(str(folder), principals=principals)
    return RetrievalAugmented(inner=QuoteChatModel(), retriever=kb.retriever(k=3))


def refused(question: str, **more: object) -> Exchange:
    return Exchange(question, "", True, **more)  # type: ignore[arg-type]


def test_what_no_document_says_asks_for_a_document(stack: RetrievalAugmented) -> None:
    asked = ["Who is the patron saint of Lisbon?", "Lisbon's patron saint, who is it?", GATE]
    gaps = find_gaps([*map(refused, asked), refused(asked[0])], stack)
    assert [(gap.count, gap.stage) for gap in gaps] == [(3, "source"), (1, "none")]
    assert gaps[0].questions == tuple(asked[:2]) and "document" in gaps[0].cure


def test_what_the_asker_may_not_see_is_told_apart(tmp_path: Path) -> None:
    [gap] = find_gaps([refused(GATE)], over(tmp_path, principals=["depot"]))
    assert gap.stage == "permission" and gap.setting == {"principals": ["depot"]}
    assert find_gaps([refused(GATE, principals=("depot",))], over_again(tmp_path))[0].stage == "none"


def over_again(tmp_path: Path) -> RetrievalAugmented:
    kb = KnowledgeBase.open(tmp_path / "kb", embedder="none")
    return RetrievalAugmented(inner=QuoteChatModel(), retriever=kb.retriever(k=3))


def test_a_threshold_that_refuses_is_named_with_its_cure(stack: RetrievalAugmented) -> None:
    strict = stack.model_copy(update={"min_relevance": 1.0})
    [gap] = find_gaps([refused(GATE)], strict)
    assert gap.stage == "relevance"
    mended = stack.model_copy(update=gap.setting)
    assert find_gaps([refused(GATE)], mended)[0].stage == "none"


def test_a_disliked_answer_is_followed_and_a_liked_one_is_no_gap(stack: RetrievalAugmented) -> None:
    up, down = Exchange(GATE, FACT, verdict="up"), Exchange(GATE, "4418", verdict="down", sources=("file:///a.md",))
    assert find_gaps([up], stack) == []
    [gap] = find_gaps([down], stack)
    assert (gap.stage, gap.disliked, gap.refused, gap.uri) == ("model", 1, 0, "file:///a.md")


class Crowded(Embeddings):
    """An encoder that sees every two texts as near: what tells them apart is a tenth of what they share."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vector = [0.0] * 64
        for word in re.findall(r"\w+", text.casefold()):
            vector[zlib.crc32(word.encode()) % 63] += 1.0
        length = sum(value * value for value in vector) ** 0.5 or 1.0
        return [*(value / length for value in vector[:63]), 3.0]


def test_questions_are_told_apart_where_an_encoder_sees_all_as_near() -> None:
    asked = ["?", "Who owns the old mill?", "Who owns the mill?", "When do the trams run?", "?"]
    groups = grouped([*map(refused, asked)], Encoder(Crowded()))
    assert [[one.question for one in group] for group in groups] == [["?", "?"], asked[1:3], asked[3:4]]


def test_a_very_long_question_is_shown_by_its_beginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _show([Gap(("x" * 50_000,), 1, "source", "cure", "reason", 1, 0)], {"traces": True})
    assert len(capsys.readouterr().err) < 2_000


@pytest.mark.parametrize("encoder", [True, False])
def test_identifiers_part_what_is_worded_alike(encoder: bool) -> None:
    asked = [refused(f"What is the lead time of the PX-{n}?") for n in (100, 200, 100)]
    assert [len(group) for group in grouped(asked, Encoder(StoreEmbeddings()) if encoder else None)] == [2, 1]


@pytest.mark.parametrize("question", ["?", "the of and", "x" * 100_000, "{braces} %s", "🦪"])
def test_any_question_is_a_gap_and_no_error(stack: RetrievalAugmented, question: str) -> None:
    [gap] = find_gaps([refused(question), refused("  ")], stack)
    assert gap.count == 1 and gap.cure


def test_the_command_reads_traces_and_verdicts(
    stack: RetrievalAugmented, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = Records(tmp_path / "kb" / "server")
    human = {"type": "human", "data": {"content": "Who is the patron saint of Lisbon?"}}
    for n, own in enumerate(({"abstained": True}, {"closest": True}, {})):
        record = {"messages": [human], "answer": "-", "nacre": own, "status": "ok"}
        records.insert("traces", {"request": str(n), "at": n, "asker": "a", "model": "m", "record": json.dumps(record)})
    verdict = {"question": GATE, "answer": "4418", "comment": "wrong"}
    records.insert("feedback", {"at": 4, "asker": "a", "verdict": "down", "record": json.dumps(verdict)})
    records.close()
    out = tmp_path / "rows.jsonl"
    assert run(["gaps", "--kb", str(tmp_path / "kb"), "--model", "quote", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(gap["count"], gap["stage"]) for gap in told["gaps"]] == [(2, "source"), (1, "model")]
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["question"] for row in rows] == [GATE]  # traces become rows only where the settings allow it
    assert rows[0]["comment"] == "wrong" and rows[0]["answers"] is None
    config = tmp_path / "nacre.yaml"
    config.write_text("kb: kb\nserver:\n  trace_rows: true\n", "utf-8")
    assert run(["gaps", "--config", str(config), "--model", "quote", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 2
    assert run(["gaps", "--kb", str(tmp_path / "kb"), "--model", "quote"]) == 0
    assert "patron saint" in capsys.readouterr().out
