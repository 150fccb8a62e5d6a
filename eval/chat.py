"""The chat suite: conversations whose later questions mean nothing without the earlier ones."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.errors import EvaluationError
from nacre.eval.answers import METRICS, costs, described, judge, usage
from nacre.eval.datasets import Question, objects
from nacre.eval.report import Item, Report, fingerprint
from nacre.eval.running import run_items
from nacre.text.language import tr
from nacre.text.messages import nacre_of, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True)
class Conversation:
    """Questions that one person asks one after the other."""

    id: str
    turns: tuple[Question, ...]


def load_conversations(path: Path) -> tuple[list[Conversation], list[str]]:
    """Read conversations."""
    rows, problems = objects(path)
    found = []
    for id, row in rows:
        turns = [turn for turn in row.get("turns") or [] if isinstance(turn, dict) and str(turn.get("question") or "")]
        if not turns:
            problems.append(f"{path.name}: {tr('no turns in ')}{id}")
            continue
        found.append(Conversation(id, tuple(_question(f"{id}.{n}", turn) for n, turn in enumerate(turns, 1))))
    if not found:
        raise EvaluationError(tr("{path} holds no conversation.", path=path))
    return found, problems


def _question(id: str, turn: dict[str, Any]) -> Question:
    return Question(id, str(turn["question"]), tuple(map(str, turn.get("answers") or ())), str(turn.get("uri") or ""))


def evaluate_chat(
    data: Path,
    model: BaseChatModel,
    kb: Path,
    *,
    k: int | None = None,
    limit: int | None = None,
    workers: int = 1,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Hold conversations over a knowledge base, each in a session of its own.

    Args:
        k: how many passages the model sees; None for what the knowledge base is set to, else 6.

    Returns:
        The report: the metrics of answers, one item a turn; `follow_ups` is `contains` of all turns but the first.
    """
    from nacre.layers.memory import ConversationMemory
    from nacre.layers.rag import RetrievalAugmented
    from nacre.retrieval.knowledge_base import KnowledgeBase
    from nacre.retrieval.retriever import retriever_of

    conversations, problems = load_conversations(data)
    base = KnowledgeBase.open(kb, create=False)
    stack = ConversationMemory(inner=RetrievalAugmented(inner=model, retriever=retriever_of(base, k=k)))
    questions = fingerprint(json.dumps([turn.text for turn in c.turns]) for c in conversations)
    settings = {"data": data.name, **described(stack, base), "questions": questions}

    def hold(conversation: Conversation) -> Item:
        turns = []
        for position, question in enumerate(conversation.turns):
            began = time.perf_counter()
            reply = stack.invoke(question.text, session_id=conversation.id)
            own = nacre_of(reply)
            item = {"id": question.id, **judge(question, text_of(reply), own, base), **usage(reply)}
            item |= {"seconds": round(time.perf_counter() - began, 4), "understood_as": own.get("question")}
            if position and "contains" in item:
                item["follow_ups"] = item["contains"]
            turns.append(item)
        return {"turns": turns}

    held = run_items(
        conversations[:limit], hold, name=lambda c: c.id, workers=workers,
        done_file=out / "items.jsonl" if out else None, key=fingerprint([str(settings)]), on_progress=on_progress,
    )  # fmt: skip
    items = [turn for conversation in held for turn in conversation.get("turns", [conversation])]
    figures = {"conversations": len(held), **costs(items)}
    return Report("chat", ("follow_ups", *METRICS), items, figures, settings, problems)


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("chat")
