"""Long cases that need many documents, and questions about figures in long reports.

    python bench/cases.py [--json] [--sets tau_knowledge,financebench] [--limit N]

tau_knowledge: the share of the documents that a case needs among those of 30 hits, in one call of `search` with the
whole case, and how much longer that takes than a short question, the title of a document. financebench: whether a page
with the evidence is among ten hits over 25 reports. The bases are kept under .bench/cases, since the reports take long
to index. The weights were chosen with all cases of the first set in view, that of overviews on the half that is not
held_out: every second one, as in bench/retrieval.py, stands beside.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from nacre.eval.datasets import load_retrieval
from nacre.ingest.source import TextSource
from nacre.retrieval.hit import Hit
from nacre.retrieval.knowledge_base import KnowledgeBase

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared") / "data"
KEPT = ROOT / ".bench" / "cases"
TARGETS = {"tau_knowledge": 0.70, "financebench": 0.65}
MORE_MS = 150  # that a long case may take
WARMING = 5  # questions that are asked before any is timed
SHORT = 60  # characters of a short question, at most
Found = Callable[[list[Hit]], float]


def tau_knowledge(base: KnowledgeBase) -> Iterable[tuple[str, int, Found]]:
    """(case, hits, what share of its documents they are)."""
    data = load_retrieval(DATA / "tau_knowledge")
    base.sync(TextSource("bench:", [(f"bench:{p.id}", p.text, p.title) for p in data.corpus]))
    for case, needed in data.qrels.items():
        uris = {f"bench:{document}" for document in needed}
        yield data.queries[case], 30, lambda hits, uris=uris: len(uris & {hit.uri for hit in hits}) / len(uris)


def financebench(base: KnowledgeBase) -> Iterable[tuple[str, int, Found]]:
    """(question, hits, whether a page of its evidence is among them)."""
    base.sync(str(DATA / "financebench" / "pdfs"))
    for line in (DATA / "financebench" / "questions.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        pages = {(row["filing"], page + 1) for page in row["pages"]}
        yield row["question"], 10, lambda hits, pages=pages: float(any(_page(hit) in pages for hit in hits))


def _page(hit: Hit) -> tuple[str, int | None]:
    return PurePosixPath(hit.uri).name, hit.page


SETS = {"tau_knowledge": tau_knowledge, "financebench": financebench}


def measured(name: str, limit: int | None) -> dict[str, float]:
    """Search with every question of a set."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with KnowledgeBase.open(KEPT / name) as base:
        rows = list(SETS[name](base))[:limit]
        k = rows[0][1]
        short = list({hit.title for text, _, _ in rows[:WARMING] for hit in base.search(text, k=k)})
        hits, times = timed(base, [text for text, _, _ in rows], k)
        _, short_times = timed(base, [title for title in short if len(title) <= SHORT], k)
    found = [judge(some) for (_, _, judge), some in zip(rows, hits, strict=True)]
    return {
        "found": round(statistics.mean(found), 4),
        "held_out": round(statistics.mean(found[1::2] or found), 4),
        "ms_p50": round(times, 1),
        "more_ms": round(times - short_times, 1),
    }


def timed(base: KnowledgeBase, texts: list[str], k: int) -> tuple[list[list[Hit]], float]:
    """What is found for each text, and the median of the milliseconds that it took."""
    found, times = [], []
    for text in texts:
        start = time.perf_counter()
        found.append(base.search(text, k=k))
        times.append(time.perf_counter() - start)
    return found, statistics.median(times) * 1000


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--limit", type=int, default=None)
    args = parser.parse_args()
    figures: dict[str, Any] = {name: measured(name, args.limit) for name in args.sets.split(",")}
    if args.json:
        print(json.dumps(figures, indent=1))
    for name, row in figures.items() if not args.json else ():
        missed = f"MISSED: {', '.join(lost)}" if (lost := misses(name, row)) else ""
        took = f"{row['ms_p50']} ms, {row['more_ms']} more than a short question"
        print(f"{name:16} {row['found']:.3f} (held out {row['held_out']:.3f}; {took})  {missed}".rstrip())
    return int(any(misses(name, row) for name, row in figures.items()))


def misses(name: str, row: dict[str, float]) -> list[str]:
    """What a set does not reach."""
    return [what for what, bad in (("found", row["found"] < TARGETS[name]), ("time", row["more_ms"] > MORE_MS)) if bad]


if __name__ == "__main__":
    sys.exit(main())
