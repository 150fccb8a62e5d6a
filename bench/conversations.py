"""Conversations with their passages (MTRAG-UN): `python bench/conversations.py [--limit N]`, with `quote`.

Refused: an answer that abstains; closest: one that says it is only the closest passage. Gold is the passages that the
set gives with each turn; they are searched among the passages of all turns. Data: NACRE_SHARED, else
../shared.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

import nacre
from nacre.eval.datasets import Passage, Retrieval
from nacre.eval.retrieval import index
from nacre.text.messages import nacre_of

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared")


KEPT = ROOT / ".bench" / "conversations"


def rows(limit: int | None = None) -> list[dict[str, Any]]:
    """The turns."""
    lines = (SHARED / "data" / "mtrag_un" / "tasks.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[:limit]]


def messages(row: dict[str, Any]) -> list[BaseMessage]:
    """The conversation up to a turn."""
    kinds = {"user": HumanMessage, "assistant": AIMessage}
    return [kinds[message["role"]](message["content"]) for message in row["messages"]]


def kept() -> nacre.KnowledgeBase:
    """A knowledge base of all passages, made once."""
    if (KEPT / "manifest.json").exists():
        return nacre.KnowledgeBase.open(KEPT)
    passages = {passage["_id"]: passage for row in rows() for passage in row["passages"]}
    corpus = tuple(Passage(key, passage.get("title", ""), passage["text"]) for key, passage in passages.items())
    return index(Retrieval(corpus, {}, {}), KEPT)


def main() -> None:
    """Ask every turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int)
    limit = parser.parse_args().limit
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    halves: dict[str, list[Counter[str]]] = defaultdict(lambda: [Counter(), Counter()])
    gold: list[bool] = []
    with kept() as base:
        model = nacre.build({"model": "quote", "layers": ["rag"]}, kb=base)
        for n, row in enumerate(rows(limit)):
            own = nacre_of(model.invoke(messages(row)))
            told = (
                "asked back"
                if own.get("asked_back")
                else "refused"
                if own.get("abstained")
                else "closest"
                if own.get("closest")
                else "answered"
            )
            kind = ", ".join(row["answerability"])
            counts[kind][told] += 1
            halves[kind][n % 2][told] += 1
            if row["passages"] and kind == "ANSWERABLE":
                found = {str(hit["uri"]).rpartition("/")[2] for hit in own["hits"]}
                gold.append(any(passage["_id"].rpartition("/")[2] in found for passage in row["passages"]))
    for kind, told in counts.items():
        shares = (
            f"{name} {told[name] / told.total():.2f}" for name in ("answered", "closest", "refused", "asked back")
        )
        parts = " and ".join(f"{half['refused'] / max(half.total(), 1):.2f}" for half in halves[kind])
        print(f"{kind:<16}{told.total():>4}  {'  '.join(shares)}  (of every second turn {parts})")
    print(f"gold passage among the sources, of {len(gold)}: {sum(gold) / len(gold):.2f}")


if __name__ == "__main__":
    main()
