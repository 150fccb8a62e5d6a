"""Retrieval quality, indexing speed and query time, beside LangChain, LlamaIndex and Haystack with the same encoder.

    python bench/retrieval.py [--json] [--sets xquad_en,…] [--peer-sets xquad_en,xquad_zh] [--no-languages] [--limit N]

For each data set nDCG@10 of the fused result and of each arm alone, the time to index it whole, cutting and embedding
included, and the time of a query. The peers run in environments of their own (`make bench` makes them under .bench/)
with the very weights of our embedded encoder and their own defaults, which stand at the top of each script in
bench/peers/; a peer whose environment is not there is left out (`--peer-sets ""`: all of them). Documents are ranked
by their best chunk. Haystack's quickstart needs no encoder: what its BM25 reaches stands beside. `--limit` takes the
first queries, for a quick look. The figures are kept in .bench/figures/retrieval.json, from which bench/chart.py
draws.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import languages as in_languages
from peer_model import peer_folder

from nacre.connectors.embeddings import load_embedder
from nacre.eval.datasets import Retrieval, load_retrieval
from nacre.eval.metrics import ndcg
from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared") / "data" / "rag"
TARGETS = {"xquad_en": 0.985, "cranfield": 0.572, "hotpot_distractor100": 0.89, "xquad_zh": 0.973, "cmrc2018": 0.99}
SETS = ("xquad_en", "cranfield", "hotpot_distractor100", "xquad_zh", "cmrc2018")
ARMS = {"fused": ("words", "vectors"), "words": ("words",), "vectors": ("vectors",)}
PEERS = {"langchain": "st", "llamaindex": "st", "haystack": "haystack"}  # environments under .bench/
KEPT = ROOT / ".bench" / "figures" / "retrieval.json"
SLACK = 0.003  # that the fused result may lie below the better arm
FASTER = 3.0


def ours(data: Retrieval, embedder: Any) -> dict[str, Any]:
    """Index and ask."""
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase.open(folder, embedder) as base:
        began = time.perf_counter()
        base.sync(TextSource("bench:", [(f"bench:{p.id}", p.text, p.title) for p in data.corpus]))
        seconds = time.perf_counter() - began
        figures: dict[str, Any] = {"chunks": base.stats()["chunks"], "build_s": round(seconds, 2)}
        for name, arms in ARMS.items():
            ranked, times = {}, []
            for query, text in data.queries.items():
                start = time.perf_counter()
                hits = base.search(text, k=30, arms=arms)
                times.append(time.perf_counter() - start)
                ranked[query] = list(dict.fromkeys(hit.uri.removeprefix("bench:") for hit in hits))[:10]
            figures[name] = round(scored(ranked, data), 4)
            figures[f"{name}_held_out"] = round(scored(ranked, data, slice(1, None, 2)), 4)
            figures[f"{name}_ms_p50"] = round(statistics.median(times) * 1000, 2)
    return figures


def scored(ranked: dict[str, list[str]], data: Retrieval, some: slice = slice(None)) -> float:
    """nDCG@10 over all judged queries, or over every second one: the weights were chosen on the first, third, …"""
    found = [ndcg(ranked[query], judged) for query, judged in data.qrels.items() if query in ranked]
    return statistics.mean(found[some] or found)


def peer(name: str, data: Retrieval, folder: Path) -> dict[str, Any] | None:
    """The same by a peer, in its own environment."""
    python = ROOT / ".bench" / PEERS[name] / "bin" / "python"
    if not python.is_file():
        print(f"{name}: no {python.relative_to(ROOT)}; make bench makes it", file=sys.stderr)
        return None
    command = [str(python), str(ROOT / f"bench/peers/{name}_retrieval.py"), str(peer_folder()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{name}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}", file=sys.stderr)
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    bm25 = found.get("ranked_bm25")
    return {
        "fused": round(scored(found["ranked"], data), 4),
        "chunks": found["chunks"],
        "build_s": round(found["build_s"], 2),
        "query_ms_p50": round(found["query_ms_p50"], 2),
        **({"bm25": round(scored(bm25, data), 4)} if bm25 else {}),
    }


def index_seconds(data: Retrieval, embedder: Any) -> float:
    """Time to index the whole set."""
    with tempfile.TemporaryDirectory() as folder, KnowledgeBase.open(folder, embedder) as base:
        began = time.perf_counter()
        base.sync(TextSource("bench:", [(f"bench:{p.id}", p.text, p.title) for p in data.corpus]))
        return time.perf_counter() - began


def first_queries(data: Retrieval, limit: int | None) -> Retrieval:
    """The set with its first queries only."""
    kept = dict(list(data.queries.items())[:limit])
    return replace(data, queries=kept, qrels={query: data.qrels[query] for query in kept})


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(figure, value, target, met) for the table."""
    table = []
    for name, measured in figures.items():
        mine, target = measured["nacre"], TARGETS.get(name)
        table.append(
            (
                f"{name}: nDCG@10",
                f"{mine['fused']:.4f} (held out {mine['fused_held_out']:.4f})",
                f">= {target}" if target else "",
                target is None or mine["fused"] >= target,
            )
        )
        better = max(mine["words"], mine["vectors"])
        arms = f"{mine['fused'] - better:+.4f} (words {mine['words']:.4f}, vectors {mine['vectors']:.4f})"
        table.append((f"{name}: against the better arm", arms, f">= -{SLACK}", mine["fused"] >= better - SLACK))
        table.append((f"{name}: query ms p50, encoder included", f"{mine['fused_ms_p50']}", "", True))
        table += [row for other in PEERS if other in measured for row in beside(name, measured, other)]
    return table


def beside(name: str, measured: dict[str, Any], other: str) -> list[tuple[str, str, str, bool]]:
    """The rows of one peer on one data set."""
    mine, theirs, speed = measured["nacre"], measured[other], measured["speed"][other]
    better = f"{theirs['fused']:.4f} (ours x {mine['fused'] / theirs['fused']:.2f})"
    table = [(f"{name}: {other} nDCG@10", better, "", True)]
    if "bm25" in theirs:
        better = f"{theirs['bm25']:.4f} (ours x {mine['fused'] / theirs['bm25']:.2f})"
        table.append((f"{name}: {other} BM25 nDCG@10", better, "", True))
    table.append((f"{name}: indexing, times as fast as {other}", f"{speed:.1f}", f">= {FASTER}", speed >= FASTER))
    wait = f"{theirs['query_ms_p50'] / mine['fused_ms_p50']:.1f} (theirs {theirs['query_ms_p50']} ms)"
    table.append((f"{name}: a query, times as fast as {other}", wait, "", True))
    return table


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--peer-sets", default="xquad_en,xquad_zh")
    parser.add_argument("--languages", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--limit", type=int, default=None)
    args = parser.parse_args()
    embedder = load_embedder()
    embedder.embed_documents(["warm up"] * 8)
    figures: dict[str, Any] = {}
    for name in filter(None, args.sets.split(",")):
        if not (DATA / name).is_dir():
            print(f"{name}: no such data in {DATA.parent}; set NACRE_SHARED", file=sys.stderr)
            continue
        data = first_queries(load_retrieval(DATA / name), args.limit)
        measured: dict[str, Any] = {"nacre": ours(data, embedder)}
        for other in PEERS if name in args.peer_sets.split(",") else ():
            first = index_seconds(data, embedder)
            if theirs := peer(other, data, DATA / name):
                # Ours before and after theirs, so that a machine that grows busy is unfair to both alike.
                mean = (first + index_seconds(data, embedder)) / 2
                measured[other] = theirs
                measured.setdefault("speed", {})[other] = round(theirs["build_s"] / mean, 2)
        figures[name] = measured
    table = rows(figures)
    if args.languages and (DATA / "paraphrase_zh.json").is_file():
        for direction, (value, other) in in_languages.languages(DATA, embedder).items():
            target = in_languages.TARGETS[direction]
            shown = f"{value:.4f} (held out {other:.4f})"
            table.append((f"languages: {direction}", shown, f">= {target}", value >= target))
    if args.limit is None:
        before = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps({**before, **figures}, indent=1) + "\n", "utf-8")
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        for figure, value, target, met in table:
            print(f"{figure:52} {value:>44}   {target:10} {'' if met else 'MISSED'}")
    return 0 if all(met for *_, met in table) else 1


if __name__ == "__main__":
    sys.exit(main())
