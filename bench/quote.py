"""What `quote` answers and when it refuses: `python bench/quote.py [--json] [--limit N] [--sets xquad_en …]`.

Answers: over the whole corpus, six chunks of the knowledge base, at most two sentences; the gold answer must stand in
the answer. Refusal: RGB, five passages, asked with the negative ones only and with the positive ones; with a plus, two
of five are in the other language. The knowledge bases are kept in `.bench/quote/`, since embedding takes most of the
time. Data: NACRE_SHARED, else ../shared.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nacre.connectors.models.quote import QuoteChatModel
from nacre.eval.answers import evaluate_answers
from nacre.eval.datasets import load_questions, load_retrieval
from nacre.eval.refusal import evaluate_refusal
from nacre.eval.retrieval import index
from nacre.eval.sample import evaluate_sample
from nacre.eval.statistics import interval
from nacre.grounding.selection import select
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.text.messages import Source

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NACRE_SHARED") or ROOT.parent / "shared")
KEPT = ROOT / ".bench" / "quote"
CONTAINS = {"xquad_en": 0.85, "xquad_zh": 0.85, "cmrc2018": 0.80}
REFUSAL = {"English": ("en_fact",), "Chinese": ("zh_refine", "zh_int", "zh_fact")}

Row = tuple[str, str, float, tuple[float, float], str]  # set, figure, value, interval, target


def kept(name: str) -> KnowledgeBase:
    """The knowledge base of a set, indexed once."""
    path = KEPT / name
    if (path / "manifest.json").exists():
        return KnowledgeBase.open(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return index(load_retrieval(SHARED / "data" / "rag" / name), path)


def row(name: str, figure: str, values: Sequence[float], target: str) -> Row:
    """A mean with its bootstrap interval."""
    return name, figure, sum(values) / len(values) if values else float("nan"), interval(values), target


def answers(name: str, limit: int | None) -> list[Row]:
    """Contains and the share of refusals over one set."""
    kept(name).close()
    report = evaluate_answers(SHARED / "data" / "rag" / name, QuoteChatModel(), kb=KEPT / name, limit=limit)
    return [
        row(name, "contains", report.values("contains"), f">= {CONTAINS[name]:.2f}"),
        row(name, "refused", report.values("abstained"), ""),
        row(name, "citation precision", report.values("citation_precision"), ""),
    ]


def refusals(limit: int | None) -> list[Row]:
    """Refusal recall and false refusals, by file and by language."""
    rows = []
    for language, files in REFUSAL.items():
        reports = {
            f: evaluate_refusal(SHARED / "data" / "rag" / "rgb" / f"{f}.jsonl", QuoteChatModel(), limit=limit)
            for f in files
        }
        for metric, target in (("refusal_recall", ">= 0.80"), ("false_refusals", "<= 0.10")):
            rows.append(row(f"rgb {language}", metric, [v for r in reports.values() for v in r.values(metric)], target))
            rows += [row(f"rgb {f}", metric, report.values(metric), "") for f, report in reports.items()]
    return rows


def mixed(limit: int | None) -> list[Row]:
    """The same over passages in two languages: the second and the fourth of five are the other one's, of a question of
    its own.
    """
    rows = []
    for file, other in (("en_fact", "zh_refine"), ("zh_refine", "en_fact")):
        mine, theirs = (
            [json.loads(line) for line in (SHARED / "data" / "rag" / "rgb" / f"{f}.jsonl").open(encoding="utf-8")]
            for f in (file, other)
        )
        with tempfile.TemporaryDirectory() as folder:
            both = Path(folder) / f"{file}.jsonl"
            with both.open("w", encoding="utf-8") as out:
                for n, one in enumerate(mine):
                    strange = theirs[n % len(theirs)]["positive"]
                    for kind in ("positive", "negative"):
                        first, second, *rest = [*one[kind], "", ""]
                        one[kind] = [p for p in (first, *strange[:1], second, *strange[1:2], *rest) if p]
                    out.write(json.dumps(one, ensure_ascii=False) + "\n")
            report = evaluate_refusal(both, QuoteChatModel(), limit=limit)
        rows += [row(f"rgb {file}+", name, report.values(name), "") for name in ("refusal_recall", "false_refusals")]
    return rows


def sample(limit: int | None) -> list[Row]:
    """The sample knowledge base."""
    report = evaluate_sample(QuoteChatModel(), limit=limit)
    return [
        row("sample_kb", metric, report.values(metric), "")
        for metric in ("contains", "refusal_recall", "false_refusals")
    ]


def milliseconds(name: str, limit: int | None) -> list[float]:
    """Time of one answer from six chunks, retrieval not counted."""
    questions, _ = load_questions(SHARED / "data" / "rag" / name)
    waits = []
    with kept(name) as base:
        for question in questions[: limit or 100]:
            hits = base.search(question.text, k=6)
            sources = [Source(n, hit.text, hit.title) for n, hit in enumerate(hits, 1)]
            began = time.perf_counter()
            select(question.text, sources)
            waits.append(1000 * (time.perf_counter() - began))
    return waits


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--limit", type=int, help="questions a set")
    parser.add_argument(
        "--sets", nargs="*", default=list(CONTAINS), help="of xquad_en xquad_zh cmrc2018; none: refusal only"
    )
    options = parser.parse_args()
    rows = [found for name in options.sets for found in answers(name, options.limit)]
    rows += refusals(options.limit) + mixed(options.limit) + sample(options.limit)
    for name in options.sets:
        waits = sorted(milliseconds(name, options.limit))
        rows.append((name, "ms an answer, median", waits[len(waits) // 2], (waits[0], waits[-1]), "<= 20"))
    if options.json:
        keys = ("set", "figure", "value", "interval", "target")
        figures: list[dict[str, Any]] = [dict(zip(keys, found, strict=True)) for found in rows]
        json.dump({"figures": figures}, sys.stdout, ensure_ascii=False, indent=1)
        return
    for name, figure, value, (low, high), target in rows:
        print(f"{name:16} {figure:22} {value:7.3f}  [{low:.3f}, {high:.3f}]  {target}")


if __name__ == "__main__":
    main()
