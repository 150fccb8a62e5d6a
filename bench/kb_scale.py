"""Large knowledge bases: time to open, time of a query with the encoder apart, memory; and what permissions cost.

    python bench/kb_scale.py [--json] [--sizes 100000,1000000] [--fresh]

The bases are synthetic: words of a Zipf distribution, random unit vectors of 384 dimensions. They are built once under
.bench/scale (1M chunks take some minutes and 4 GB of disk) and measured in a new process each.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.protocol import WriteSession
from nacre.store.records import ChunkRecord, DocumentRecord

FOLDER = Path(__file__).resolve().parents[1] / ".bench" / "scale"
DIM = 384
A_DOCUMENT = 100  # chunks
WORDS = 60
TARGETS = {100_000: {"query_ms_p50": 12.0}, 1_000_000: {"open_s": 3.0, "query_ms_p50": 120.0, "rss_gib": 6.0}}


class Random:
    """Unit vectors out of nothing: what is measured is the retrieval, not the encoder."""

    model = "random"

    def __init__(self) -> None:
        self.random = np.random.default_rng(1)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """A vector of length 1."""
        vector = self.random.standard_normal(DIM)
        return list(vector / np.linalg.norm(vector))


def vocabulary() -> list[str]:
    """50,000 pronounceable words, the commonest first."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    random = np.random.default_rng(2)
    return ["".join(random.choice(syllables, size=random.integers(2, 5))) for _ in range(50_000)]


def sentences(count: int, length: int, seed: int) -> list[str]:
    """Texts of words as common as in a language."""
    words = np.array(vocabulary())
    ranks = np.random.default_rng(seed).zipf(1.3, size=(count, length)) % len(words)
    return [" ".join(row) for row in words[ranks]]


def build(chunks: int) -> Path:
    """A base of that many chunks, made if it is not there."""
    folder = FOLDER / str(chunks)
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    random = np.random.default_rng(3)
    with KnowledgeBase.open(folder, Random()) as base, base.store.writing() as session:
        for at in range(0, chunks, 20_000):
            texts = sentences(min(20_000, chunks - at), WORDS, seed=at)
            vectors = random.standard_normal((len(texts), DIM), dtype=np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            for first in range(0, len(texts), A_DOCUMENT):
                last = first + A_DOCUMENT
                add(session, f"s:{at + first}", texts[first:last], vectors[first:last])
        session.publish()
    (folder / "done").touch()
    return folder


def add(session: WriteSession, uri: str, texts: list[str], vectors: Any) -> None:
    """One document of many chunks, straight into the catalog."""
    stored, at = [], 0
    for n, text in enumerate(texts):
        stored.append(
            ChunkRecord(
                at, at + len(text), (), None, "", text, f"{uri}/{n}".encode(), vectors[n].astype("<f4").tobytes()
            )
        )
        at += len(text) + 1
    session.put(DocumentRecord(uri, uri.encode(), "", "text/plain", "\n".join(texts), "s:"), stored)


def opened(folder: Path) -> dict[str, float]:
    """Measure in this process: open, then 60 queries."""
    start = time.perf_counter()
    base = KnowledgeBase.open(folder, Random())
    seconds = time.perf_counter() - start
    times = [timed(lambda q=query: base.search(q, k=10)) for query in sentences(60, 8, seed=99)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "open_s": round(seconds, 3),
        "query_ms_p50": round(statistics.median(times), 2),
        "query_ms_p95": round(float(np.percentile(times, 95)), 2),
        "rss_gib": round(peak, 2),
    }


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of a call."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def permissions() -> dict[str, float]:
    """One visible chunk of 20,001: is it always found, and what does the filter cost?"""
    texts = sentences(20_000, WORDS, seed=5)
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase.open(folder, Random()) as base:
        base.sync(TextSource("all:", [(f"all:{n}", text) for n, text in enumerate(texts)]), principals=["others"])
        base.sync(TextSource("mine:", [("mine:1", texts[0])]), principals=["me"])
        queries = sentences(200, 8, seed=6) + texts[1:51]
        found = sum([hit.uri for hit in base.search(query, k=1, principals=["me"])] == ["mine:1"] for query in queries)
        everything = ["me", "others"]
        free, limited = [], []
        for query in queries:  # by turns, so that both meet the same machine
            free.append(timed(lambda q=query: base.search(q, principals=everything)))
            limited.append(timed(lambda q=query: base.search(q, principals=["me"])))
        leaks = sum(hit.uri != "mine:1" for query in queries for hit in base.search(query, k=20, principals=["me"]))
    return {
        "recall": found / len(queries),
        "leaks": leaks,
        "p95_ms_unfiltered": round(float(np.percentile(free, 95)), 2),
        "p95_ms_filtered": round(float(np.percentile(limited, 95)), 2),
        "p95_ratio": round(float(np.percentile(limited, 95) / np.percentile(free, 95)), 2),
    }


def random_runs(runs: int = 10_000) -> dict[str, int]:
    """Random askers and queries over documents of random principals: what leaks?"""
    random = np.random.default_rng(7)
    names = [f"p{n}" for n in range(12)]
    words = vocabulary()[:40]
    rights: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase.open(folder, Random()) as base:
        groups = [sorted(random.choice(names, size=random.integers(0, 4), replace=False)) for _ in range(40)]
        for number, group in enumerate(groups):
            documents = [(f"d{number}:{n}", " ".join(random.choice(words, size=10))) for n in range(10)]
            rights |= {uri: set(group) for uri, _ in documents}
            base.sync(TextSource(f"d{number}:", documents), principals=[str(name) for name in group] or None)
        leaks = hits = 0
        for _ in range(runs):
            asker = [str(name) for name in random.choice(names, size=random.integers(0, 4), replace=False)]
            for hit in base.search(" ".join(random.choice(words, size=3)), principals=asker or None):
                hits += 1
                leaks += bool(rights[hit.uri]) and not rights[hit.uri] & set(asker)
    return {"runs": runs, "hits": hits, "leaks": leaks}


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(figure, value, target, met) for the table."""
    table = []
    for size, measured in figures["sizes"].items():
        for name, value in measured.items():
            target = TARGETS.get(int(size), {}).get(name)
            table.append(
                (
                    f"{int(size):>9,} chunks: {name}",
                    f"{value}",
                    f"<= {target}" if target else "",
                    target is None or value <= target,
                )
            )
    p, r = figures["permissions"], figures["random_runs"]
    table.append(("1 visible of 20,001: recall (LangChain 0)", f"{p['recall']:.3f}", "1.0", p["recall"] == 1.0))
    table.append(
        (
            "1 visible of 20,001: p95 filtered / not",
            f"{p['p95_ms_filtered']} / {p['p95_ms_unfiltered']} ms = {p['p95_ratio']}",
            "<= 2",
            p["p95_ratio"] <= 2,
        )
    )
    table.append(
        (
            f"{r['runs']:,} random askers, {r['hits']:,} hits: leaks",
            f"{r['leaks'] + p['leaks']}",
            "0",
            r["leaks"] + p["leaks"] == 0,
        )
    )
    return table


def main() -> int:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", default="100000,1000000")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(opened(args.measure)))
        return 0
    if args.fresh:
        shutil.rmtree(FOLDER, ignore_errors=True)
    sizes = {}
    for size in [int(size) for size in args.sizes.split(",") if size]:
        command = [sys.executable, __file__, "--measure", str(build(size))]
        runs = [
            json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(2)
        ]
        sizes[size] = runs[-1]  # the second finds the files in the page cache
    figures = {"sizes": sizes, "permissions": permissions(), "random_runs": random_runs()}
    table = rows(figures)
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        for figure, value, target, met in table:
            print(f"{figure:48} {value:>28}   {target:10} {'' if met else 'MISSED'}")
    return 0 if all(met for *_, met in table) else 1


if __name__ == "__main__":
    sys.exit(main())
