"""The refusal suite: a question asked with passages that do not answer it, and again with passages that do (RGB)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from nacre.eval.datasets import RobustnessRow, load_robustness
from nacre.eval.metrics import contains
from nacre.eval.report import Item, Report, fingerprint
from nacre.eval.running import run_items
from nacre.text.messages import nacre_of, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

METRICS = ("refusal_recall", "false_refusals", "right")
# As in the paper: five passages a question.
PASSAGES = 5


class FixedRetriever(BaseRetriever):
    """Finds the same passages for every question."""

    passages: list[str]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [Document(text, metadata={"uri": f"passage:{n}", "start": 0}) for n, text in enumerate(self.passages, 1)]


def evaluate_refusal(
    data: Path,
    model: BaseChatModel,
    *,
    limit: int | None = None,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Ask every question twice: with negative passages only, and with positive ones."""
    rows, problems = load_robustness(data)
    rows = rows[:limit]
    items = run_items(
        rows, lambda row: ask_twice(model, row), name=lambda row: row.id, workers=workers, on_progress=on_progress
    )
    figures: dict[str, Any] = {"questions": len(rows), "errors": sum("error" in item for item in items)}
    return Report(
        "refusal",
        METRICS,
        items,
        figures,
        {"data": data.name, "questions": fingerprint(row.question for row in rows)},
        problems,
    )


def ask_twice(model: BaseChatModel, row: RobustnessRow) -> Item:
    """One question with both kinds of passages.

    Returns:
        An item; the figure of a kind of which there are no passages is missing.
    """
    item: Item = {"question": row.question, "gold": [" / ".join(part) for part in row.answers]}
    if row.negative:
        answer, refused = ask(model, row.question, row.negative)
        item |= {"refusal_recall": float(refused), "answer to negatives": answer}
    if row.positive:
        answer, refused = ask(model, row.question, row.positive)
        item |= {
            "false_refusals": float(refused),
            "answer": answer,
            "right": float(all(contains(answer, part) for part in row.answers)),
        }
    return item


def ask(model: BaseChatModel, question: str, passages: Sequence[str]) -> tuple[str, bool]:
    """Ask over given passages."""
    from nacre.layers.rag import RetrievalAugmented

    reply = RetrievalAugmented(inner=model, retriever=FixedRetriever(passages=list(passages[:PASSAGES]))).invoke(
        question
    )
    return text_of(reply), bool(nacre_of(reply).get("abstained"))


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("refusal")
