"""kill -9 at random moments of a sync, and look at what is left: 200 times, in real processes.

    python bench/crash.py [--json] [--runs 200] [--seed 1] [--workers 2]

Each run takes a knowledge base of 60 documents, starts a sync that adds, changes, renames and deletes documents, and
kills it after a random time between nothing and a little more than the sync takes. Then the folder is opened and must
be sound: no problem found by `verify`, every document whole, in its old or its new version, none twice, none lost. A
second sync must then finish the work, embedding no chunk again that the killed one had stored.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import numpy as np

from nacre.ingest.source import TextSource
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.text.words import words

COUNT = 60


class Hashing:
    """A bag of hashed words, counting what it embeds."""

    model = "hashing"

    def __init__(self) -> None:
        self.embedded = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        self.embedded += len(texts)
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """A bag of words."""
        vector = np.zeros(48)
        for word in words(text):
            vector[int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big") % 48] += 1
        return list(vector)


def text(number: int, version: str) -> str:
    """A document of several chunks."""
    return "\n\n".join(
        f"Paragraph {n} of document {number} in its {version} version, which tells of thing{number}x{n}. " * 8
        for n in range(12)
    )


def before() -> dict[str, str]:
    """Documents by uri at the start."""
    return {f"c/{n}": text(n, "old") for n in range(COUNT)}


def after() -> dict[str, str]:
    """Documents by uri at the end: a fifth each kept, changed, renamed, deleted and (besides) new."""
    kept = {f"c/{n}": text(n, "old") for n in range(0, 24)}
    changed = {f"c/{n}": text(n, "new") for n in range(24, 36)}
    renamed = {f"c/moved{n}": text(n, "old") for n in range(36, 48)}
    new = {f"c/{n}": text(n, "new") for n in range(COUNT, COUNT + 12)}
    return kept | changed | renamed | new


def sync(folder: Path, documents: dict[str, str]) -> KnowledgeBase:
    """Open and sync."""
    base = KnowledgeBase.open(folder, Hashing())
    base.sync(TextSource("c/", list(documents.items())))
    return base


def sound(folder: Path) -> list[str]:
    """Open a folder after a crash; everything that is wrong with it, and with the sync that follows."""
    old, new = before(), after()
    wrong = []
    with KnowledgeBase.open(folder, Hashing()) as base:
        wrong += base.verify()
        there = [document["uri"] for document in base.documents()]
        texts = {uri: base.text(uri) for uri in there}
        wrong += [f"{uri} twice" for uri in there if there.count(uri) > 1]
        wrong += [f"{uri} is neither old nor new" for uri in there if texts[uri] not in (old.get(uri), new.get(uri))]
        lost = [u for u in old if u not in texts and u in new] + [u for u in new if u in old and u not in texts]
        moved = [n for n in range(36, 48) if (f"c/{n}" in texts) == (f"c/moved{n}" in texts)]
        wrong += [f"{uri} lost" for uri in lost] + [f"document {n} lost or doubled in its move" for n in moved]
        embedder = base.encoder.embeddings if base.encoder else Hashing()
        base.sync(TextSource("c/", list(new.items())))
        again = sum(texts.get(uri) == words_ for uri, words_ in new.items())
        most = (len(new) - again) * 40
        wrong += base.verify()
        if {document["uri"]: base.text(document["uri"]) for document in base.documents()} != new:
            wrong.append("the second sync did not finish the work")
        if embedder.embedded > most:
            wrong.append(f"{embedder.embedded} chunks embedded again")
    return wrong


def crash(number: int, seed: int, start: Path, work: Path, seconds: float) -> tuple[list[str], bool]:
    """One run: (what was wrong, whether the sync was still running when it was killed)."""
    folder = work / str(number)
    moment = random.Random(seed * 100_003 + number).uniform(0, 1) * seconds
    for _ in range(5):  # a sync that was faster than the kill is tried again, with less time
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)
        process = subprocess.Popen([sys.executable, __file__, "--sync", str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # the imports are done, the sync begins
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        killed = process.wait() == -signal.SIGKILL
        process.stdout.close()
        if killed:
            break
        moment /= 2
    wrong = sound(folder)
    shutil.rmtree(folder)
    return wrong, killed


def main() -> int:
    """Crash and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sync", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.sync:
        print("begin", flush=True)
        sync(args.sync, after()).close()
        return 0
    with tempfile.TemporaryDirectory() as name:
        start, trial = Path(name) / "start", Path(name) / "trial"
        sync(start, before()).close()
        shutil.copytree(start, trial)
        began = time.perf_counter()
        sync(trial, after()).close()
        seconds = time.perf_counter() - began
        with ThreadPoolExecutor(args.workers) as pool:
            results = list(
                pool.map(lambda n: crash(n, args.seed, start, Path(name), seconds * args.workers), range(args.runs))
            )
    healed = sum(not wrong for wrong, _ in results)
    figures = {
        "runs": args.runs,
        "healed": healed,
        "killed_while_running": sum(killed for _, killed in results),
        "sync_s": round(seconds, 3),
    }
    figures["wrong"] = [wrong for wrong, _ in results if wrong][:10]
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        print(
            f"kill -9 at random moments of a sync of {seconds:.2f} s: {healed}/{args.runs} healed,"
            f" nothing lost, nothing doubled   target {args.runs}/{args.runs}"
        )
        print(f"the sync was still running when it was killed in {figures['killed_while_running']} of them")
        for wrong in figures["wrong"]:
            print("  ", wrong)
    return 0 if healed == args.runs else 1


if __name__ == "__main__":
    sys.exit(main())
