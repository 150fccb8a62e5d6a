"""The refusal suite: a question asked with passages that do not answer it, and again with passages that do (RGB)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever

from nacre.eval.answers import described
from nacre.eval.datasets import RobustnessRow, load_robustness
from nacre.eval.items import Item, worst
from nacre.eval.metrics import contains
from nacre.eval.report import Report
from nacre.eval.running import Run, Suite, carry_out
from nacre.layers.rag import RetrievalAugmented
from nacre.text.messages import nacre_of, text_of

METRICS = ("refusal_recall", "false_refusals", "right")
# As in the paper: five passages a question.
PASSAGES = 5


class FixedRetriever(BaseRetriever):
    """Finds the same passages for every question."""

    passages: list[str]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [Document(text, metadata={"uri": f"passage:{n}", "start": 0}) for n, text in enumerate(self.passages, 1)]


def evaluate_refusal(data: Path, model: BaseChatModel, **run: Unpack[Run]) -> Report:
    """Ask every question twice: with negative passages only, and with positive ones.

    Args:
        data: a file of the RGB benchmark.
        model: the model that answers.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: `refusal_recall` (refused when it should), `false_refusals` (refused when it should not), `right`
        (the gold answer stands in the answer to the positive passages).

    Raises:
        EvaluationError: the file is missing, or no row of it is usable.
    """
    rows, problems = load_robustness(data)
    settings = {"data": data.name, **described(over(model, ()))}
    suite = Suite(
        "refusal", METRICS, rows, partial(ask_twice, model), settings, problems, items=_scored, asked=passages_of
    )
    return carry_out(suite, **run)


def ask_twice(model: BaseChatModel, row: RobustnessRow) -> Item:
    """One question with both kinds of passages."""
    kinds = {"negatives": row.negative, "positives": row.positive}
    return {kind: ask(model, row.question, passages) for kind, passages in kinds.items() if passages}


def _scored(row: RobustnessRow, reply: Item) -> list[Item]:
    item: Item = {"question": row.question, "gold": [" / ".join(part) for part in row.answers]}
    if "error" in reply:
        kinds = ("refusal_recall",) * bool(row.negative) + ("false_refusals", "right") * bool(row.positive)
        return [{**item, **worst(kinds), "error": reply["error"]}]
    if "negatives" in reply:
        answer, refused = reply["negatives"]
        item |= {"refusal_recall": float(refused), "answer to negatives": answer}
    if "positives" in reply:
        answer, refused = reply["positives"]
        item |= {"false_refusals": float(refused), "answer": answer, "right": is_right(answer, row)}
    return [{**item, "seconds": reply.get("seconds", 0.0)}]


def is_right(answer: str, row: RobustnessRow) -> float:
    """Whether every part of the gold answer stands in an answer."""
    return float(all(contains(answer, part) for part in row.answers))


def passages_of(row: RobustnessRow) -> str:
    """What of a row a reply depends on."""
    return str((row.question, row.positive, row.negative, row.wrong))


def ask(model: BaseChatModel, question: str, passages: Sequence[str]) -> tuple[str, bool]:
    """The answer over the first `PASSAGES` of some passages, and whether it is a refusal."""
    reply = over(model, passages[:PASSAGES]).invoke(question)
    return text_of(reply), bool(nacre_of(reply).get("abstained"))


def over(model: BaseChatModel, passages: Sequence[str]) -> RetrievalAugmented:
    """A model that answers over given passages."""
    return RetrievalAugmented(inner=model, retriever=FixedRetriever(passages=list(passages)))


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("refusal")
