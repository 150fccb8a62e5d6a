"""Figures of the agents: the tolerant parser, the replay of published runs, the loop's own cost.

    .venv/bin/python bench/react.py [--json] [--fuzz 1000000] [--only parser,fuzz,replay,loop]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nacre.agents.protocol import parse_react

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("NACRE_SHARED", ROOT.parent / "shared"))
MALFORMED = ROOT / "tests" / "agents" / "data" / "malformed.jsonl"
APPENDIX = ROOT / "tests" / "agents" / "data" / "appendix_a.jsonl"
TOOLS = {"search": ("query",), "lookup": ("keyword",), "calculator": ("expression",), "python": ("code",), "weather": ("city", "unit"), "kb_search": ("query",)}
PIECES = (
    "Thought: ", "Action: ", "Action Input: ", "Observation: ", "Final Answer: ", "思考：", "行动：", "行动输入：", "观察：", "最终答案：",
    "search", "search[", "]", "(", ")", "{", "}", "[", '"', "'", "“", "”", "```", "```json\n", "\n", "\n\n", " ", "\t", "**", "#", "<think>", "</think>",
    "<tool_call>", "</tool_call>", "<function=", "=", ",", "：", ":", "\\", "\\u12", "\\\"", "Finish[", "null", "1e9", "0", "è", "中文", "\ud800", "\x00",
    "\u200b", "{{", "}}", "//", "/*", '"""', "Step 1: ", "1. ", "【", "】", "action", '"action":', '"name":', "✿ARGS✿", "Question: ", "answer is ",
)  # fmt: skip


def tools() -> list[dict[str, Any]]:
    """The tools that the corpus speaks of, as OpenAI tool dicts."""
    return [{"function": {"name": name, "parameters": {"properties": {key: {} for key in keys}}}} for name, keys in TOOLS.items()]


def is_right(case: dict[str, Any]) -> bool:
    """Whether the parser reads a corpus row as the row demands."""
    step = parse_react(case["text"], case.get("tools") or tools())
    if case.get("repair"):
        return not step.readable
    if "answer" in case:
        return step.answer == case["answer"]
    return (step.action, step.action_input) == (case["action"], case["input"])


def corpus(path: Path) -> tuple[int, int]:
    """(right, all) over a corpus file."""
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return sum(is_right(case) for case in cases), len(cases)


def fuzzed(count: int, seed: int = 7) -> Iterator[str]:
    """Random strings made of the pieces that replies are made of; one in fifty is a long repetition."""
    rng = random.Random(seed)
    for number in range(count):
        if number % 50 == 0:
            yield rng.choice(PIECES) * rng.randint(50, 400) + rng.choice(PIECES) * rng.randint(1, 50)
        else:
            yield "".join(rng.choices(PIECES, k=rng.randint(1, 24)))


def fuzz(count: int) -> dict[str, Any]:
    """Parse `count` fuzzed strings: the number of exceptions, the slowest call in milliseconds of CPU."""
    known, failed, slowest, begin = tools(), 0, 0.0, time.perf_counter()
    for text in fuzzed(count):
        start = time.thread_time()
        try:
            parse_react(text, known)
        except Exception:
            failed += 1
        slowest = max(slowest, time.thread_time() - start)
    return {"strings": count, "exceptions": failed, "slowest_ms": round(slowest * 1000, 2), "seconds": round(time.perf_counter() - begin, 1)}


def replays() -> list[dict[str, Any]]:
    """`nacre eval react --replay` over every published set that is at hand."""
    from nacre.eval.react import replay

    files = sorted((SHARED / "data" / "react").glob("*.jsonl"))
    return [{"set": file.stem, **{key: value for key, value in replay(file).items() if key != "disagreements"}} for file in files]


def figures(only: set[str], count: int) -> list[tuple[str, str, str]]:
    """Rows of (figure, measured, target)."""
    rows: list[tuple[str, str, str]] = []
    if "parser" in only:
        for name, path, target in (("18 replies of other libraries' trackers", APPENDIX, ">= 17"), ("own corpus of malformed replies", MALFORMED, ">= 95 %")):
            right, total = corpus(path)
            rows.append((name, f"{right}/{total} ({right / total:.1%})", target))
    if "fuzz" in only:
        result = fuzz(count)
        rows.append((f"{result['strings']:,} fuzzed strings: exceptions", str(result["exceptions"]), "0"))
        rows.append(("slowest fuzzed string, ms", str(result["slowest_ms"]), "<= 50"))
    if "replay" in only:
        for row in replays():
            rows.append((f"{row['set']}: em / agreement / parsed", f"{row['em']:.3f} / {row['agreement']:.3f} / {row['parsed']:.3f}", "- / >= 0.99 / >= 0.99"))
    return rows


def main() -> None:
    """Print the table, or one JSON object."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--fuzz", type=int, default=1_000_000, metavar="N")
    options.add_argument("--only", default="parser,fuzz,replay,loop")
    chosen = options.parse_args()
    rows = figures(set(chosen.only.split(",")), chosen.fuzz)
    if chosen.json:
        print(json.dumps([dict(zip(("figure", "measured", "target"), row, strict=True)) for row in rows], ensure_ascii=False, indent=1))
        return
    for name, measured, target in rows:
        print(f"{name:<62} {measured:>24}   target {target}")


if __name__ == "__main__":
    main()
