"""Rows from what people asked and what they thought of the answers: a server's feedback and traces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.connectors.models.templates import turns
from nacre.errors import FinetuningError, NacreError
from nacre.finetuning.building import shown
from nacre.finetuning.rows import Row
from nacre.grounding.citations import best_quote, statements
from nacre.grounding.evidence import is_refusal
from nacre.retrieval.retriever import retriever_of
from nacre.store.places import scheme_of
from nacre.system.sqlite import Database, Tables
from nacre.text.language import language_of, tr
from nacre.text.messages import last_user_text, parse_sources

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase

_SUPPORT = 0.5  # of a statement's words stand in the source that it cites


@dataclass(frozen=True)
class Exchange:
    """A question, an answer, and what a person thought of it: "up", "down" or "" where nobody said."""

    question: str
    answer: str
    verdict: str = ""


def read_exchanges(place: str | Path) -> list[Exchange]:
    """The feedback and the traces of a server.

    Args:
        place: its data folder, in which nothing is changed, or its database.
    """
    db = _opened(place)
    try:
        given = [(v, json.loads(r)) for v, r in db.read("select verdict, record from feedback order by at")]
        kept = [json.loads(record) for (record,) in db.read("select record from traces order by at")]
    except (NacreError, ValueError) as error:
        raise FinetuningError(tr("{file} cannot be read: {error}", file=db.identity, error=error)) from error
    finally:
        db.close()
    judged = [Exchange(str(r.get("question", "")), str(r.get("answer", "")), v) for v, r in given]
    return [found for found in (*judged, *map(_traced, kept)) if found.question.strip() and found.answer.strip()]


def _opened(place: str | Path) -> Tables:
    if scheme_of(place):
        from nacre.store.postgres.tables import PostgresTables

        return PostgresTables(str(place), "records")
    file = Path(place) / "records.sqlite"
    if not file.is_file():
        raise FinetuningError(tr("{data} is no data folder of a server: it has no records.sqlite.", data=place))
    return Database(file, read_only=True)


def _traced(record: Mapping[str, Any]) -> Exchange:
    asked = [m for m in record.get("messages") or [] if isinstance(m, Mapping) and m.get("type") == "human"]
    content = (asked[-1].get("data") or {}).get("content") if asked else ""
    return Exchange(content if isinstance(content, str) else "", str(record.get("answer") or ""))


def rows_of(exchanges: Sequence[Exchange], base: KnowledgeBase, form: str, k: int | None = None) -> Iterator[Row]:
    """Rows of exchanges, over the sources that the knowledge base finds today.

    Args:
        form: "answers" takes what was liked, or stands in a trace, where today's sources support each citation;
            "thumbs" takes every verdict; "pairs" takes questions of which one answer was liked and another was not.
    """
    liked = {e.question: e.answer for e in exchanges if e.verdict == "up"}
    disliked = {e.question for e in exchanges if e.verdict == "down"}
    find, seen = retriever_of(base, k=k), set()
    for exchange in exchanges:
        if exchange in seen or not _wanted(exchange, form, liked, disliked):
            continue
        seen.add(exchange)
        messages = shown(documents, exchange.question) if (documents := find.invoke(exchange.question)) else []
        if not messages:
            continue
        sources = tuple(s.text for s in parse_sources(last_user_text(messages))[0])
        row = Row(
            tuple(turns(messages)), exchange.answer, document=str(documents[0].metadata["uri"]), origin="feedback",
            kind="answer", question=exchange.question, sources=sources,
        )  # fmt: skip
        if form == "thumbs":
            yield replace(row, label=exchange.verdict == "up")
        elif form == "pairs":
            yield replace(row, answer=liked[exchange.question], rejected=exchange.answer)
        elif citations_hold(exchange.answer, sources):
            yield replace(row, origin="feedback" if exchange.verdict else "trace")


def _wanted(exchange: Exchange, form: str, liked: Mapping[str, str], disliked: set[str]) -> bool:
    if form == "thumbs":
        return bool(exchange.verdict)
    if form == "pairs":
        return exchange.verdict == "down" and exchange.question in liked
    return (
        exchange.verdict != "down"
        and exchange.question not in disliked
        and not is_refusal(exchange.answer, language_of(exchange.question))
    )


def citations_hold(answer: str, sources: Sequence[str]) -> bool:
    """Whether every statement of an answer cites sources, and each of them holds half of its words or more."""
    found = statements(answer)
    return bool(found) and all(
        numbers and all(0 < n <= len(sources) and best_quote(said, sources[n - 1])[2] >= _SUPPORT for n in numbers)
        for _, _, said, numbers in found
    )
