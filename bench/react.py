"""Figures of the agents: the tolerant parser, the replay of published runs, the loop's own cost.

.venv/bin/python bench/react.py [--json] [--only parser,replay,loop]; a million strings for the readers: bench/fuzz.py
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from nacre.agents.output_parser import parse_react

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("NACRE_SHARED", ROOT.parent / "shared"))
MALFORMED = ROOT / "tests" / "agents" / "data" / "malformed.jsonl"
APPENDIX = ROOT / "tests" / "agents" / "data" / "appendix_a.jsonl"
TOOLS = {
    "search": ("query",),
    "lookup": ("keyword",),
    "calculator": ("expression",),
    "python": ("code",),
    "weather": ("city", "unit"),
    "kb_search": ("query",),
}


def tools() -> list[dict[str, Any]]:
    """The tools that the corpus speaks of, as OpenAI tool dicts."""
    return [
        {"function": {"name": name, "parameters": {"properties": {key: {} for key in keys}}}}
        for name, keys in TOOLS.items()
    ]


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


def replays() -> list[dict[str, Any]]:
    """`nacre eval react --replay` over every published set that is at hand."""
    from nacre.eval.react import replay

    files = sorted((SHARED / "data" / "react").glob("*.jsonl"))
    return [
        {"set": file.stem, **{key: value for key, value in replay(file).items() if key != "disagreements"}}
        for file in files
    ]


def step_cost(steps: int = 200) -> float:
    """Milliseconds of CPU that the loop itself costs a step (median of five runs): text protocol, one tool, a scripted
    model.

    What the same model calls and tool calls cost without the loop is taken off.
    """
    from langchain_core.tools import tool

    from nacre import ReAct, ScriptedChatModel

    @tool
    def search(query: str) -> str:
        """Search."""
        return "Nothing new. " * 20

    def script(messages: list[Any], n: int) -> str:
        return (
            f'Thought: look\nAction: search\nAction Input: {{"query": "q{n}"}}' if n < steps else "Final Answer: done"
        )

    ReAct(
        inner=ScriptedChatModel(lambda messages, n: script(messages, n and steps)), tools=[search], protocol="text"
    ).invoke("warm up")

    def once() -> float:
        agent = ReAct(inner=ScriptedChatModel(script), tools=[search], protocol="text", max_steps=steps + 2)
        begin = time.process_time()
        reply = agent.invoke("go")
        whole = time.process_time() - begin
        assert reply.text == "done"
        replayed = ScriptedChatModel(script)
        begin = time.process_time()
        for messages in agent.inner.calls:  # type: ignore[attr-defined]
            replayed.invoke(messages, stop=["\nObservation", "\n观察"])
        for _ in range(steps):
            search.invoke({"query": "q"})
        return (whole - (time.process_time() - begin)) / steps * 1000

    return sorted(once() for _ in range(5))[2]


def many_at_once(agents: int = 100, waiting_s: float = 0.05) -> float:
    """Seconds for 100 agents of three model calls each, every call waiting 50 ms, in one asynchronous process."""
    import asyncio

    from langchain_core.tools import tool

    from nacre import ReAct, ScriptedChatModel

    @tool
    def search(query: str) -> str:
        """Search."""
        return query

    def script(messages: list[Any], n: int) -> Any:
        seen = sum(message.text.startswith("Observation") for message in messages) - 1  # one belongs to the example
        return (f"Action: search[q{seen}]",) if seen < 2 else ("Final Answer: done",)

    agent = ReAct(inner=ScriptedChatModel(script, delay_s=waiting_s), tools=[search], protocol="text")

    async def run() -> None:
        replies = await asyncio.gather(*(agent.ainvoke(f"number {n}") for n in range(agents)))
        assert all(reply.text == "done" for reply in replies)

    begin = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - begin


def figures(only: set[str]) -> list[tuple[str, str, str]]:
    """Rows of (figure, measured, target)."""
    rows: list[tuple[str, str, str]] = []
    if "parser" in only:
        for name, path, target in (
            ("18 replies of other libraries' trackers", APPENDIX, ">= 17"),
            ("own corpus of malformed replies", MALFORMED, ">= 95 %"),
        ):
            right, total = corpus(path)
            rows.append((name, f"{right}/{total} ({right / total:.1%})", target))
    if "replay" in only:
        for row in replays():
            rows.append(
                (
                    f"{row['set']}: em / agreement / parsed",
                    f"{row['em']:.3f} / {row['agreement']:.3f} / {row['parsed']:.3f}",
                    "- / >= 0.99 / >= 0.99",
                )
            )
    if "loop" in only:
        rows.append(("cost of the loop beside model and tool, ms a step", f"{step_cost():.2f}", "<= 1"))
        rows.append(("100 agents of 3 calls at once, each waiting >= 0.15 s, s", f"{many_at_once():.2f}", "all answer"))
    return rows


def main() -> None:
    """Print the table, or one JSON object."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", action="store_true")
    options.add_argument("--only", default="parser,replay,loop")
    chosen = options.parse_args()
    rows = figures(set(chosen.only.split(",")))
    if chosen.json:
        print(
            json.dumps(
                [dict(zip(("figure", "measured", "target"), row, strict=True)) for row in rows],
                ensure_ascii=False,
                indent=1,
            )
        )
        return
    for name, measured, target in rows:
        print(f"{name:<62} {measured:>24}   target {target}")


if __name__ == "__main__":
    main()
