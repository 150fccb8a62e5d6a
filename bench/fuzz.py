"""Everything that reads what models write, against a million strings: none may raise, and time must be linear.

.venv/bin/python bench/fuzz.py [--strings 1000000] [--seed 7]; exit 1 where one raised, was slow, or grew faster.

A string is made of the pieces that replies are made of, or is a recorded reply (of the corpora of the tests, and of
every dialect) that was cut, doubled, spliced with another or written over; one in two hundred is a long repetition.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from nacre.agents.answer_stream import AnswerReader
from nacre.agents.output_parser import parse_react
from nacre.agents.tool_names import ToolNames
from nacre.connectors.models.written_calls import WrittenCalls
from nacre.text.dialects import MARKS, read_bare_calls, read_calls
from nacre.text.lenient_json import last_object, read_arguments, read_json
from nacre.text.reasoning import THINK_PAIRS, ReasoningSplitter, split_reasoning

DATA = Path(__file__).resolve().parent.parent / "tests" / "agents" / "data"
ARGUMENTS = {
    "search": ("query",), "lookup": ("keyword",), "calculator": ("expression",), "python": ("code",),
    "weather": ("city", "unit"), "kb_search": ("query",), "stock": ("item",),
}  # fmt: skip
TOOLS: list[dict[str, Any]] = [
    {"function": {"name": name, "parameters": {"properties": {key: {} for key in keys}}}}
    for name, keys in ARGUMENTS.items()
]
NAMES = ToolNames.of(TOOLS)
RECORDED = [
    *json.loads((DATA / "dialects.json").read_text(encoding="utf-8")).values(),
    *(
        json.loads(line)["text"]
        for name in ("malformed", "appendix_a")
        for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ),
]
PIECES = (
    "Thought: ", "Action: ", "Action Input: ", "Observation: ", "Final Answer: ", "思考：", "行动：", "行动输入：",
    "观察：", "最终答案：", "search", "search[", "]", "(", ")", "{", "}", "[", '"', "'", "“", "”", "```", "```json\n",
    "\n", "\n\n", " ", "\t", "**", "#", "=", ",", "：", ":", "\\", "\\u12", "\\\"", "Finish[", "null", "1e9", "0", "è",
    "中文", "\ud800", "\x00", "\u200b", "{{", "}}", "//", "/*", '"""', "Step 1: ", "1. ", "【", "】", "action", "- ",
    '"action":', '"name":', "✿ARGS✿", "Question: ", "answer is ", "<", "</", ">", "<|", "|>", "｜", "|", "</parameter>",
    "&a ", "*a", "<parameter=item>", "<arg_key>", "</arg_key>", "<arg_value>", "[ARGS]", "<|message|>", "functions.",
    "to=",
    *MARKS, *(mark for pair in THINK_PAIRS for mark in pair),
)  # fmt: skip
SLOW_MS, LONG, GROWTH = 50.0, 40_000, 3.0


def _streamed(push: Callable[[str], Any], text: str) -> None:
    for at in range(0, len(text), 9):  # about a token
        push(text[at : at + 9])


def _answer(text: str) -> None:
    reader = AnswerReader()
    _streamed(reader.push, text)
    reader.close()


def _reasoning(text: str) -> None:
    splitter = ReasoningSplitter()
    _streamed(splitter.push, text)
    splitter.close()


def _written(text: str) -> None:
    calls = WrittenCalls(TOOLS)
    _streamed(calls.push, text)
    calls.close()


def _json(text: str) -> None:
    with suppress(ValueError):  # what it says of a text that is none
        read_json(text)
    with suppress(ValueError):
        read_arguments(text, 0, ")")


READERS: dict[str, Callable[[str], object]] = {
    "parse_react": lambda text: parse_react(text, NAMES),
    "parse_react without tools": parse_react,
    "read_calls": read_calls,
    "read_bare_calls": read_bare_calls,
    "lenient JSON": _json,
    "last_object": last_object,
    "split_reasoning": split_reasoning,
    "reasoning, streamed": _reasoning,
    "calls, streamed": _written,
    "answer, streamed": _answer,
}


def strings(count: int, seed: int) -> Iterator[str]:
    """The strings that one process reads."""
    rng = random.Random(seed)
    for number in range(count):
        if number % 200 == 0:
            yield "".join(rng.choices(PIECES, k=rng.randint(1, 3))) * rng.randint(50, 400) + rng.choice(PIECES)
        elif number % 2:
            yield _changed(rng)
        else:
            yield "".join(rng.choices(PIECES, k=rng.randint(1, 24)))


def _changed(rng: random.Random) -> str:
    """A recorded reply, changed in up to four places."""
    text = rng.choice(RECORDED)
    for _ in range(rng.randint(1, 4)):
        begin, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        other = rng.choice(RECORDED)
        put = rng.choice(("", rng.choice(PIECES), text[begin:end] * 2, other[len(other) // 2 :]))
        text = (text[:begin] + put + text[rng.choice((begin, end)) :])[:4000]
    return text


def read_all(count: int, seed: int) -> tuple[list[str], tuple[float, str]]:
    """What raised, and the slowest reading in milliseconds of CPU with what was read."""
    raised: list[str] = []
    slowest = (0.0, "")
    for text in strings(count, seed):
        for name, reader in READERS.items():
            begin = time.thread_time()
            try:
                reader(text)
            except Exception as error:
                raised.append(f"{name}: {type(error).__name__}: {error}: {text!r}")
            slowest = max(slowest, ((time.thread_time() - begin) * 1000, f"{name}: {text!r}"))
    return raised, slowest


def growth(units: int, seed: int) -> tuple[float, str]:
    """How much more a character costs at most in a text eight times as long: 1 if time is linear, 8 if squared."""
    rng = random.Random(seed)
    most = (0.0, "")
    for _ in range(units):
        unit = "".join(rng.choices(PIECES, k=rng.randint(1, 4)))
        for name, reader in READERS.items():
            short, long = (_cost(reader, unit * (size // len(unit))) for size in (LONG // 8, LONG))
            most = max(most, (long / max(short, 2e-7), f"{name}: {unit!r}"))
    return most


def _cost(reader: Callable[[str], object], text: str) -> float:
    """Seconds of CPU a character, the better of two."""
    taken = []
    for _ in range(2):
        begin = time.thread_time()
        reader(text)
        taken.append(time.thread_time() - begin)
    return min(taken) / len(text)


def main() -> int:
    """Run it in two processes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--strings", type=int, default=1_000_000)
    options.add_argument("--units", type=int, default=1000, help="repeated pieces whose time is compared")
    options.add_argument("--seed", type=int, default=7)
    chosen = options.parse_args()
    begin, parts = time.perf_counter(), 20
    with ProcessPoolExecutor(2) as pool:
        seeds = range(chosen.seed, chosen.seed + parts)
        read = list(pool.map(read_all, [chosen.strings // parts] * parts, seeds))
        grown = max(pool.map(growth, [chosen.units // parts] * parts, seeds))
    raised = [line for lines, _ in read for line in lines]
    slowest = max(one for _, one in read)
    seconds = time.perf_counter() - begin
    print(f"{chosen.strings:,} strings, {len(READERS)} readers, {seconds:.0f} s: {len(raised)} exceptions (0)")
    print(f"slowest reading: {slowest[0]:.1f} ms (<= {SLOW_MS:.0f})   {slowest[1][:300]}")
    print(
        f"a character in {LONG:,} against one in {LONG // 8:,}: {grown[0]:.1f} times (<= {GROWTH})   {grown[1][:300]}"
    )
    print(*raised[:20], sep="\n")
    return int(bool(raised) or slowest[0] > SLOW_MS or grown[0] > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
