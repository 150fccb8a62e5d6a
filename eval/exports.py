"""Answers in the columns that other tools read: RAGAS and DeepEval."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nacre.errors import UsageError
from nacre.eval.answers import PLACE
from nacre.text.language import listed, tr
from nacre.text.markers import MARKER

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase

# question, answer, gold answer, contexts
COLUMNS: Mapping[str, tuple[str, str, str, str]] = {
    "ragas": ("user_input", "response", "reference", "retrieved_contexts"),
    "deepeval": ("input", "actual_output", "expected_output", "retrieval_context"),
}


def exported(report: Mapping[str, Any], tool: str, base: KnowledgeBase | None = None) -> list[dict[str, Any]]:
    """The answers of a report as rows for another tool.

    Args:
        base: the knowledge base that was asked; without it the contexts are the cited sentences only.
    """
    if tool not in COLUMNS:
        raise UsageError(tr("--to is {tool!r}; choose from {columns}.", tool=tool, columns=listed(COLUMNS)))
    question, answer, gold, contexts = COLUMNS[tool]
    return [
        {
            question: item.get("question", ""),
            answer: MARKER.sub("", str(item["answer"])).strip(),
            gold: " / ".join(map(str, item.get("gold") or ())),
            contexts: _contexts(item, base),
        }
        for item in report["items"]
        if item.get("answer")
    ]


def _contexts(item: Mapping[str, Any], base: KnowledgeBase | None) -> list[str]:
    lines = item.get("retrieved" if base else "sources") or ()
    places = [match for match in (re.match(PLACE, str(line)) for line in lines) if match]
    if base is None:
        return [str(match["quote"]).strip() for match in places]
    return [base.text(match["uri"])[int(match["start"]) : int(match["end"])] for match in places]
