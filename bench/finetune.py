"""An encoder tuned on questions made from half of a corpus: nDCG@10 of people's questions about the other half.

    python bench/finetune.py [--sets xquad_en,cranfield] [--steps N] [--queries N] [--json]

No question of the set is trained on. The whole corpus is searched, by vectors alone; see `nacre finetune encoder`. What
is trained is all-MiniLM-L6-v2: the default encoder has weights of four bits, which cannot be.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from nacre.eval.datasets import load_retrieval
from nacre.eval.making import extracted
from nacre.finetuning.encoder import Pairs, tune_encoder
from nacre.finetuning.splitting import groups, sides

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared")
_MOST = 3  # made questions of one passage


def pairs_of(folder: Path, queries: int | None) -> Pairs:
    """Made pairs of the documents to train on, and people's questions about those that are held out."""
    data = load_retrieval(folder)
    texts = {passage.id: f"{passage.title}\n\n{passage.text}".strip() for passage in data.corpus}
    side = sides(groups(texts), dict.fromkeys(texts, 1), 7)
    number = {id: n for n, id in enumerate(texts)}
    made = (
        (m.question, texts[id]) for id in texts if side[id] == "train" for m in list(extracted(id, texts[id]))[:_MOST]
    )
    # Of several relevant documents those of the held-out side count.
    asked = ((text, [id for id in data.qrels[query] if side[id] != "train"]) for query, text in data.queries.items())
    held_out = [(text, frozenset(number[id] for id in right)) for text, right in asked if right]
    return Pairs(list(made), list(texts.values()), held_out[:queries])


def measured(name: str, steps: int | None, queries: int | None) -> dict[str, Any]:
    """One set before and after."""
    began = time.process_time()
    pairs = pairs_of(SHARED / "data/rag" / name, queries)
    with tempfile.TemporaryDirectory() as temporary:
        done = tune_encoder(pairs, Path(temporary) / "encoder", steps=steps)
    return {"set": name, **vars(done), "cpu_minutes": round((time.process_time() - began) / 60, 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default="xquad_en,cranfield")
    parser.add_argument("--steps", type=int, help="without it, one pass over the pairs")
    parser.add_argument("--queries", type=int, help="at most so many questions")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for name in given.sets.split(","):
        row = measured(name, given.steps, given.queries)
        low, high = row["interval"]
        told = f"{row['set']:12} {row['ndcg_before']:.3f} → {row['ndcg_after']:.3f} [{low:+.3f}, {high:+.3f}]"
        kept = "kept" if row["kept"] else "not kept"
        print(
            json.dumps(row)
            if given.json
            else f"{told} {row['questions']} questions, {kept}, {row['cpu_minutes']} CPU min"
        )


if __name__ == "__main__":
    main()
