"""Public yardsticks over folders that the user has: conversations over given passages (MTRAG-UN), and the pages of
filings (FinanceBench). τ-Knowledge is a set in BEIR layout, for the retrieval suite; RGB has suites of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, Unpack

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from nacre.eval.answers import described
from nacre.eval.datasets import read_rows
from nacre.eval.items import Item, worst
from nacre.eval.metrics import token_f1
from nacre.eval.questions import is_of
from nacre.eval.refusal import over
from nacre.eval.report import Report, fingerprint
from nacre.eval.running import Run, Suite, carry_out
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.text.markers import MARKER
from nacre.text.messages import nacre_of, text_of

Row = Mapping[str, Any]
_DEPTHS = (1, 5, 10)
# What others reached, for the reader; none of it is judged.
_PUBLISHED = {"gpt-4-turbo, one vector store of all filings: right, of 150": 29, "refused": 101, "wrong": 20}
_ANSWERED = {"ANSWERABLE": True, "UNANSWERABLE": False}  # of the others (PARTIAL, UNDERSPECIFIED) either may be right


def evaluate_turns(data: Path, model: BaseChatModel, **run: Unpack[Run]) -> Report:
    """Ask the last turn of conversations over the passages that each was given, as MTRAG-UN does.

    Args:
        data: JSON Lines of {id, messages, passages, answerability, reference}.
        model: the model that answers.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: `refusal_recall` over unanswerable turns, `false_refusals` over answerable ones, `asked_back` over
        underspecified ones, `f1` with the reference answers.

    Raises:
        EvaluationError: the file is missing, or a row lacks a field.
    """

    def ask(row: Row) -> Item:
        reply = over(model, [str(passage["text"]) for passage in row["passages"]]).invoke(_messages(row))
        return {"answer": text_of(reply), "abstained": float(bool(nacre_of(reply).get("abstained")))}

    suite = Suite(
        "turns",
        ("f1", "refusal_recall", "false_refusals", "asked_back", "abstained"),
        read_rows(data, ("messages", "passages", "answerability", "reference")),
        ask,
        {"data": data.name, **described(over(model, ()))},
        name_of=itemgetter("id"),
        items=_scored_turn,
        asked=lambda row: str((row["messages"], row["passages"])),
    )
    return carry_out(suite, **run)


def _messages(row: Row) -> list[BaseMessage]:
    kinds = {"user": HumanMessage, "assistant": AIMessage}
    return [kinds[said["role"]](str(said["content"])) for said in row["messages"] if said["role"] in kinds]


def _scored_turn(row: Row, reply: Item) -> list[Item]:
    gold = [str(text) for text in row["reference"]]
    item = {"question": row["messages"][-1]["content"], "gold": gold, "group": row.get("conversation") or row["id"]}
    answerable = next((_ANSWERED[kind] for kind in row["answerability"] if kind in _ANSWERED), None)
    names: tuple[str, ...] = {True: ("f1", "false_refusals"), False: ("refusal_recall",), None: ("f1",)}[answerable]
    if "UNDERSPECIFIED" in row["answerability"]:
        names = (*names, "asked_back")
    if "error" in reply:
        return [{**item, **worst(names), "error": reply["error"]}]
    scores = {
        "f1": token_f1(MARKER.sub("", str(reply["answer"])), gold),
        "false_refusals": reply["abstained"],
        "refusal_recall": reply["abstained"],
        # It ends with a question of its own: one that it quotes has its citation behind it.
        "asked_back": float(str(reply["answer"]).rstrip("*_ \n").endswith(("?", "？"))),
    }
    return [{**item, **reply, **{name: scores[name] for name in names}}]


def evaluate_filings(data: Path, *, kb: Path | str | None = None, embedder: Any = None, **run: Unpack[Run]) -> Report:
    """Search filings for the pages that answer, as FinanceBench has them.

    Args:
        data: a folder with `questions.jsonl` ({id, question, filing, pages counted from 0}) and `pdfs/`.
        kb: where the knowledge base of the filings is, or is to be made; None makes one that is gone afterwards.
        embedder: as in `KnowledgeBase.open`.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: `page@k`, whether a right page is among the first k passages, and `filing@k`, a right filing.

    Raises:
        EvaluationError: the file is missing, or a row lacks a field.
    """
    rows = read_rows(data / "questions.jsonl", ("question", "filing", "pages"))
    with (
        tempfile.TemporaryDirectory(prefix="nacre-eval-") as temporary,
        KnowledgeBase.open(kb or Path(temporary) / "kb", embedder=embedder) as base,
    ):
        base.sync(str(data / "pdfs"))

        def searched(row: Row) -> Item:
            hits = base.search(str(row["question"]), k=max(_DEPTHS))
            found = [(is_of(str(row["filing"]), hit.uri), (hit.page or 0) - 1 in row["pages"]) for hit in hits]
            item: Item = {"question": row["question"], "gold": [f"{row['filing']} {row['pages']}"]}
            item |= {f"page@{k}": float(any(filing and page for filing, page in found[:k])) for k in _DEPTHS}
            return item | {f"filing@{k}": float(any(filing for filing, _ in found[:k])) for k in _DEPTHS}

        suite = Suite(
            "filings",
            [f"{what}@{k}" for what in ("page", "filing") for k in _DEPTHS],
            rows,
            searched,
            {"data": data.name, "corpus": fingerprint(base.text(d["uri"]) for d in base.documents())},
            name_of=itemgetter("id"),
            figures=lambda items: {"published": _PUBLISHED},
            resumes=False,
        )
        return carry_out(suite, **run)
