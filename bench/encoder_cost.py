"""What the default encoder costs beside MiniLM, each in a process of its own: processor time and memory.

python bench/encoder_cost.py [--json] [--chunks 64]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from encoder import chunks, data

ROUNDS = 32  # questions
COST = """
import json, sys, time
from pathlib import Path
from nacre.connectors.embeddings import load_embedder
name, given = sys.argv[1], json.load(sys.stdin)
embedder = load_embedder(name)
embedder.embed_query("warm up")
began = time.process_time()
for question in given["questions"]:
    embedder.embed_query(question)
asked = time.process_time()
lines = Path("/proc/self/status").read_text().splitlines()
resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
begun = time.process_time()
embedder.encode_documents(given["chunks"])
done = time.process_time()
print(json.dumps([(done - begun) / len(given["chunks"]), (asked - began) / len(given["questions"]), resident]))
"""


def cost(name: str, texts: list[str]) -> tuple[float, float, float]:
    """Processor seconds of a chunk and of a question, and KiB resident once it answers questions."""
    given = json.dumps({"chunks": texts, "questions": list(data("xquad_en").queries.values())[:ROUNDS]})
    done = subprocess.run([sys.executable, "-c", COST, name], input=given, capture_output=True, text=True, check=True)
    chunk, question, resident = json.loads(done.stdout.splitlines()[-1])
    return chunk, question, resident


def main() -> int:
    """Measure and print; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--chunks", type=int, default=64)
    args = parser.parse_args()
    texts = chunks(args.chunks)
    mine, theirs = cost("multilingual-e5-small", texts), cost("minilm", texts)
    figures = {
        "chunk, times MiniLM's processor time": (mine[0] / theirs[0], 2.3),
        "question, ms of processor time": (mine[1] * 1000, 8.0),
        "resident, MB": (mine[2] * 1024 / 1e6, 260.0),
    }
    if args.json:
        print(json.dumps({name: round(value, 3) for name, (value, _) in figures.items()}))
    for name, (value, most) in figures.items() if not args.json else ():
        print(f"{name:40} {value:8.2f}   <= {most:<6} {'' if value <= most else 'MISSED'}".rstrip())
    return int(any(value > most for value, most in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
