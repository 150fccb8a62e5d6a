"""The chat suite: conversations whose later questions mean nothing without the earlier ones."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Unpack

from langchain_core.language_models import BaseChatModel

from nacre.errors import EvaluationError
from nacre.eval.answers import METRICS, depends_on, described, reply_of, scored
from nacre.eval.datasets import objects
from nacre.eval.items import Item
from nacre.eval.questions import Question, Row, question_of
from nacre.eval.report import Report
from nacre.eval.running import Run, Suite, attempted, carry_out, timed
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.stack import build
from nacre.text.language import tr


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
        turns = row.get("turns")
        if not isinstance(turns, list) or not turns:
            problems.append(f"{path.name}: {tr('no turns in ')}{id}")
            continue
        named = {f"{id}.{n}": turn if isinstance(turn, dict) else {} for n, turn in enumerate(turns, 1)}
        asked = [
            question_of(Row(f"{path.name}:{name}", {**turn, "id": name}), 0, problems, set())
            for name, turn in named.items()
        ]
        if all(asked):  # without one of its turns the others mean something else
            found.append(Conversation(id, tuple(replace(turn, group=id) for turn in asked if turn)))
    if not found:
        raise EvaluationError(tr("{path} holds no conversation.", path=path))
    return found, problems


def evaluate_chat(
    data: Path, model: BaseChatModel, kb: Path | str, *, k: int | None = None, **run: Unpack[Run]
) -> Report:
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
    conversations, problems = load_conversations(data)
    base = KnowledgeBase.open(kb, create=False)
    stack = build({"layers": ["memory", {"use": "rag", "k": k}]}, kb=base, leaf=model)

    def hold(conversation: Conversation) -> Item:
        turns: list[Item] = []
        session = secrets.token_hex(8)  # repeats never meet in one memory
        for question in conversation.turns:
            failed = turns and "error" in turns[-1]
            ask = partial(timed, partial(reply_of, stack, session_id=session))
            turns.append({"error": tr("an earlier turn failed")} if failed else attempted(ask, question))
        return {"turns": turns, "incomplete": "error" in turns[-1]}

    def items(conversation: Conversation, reply: Item) -> Iterator[Item]:
        turns = reply.get("turns") or [reply] * len(conversation.turns)
        for n, (question, turn) in enumerate(zip(conversation.turns, turns, strict=True)):
            item = scored(question, turn, base)
            yield {"id": question.id, **item, **({"follow_ups": item["contains"]} if n and "contains" in item else {})}

    questions = [turn for conversation in conversations[: run.get("limit")] for turn in conversation.turns]
    refusals = ("refusal_recall", "false_refusals") if any(not question.answers for question in questions) else ()
    settings = {"data": data.name, **described(stack, base)}
    suite = Suite(
        "chat",
        ("follow_ups", *METRICS, *refusals),
        conversations,
        hold,
        settings,
        problems,
        unit="queries",
        figures=lambda items: {"conversations": len(conversations[: run.get("limit")])},
        items=lambda conversation, reply: list(items(conversation, reply)),
        asked=lambda conversation: str([turn.text for turn in conversation.turns]),
        depends=depends_on(settings, base),
    )
    return carry_out(suite, **run)


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("chat")
