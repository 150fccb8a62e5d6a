"""From production to a test: what people asked and thought becomes question rows; and what changed in it over time."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from nacre.eval.metrics import normalise
from nacre.text.markers import MARKER
from nacre.text.words import words

_SEED = 20260101
_SHORT = 80  # characters of an answer that can stand as a gold answer by itself
_RARE = 2  # a word that fewer questions hold is no news


def rows_of(exchanges: Iterable[Mapping[str, Any]], *, count: int | None = None) -> list[dict[str, Any]]:
    """Question rows of exchanges, each once, `count` at most by chance; a null `answers` is for a person to fill in."""
    found: dict[str, dict[str, Any]] = {}
    for exchange in exchanges:
        question = str(exchange.get("question") or "").strip()
        if not question:
            continue
        key = normalise(question)
        known = found.get(key)
        # Of several answers to a question the one that somebody complained of is worth more.
        if known is None or (exchange.get("verdict") == "down" and known.get("verdict") != "down"):
            found[key] = _row(question, exchange)
    rows = list(found.values())
    if count is not None and len(rows) > count:
        chosen = set(random.Random(_SEED).sample(range(len(rows)), count))
        rows = [row for n, row in enumerate(rows) if n in chosen]
    return rows


def _row(question: str, exchange: Mapping[str, Any]) -> dict[str, Any]:
    answer = MARKER.sub("", str(exchange.get("answer") or "")).strip()
    liked = exchange.get("verdict") == "up"
    gold: list[str] | None = None
    if liked and exchange.get("abstained"):
        gold = []
    elif liked and 0 < len(answer) <= _SHORT:
        gold = [answer]
    named = (source for source in exchange.get("sources") or () if isinstance(source, Mapping) and source.get("uri"))
    uri = next((str(source["uri"]) for source in named), "") if liked else ""
    more = {name: exchange.get(name) for name in ("verdict", "comment", "request", "asker", "versions")}
    return open_row("p", question, gold, answer, uri, **more)


def open_row(kind: str, question: str, gold: list[str] | None, given: str, uri: str, **more: Any) -> dict[str, Any]:
    """A question row; without a gold answer it is for a person to fill in."""
    row = {"id": short_id(kind, question), "question": question, "answers": gold, "answer_given": given, "uri": uri}
    return {**row, **{name: value for name, value in more.items() if value}}


def short_id(kind: str, text: str) -> str:
    """An id that is the same for the same text."""
    return kind + sha256(text.encode("utf-8", "replace")).hexdigest()[:10]


def drift(exchanges: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is different month by month: questions and refusals, new words, documents that are no longer cited."""
    by_month: dict[str, list[Mapping[str, Any]]] = {}
    for exchange in exchanges:
        by_month.setdefault(time.strftime("%Y-%m", time.gmtime(float(exchange["at"]))), []).append(exchange)
    months = []
    for month, rows in sorted(by_month.items()):
        refused = round(sum(bool(row.get("abstained")) for row in rows) / len(rows), 4)
        months.append({"month": month, "questions": len(rows), "refused": refused})
    *earlier, last = [by_month[str(month["month"])] for month in months] or [[]]
    before = [exchange for rows in earlier for exchange in rows]
    known = {word for exchange in before for word in _words(exchange)}
    fresh = Counter(word for exchange in last for word in _words(exchange) if word not in known)
    gone = Counter(uri for exchange in before for uri in _cited(exchange))
    for exchange in last:
        for uri in _cited(exchange):
            gone.pop(uri, None)
    new = [word for word, times in fresh.most_common(50) if times >= _RARE] if earlier else []
    return {"months": months, "new_words": new, "no_longer_cited": [uri for uri, _ in gone.most_common(50)]}


def _words(exchange: Mapping[str, Any]) -> set[str]:
    return set(words(str(exchange.get("question") or "")))


def _cited(exchange: Mapping[str, Any]) -> set[str]:
    return {str(s["uri"]) for s in exchange.get("sources") or () if isinstance(s, Mapping) and s.get("uri")}
