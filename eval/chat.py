"""The chat suite: conversations whose later questions mean nothing without the earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from nacre.errors import EvaluationError
from nacre.eval.answers import METRICS, answered, described
from nacre.eval.datasets import Question, objects
from nacre.eval.report import Item, Report
from nacre.eval.running import Run, Suite, carry_out, timed
from nacre.text.language import tr

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


def evaluate_chat(data: Path, model: BaseChatModel, kb: Path, *, k: int | None = None, **run: Unpack[Run]) -> Report:
    """Hold conversations over a knowledge base, each in a session of its own.

    Args:
        data: as for `load_conversations`.
        model: the model that answers, and rewrites follow-ups.
        kb: the knowledge base.
        k: how many passages the model sees; None for what the knowledge base is set to, else 6.
        **run: how it is carried out, as in `Run`; what it limits and counts are conversations.

    Returns:
        The report: the metrics of answers, one item a turn; `follow_ups` is `contains` of all turns but the first.

    Raises:
        EvaluationError: the file is missing, or no conversation is in it.
        UsageError: there is no knowledge base in `kb`.
    """
    from nacre.retrieval.knowledge_base import KnowledgeBase
    from nacre.stack import build

    conversations, problems = load_conversations(data)
    base = KnowledgeBase.open(kb, create=False)
    stack = build({"layers": ["memory", {"use": "rag", "k": k}]}, kb=base, leaf=model)

    def hold(conversation: Conversation) -> Item:
        ask = partial(answered, stack, base=base, session_id=conversation.id)
        turns = [{"id": question.id, **timed(ask, question)} for question in conversation.turns]
        for turn in turns[1:]:
            turn |= {"follow_ups": turn["contains"]} if "contains" in turn else {}
        return {"turns": turns}

    suite = Suite(
        "chat",
        ("follow_ups", *METRICS),
        conversations,
        hold,
        {"data": data.name, **described(stack, base)},
        problems,
        unit="queries",
        figures=lambda items: {"conversations": len(conversations[: run.get("limit")])},
    )
    return carry_out(suite, **run)


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("chat")
