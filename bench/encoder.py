"""The encoder beside sentence-transformers with torch: speed in the same run, vectors, ranking, and the cost of a new
process.

    python bench/encoder.py [--json] [--chunks 96] [--rounds 3] [--sets xquad_en,cranfield]
                            [--peer .bench/st/bin/python] [--model NAME] [--reranker NAME]

It also checks the rule that a processor with 8-bit dot products runs 8 bits: they must be as good and faster, here and
for any other model or reranker that is named. The peer runs with the batch sizes that LangChain (32) and LlamaIndex
(10) use by default; without its environment only our own figures are printed. Documents are ranked whole, by cosine
alone: what the knowledge base makes of it is in bench/retrieval.py.
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
from pathlib import Path
from typing import Any

import numpy as np
from peer_model import peer_folder

from nacre.connectors.embeddings import load_embedder
from nacre.connectors.rerankers import load_reranker
from nacre.eval.datasets import Retrieval, load_retrieval
from nacre.eval.metrics import ndcg

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared")
BATCHES = {"LangChain": 32, "LlamaIndex": 10}
COLD = (
    "import json, sys, time\n"
    "from nacre.connectors.embeddings import load_embedder\n"
    "load_embedder().embed_query('How many days of annual leave?')\n"
    "print(json.dumps({'cpu_s': time.process_time(), 'torch': 'torch' in sys.modules}))"
)


class Peer:
    """sentence-transformers in its own environment and process."""

    def __init__(self, python: Path, texts: list[str], folder: Path) -> None:
        self.vectors_path = folder / "peer.npy"
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        command = [
            str(python),
            str(ROOT / "bench/peers/st_encoder.py"),
            str(peer_folder()),
            str(folder / "texts.json"),
            str(self.vectors_path),
        ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.started = self._read()

    def encode(self, batch_size: int) -> float:
        """Encode all texts; returns seconds."""
        assert self._process.stdin
        print(batch_size, file=self._process.stdin, flush=True)
        return float(self._read()["seconds"])

    def vectors(self) -> np.ndarray[Any, Any]:
        """What the last call gave."""
        return np.load(self.vectors_path, allow_pickle=False)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(
                f"the peer ended with status {self._process.wait()}; is sentence-transformers installed there?"
            )
        return dict(json.loads(line))


def chunks(count: int) -> list[str]:
    """Texts of a chunk's length: the first passages of two data sets, cut to 1,000 characters."""
    half = [[p.text[:1000] for p in data(name).corpus][: count // 2] for name in ("xquad_en", "cranfield")]
    return [text for texts in half for text in texts]


def data(name: str) -> Retrieval:
    """A data set by name."""
    return load_retrieval(SHARED / "data" / "rag" / name)


def speed(model: str | None, texts: list[str], rounds: int, python: Path) -> dict[str, Any]:
    """Chunks a second, median over the rounds; in each round everyone has a turn."""
    ours = {precision: load_embedder(model, precision=precision) for precision in ("fp32", "int8")}
    seconds: dict[str, list[float]] = {name: [] for name in [*ours, *BATCHES]}
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(python, texts, Path(folder)) if python.is_file() and model is None else None
        for _ in range(rounds):
            for precision, embedder in ours.items():
                start = time.perf_counter()
                vectors = embedder.encode_documents(texts)
                seconds[precision].append(time.perf_counter() - start)
                result[f"vectors_{precision}"] = vectors
            for name, size in BATCHES.items() if peer else ():
                seconds[name].append(peer.encode(size))
        if peer:
            torch = peer.vectors()
            result["fp32_against_torch_max"] = float(np.abs(result["vectors_fp32"] - torch).max())
            result["peer_start"] = peer.started
            peer.close()
    result["int8_cosine"] = (result.pop("vectors_fp32") * result.pop("vectors_int8")).sum(axis=1)
    return {
        **result,
        "per_second": {name: len(texts) / statistics.median(times) for name, times in seconds.items() if times},
    }


def ranking(model: str | None, name: str) -> dict[str, float]:
    """nDCG@10 of the exact and of the 8-bit encoder."""
    found = data(name)
    scores = {}
    for precision in ("fp32", "int8"):
        embedder = load_embedder(model, precision=precision)
        passages = embedder.encode_documents([f"{p.title} {p.text}".strip() for p in found.corpus])
        questions = embedder.encode_queries(list(found.queries.values()))
        ids = [p.id for p in found.corpus]
        best = np.argsort(-(questions @ passages.T), axis=1)[:, :10]
        values = [
            ndcg([ids[n] for n in row], found.qrels[query]) for row, query in zip(best, found.queries, strict=True)
        ]
        scores[precision] = float(np.mean(values))
    return scores


def reranking(name: str) -> dict[str, float]:
    """How near the scores of the 8-bit reranker are: each question with its passage and with another one."""
    found = data("xquad_en")
    texts = {passage.id: passage.text for passage in found.corpus}
    others = list(texts.values())
    scores = []
    for precision in ("fp32", "int8"):
        model = load_reranker(name, precision=precision, budget_s=600)
        pairs = zip(list(found.queries.items())[:48], others, strict=False)
        scores.append([model.rank(q, [texts[next(iter(found.qrels[id]))], other]).scores for (id, q), other in pairs])
    exact, quantised = np.array(scores)
    same = (exact[:, 0] > exact[:, 1]) == (quantised[:, 0] > quantised[:, 1])
    return {"correlation": float(np.corrcoef(exact.ravel(), quantised.ravel())[0, 1]), "same_order": float(same.mean())}


def cold(rounds: int = 5) -> float:
    """CPU seconds of a new process that loads the encoder and embeds one question."""
    load_embedder().embed_query("warm the cache")
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]
    assert not any(run["torch"] for run in runs)
    return statistics.median(run["cpu_s"] for run in runs)


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(figure, value, target, met) for the table."""
    rate = figures["chunks_per_second"]
    table = [(f"chunks/s, {name}", f"{value:.1f}", "", True) for name, value in rate.items()]
    for peer in filter(rate.get, BATCHES):
        faster = rate["int8"] / rate[peer]
        table.append(
            (
                f"times faster than {peer}'s, int8 (fp32)",
                f"{faster:.1f} ({rate['fp32'] / rate[peer]:.1f})",
                ">= 3",
                faster >= 3,
            )
        )
    if (most := figures.get("fp32_against_torch_max")) is not None:
        table.append(("largest difference fp32 - torch", f"{most:.1e}", "<= 1e-5", most <= 1e-5))
        table.append(("CPU s to import sentence-transformers", f"{figures['peer_import_cpu_s']:.2f}", "", True))
    cold = figures["cold_cpu_s"]
    table.append(("CPU s of a new process, first vector", f"{cold:.2f}", "<= 1.0 in all", cold <= 1.0))
    mean, least = figures["int8_cosine_mean"], figures["int8_cosine_least"]
    table.append(
        (
            "cosine int8 to fp32, mean / least",
            f"{mean:.4f} / {least:.4f}",
            ">= .995 / .98",
            mean >= 0.995 and least >= 0.98,
        )
    )
    gain = rate["int8"] / rate["fp32"]
    table.append(
        ("times faster, int8 than fp32", f"{gain:.2f}", ">= 1.1 if int8", figures["chosen"] == "fp32" or gain >= 1.1)
    )
    if near := figures.get("reranker"):
        value = f"{near['correlation']:.4f} / {near['same_order']:.2f}"
        good = near["correlation"] >= 0.995 and near["same_order"] >= 0.9
        table.append(("reranker int8 to fp32, correlation / same order", value, ">= .995 / .9", good))
    for name, scores in figures["ndcg@10"].items():
        drop = scores["fp32"] - scores["int8"]
        table.append(
            (
                f"nDCG@10 {name}, fp32 / int8 / loss",
                f"{scores['fp32']:.4f} / {scores['int8']:.4f} / {drop:+.4f}",
                "<= .005",
                drop <= 0.005,
            )
        )
    return table


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--chunks", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", default="xquad_en,cranfield")
    parser.add_argument("--model")
    parser.add_argument("--reranker")
    parser.add_argument("--peer", type=Path, default=ROOT / ".bench/st/bin/python")
    args = parser.parse_args()
    measured = speed(args.model, chunks(args.chunks), args.rounds, args.peer)
    cosines = measured["int8_cosine"]
    figures = {
        "chunks_per_second": measured["per_second"],
        **({"fp32_against_torch_max": measured["fp32_against_torch_max"]} if "peer_start" in measured else {}),
        **({"peer_import_cpu_s": measured["peer_start"]["import_cpu_s"]} if "peer_start" in measured else {}),
        "cold_cpu_s": cold(),
        "int8_cosine_mean": float(cosines.mean()),
        "int8_cosine_least": float(cosines.min()),
        "chosen": load_embedder(args.model).precision,
        **({"reranker": reranking(args.reranker)} if args.reranker else {}),
        "ndcg@10": {name: ranking(args.model, name) for name in args.sets.split(",") if name},
    }
    if args.json:
        print(json.dumps(figures, indent=1))
        return 0
    table = rows(figures)
    for figure, value, target, met in table:
        print(f"{figure:46} {value:>28}   {target:14} {'' if met else 'MISSED'}".rstrip())
    print(f"precision chosen here: {figures['chosen']}")
    return 0 if all(met for *_, met in table) else 1


if __name__ == "__main__":
    sys.exit(main())
