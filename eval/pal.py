"""Scores for programs: replay of published ones in the sandbox, and live runs over question sets.

Each published set is scored by the rule of its paper: Program of Thoughts (arXiv:2211.12588) rounds both sides to the
fewer decimals, its zero-shot runs take 0 and the empty answer for none, SVAMP ignores the sign; the others allow 1e-3.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.eval.react import read_rows
from nacre.eval.report import Report, percentile
from nacre.eval.running import run_items
from nacre.reasoning.extraction import fenced_blocks
from nacre.reasoning.interpreter import CodeInterpreter
from nacre.reasoning.sandbox.interpreter import shared_interpreter
from nacre.reasoning.wording import brief
from nacre.text.messages import nacre_of, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Row = Mapping[str, Any]
_TIMEOUT_S = 5.0
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?(?:\s*/\s*\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """How a set is scored."""

    rounding: bool
    zero_is_none: bool
    absolute: bool


def rule_of(row: Row, name: str = "") -> Rule:
    """The rule of the set that a row belongs to."""
    words = set(
        re.split(
            r"[^a-z0-9]+", " ".join(str(part) for part in (row.get("id", ""), name, row.get("prompt", ""))).lower()
        )
    )
    zero_shot = any(
        word in ("zs", "zeroshot", "zero", "0shot") or word.startswith("zs") or word.endswith(("zs", "pot0"))
        for word in words
    )
    return Rule(rounding=zero_shot or "pot" in words, zero_is_none=zero_shot, absolute="svamp" in words)


def replay(path: str | Path, *, interpreter: CodeInterpreter | None = None) -> dict[str, Any]:
    """Run every published program of a file and score what it gives.

    Returns:
        {"accuracy" against `answer`, "agreement" with `published_correct`, "rows", "seconds", "statuses",
        "disagreements" (ids)}.
    """
    report = replay_report(Path(path), interpreter=interpreter)
    means = {name: sum(report.values(name)) / max(1, len(report.values(name))) for name in report.metrics}
    return {**means, **report.figures, "disagreements": [item["id"] for item in report.items if item["agreement"] == 0]}


def replay_report(
    path: Path,
    *,
    interpreter: CodeInterpreter | None = None,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """As `replay`, with every row behind the figures."""
    begin = time.perf_counter()
    rows = _named(read_rows(path, ("program", "answer"))[:limit])
    python = interpreter or shared_interpreter()
    items = run_items(
        rows,
        lambda row: _replayed(row, python, path.stem),
        name=lambda row: str(row["id"]),
        workers=_workers(),
        on_progress=on_progress,
    )
    seconds = [item["run_seconds"] for item in items]
    figures = {
        "rows": len(items),
        "seconds": round(time.perf_counter() - begin, 3),
        "statuses": dict(Counter(item["status"] for item in items)),
        "run_ms_p50": round(percentile(seconds, 0.5) * 1000, 2),
        "run_ms_p99": round(percentile(seconds, 0.99) * 1000, 2),
    }
    return Report("pal-replay", ("accuracy", "agreement"), items, figures, {"data": path.name})


def _named(rows: list[dict[str, Any]]) -> list[Row]:
    """Rows with an id each that no other row has."""
    seen: Counter[str] = Counter()
    named: list[Row] = []
    for position, row in enumerate(rows, 1):
        name = str(row.get("id") or f"row {position}")
        seen[name] += 1
        named.append({**row, "id": name if seen[name] == 1 else f"{name} ({seen[name]})"})
    return named


def _workers() -> int:
    return min(
        8, 2 * (os.cpu_count() or 1)
    )  # a few published programs loop for ever, and a loop must not hold up the rest


def _replayed(row: Row, python: CodeInterpreter, name: str) -> dict[str, Any]:
    code, printed = runnable(str(row["program"]), str(row.get("entry", "")))
    execution = python.run(code, _TIMEOUT_S)
    found = _printed(execution.stdout) if printed else execution.value
    correct = execution.status == "ok" and is_correct(found, row["answer"], rule_of(row, name))
    published = row.get("published_correct")
    return {
        "accuracy": int(correct),
        "agreement": None if published is None else int(correct == bool(published)),
        "status": execution.status,
        "value": found if isinstance(found, int | float | str | bool | None) else brief(found, 10_000),
        "gold": row["answer"],
        "error": execution.error[-300:],
        "run_seconds": execution.seconds,
    }


def runnable(program: str, entry: str) -> tuple[str, bool]:
    """A published program so that the interpreter gives its answer."""
    if "block" in entry or "```" in entry:
        program = next(iter(fenced_blocks(program)), program)
    if "stdout" in entry or "print" in entry:
        return program, True
    if re.fullmatch(r"[A-Za-z_]\w*(\(\))?", entry) and entry not in ("expr", "solution()"):
        return f"{program}\n{entry}", False
    return program, False


def _printed(stdout: str) -> str | None:
    lines = [line.strip() for line in stdout.splitlines() if line.strip()]
    return lines[-1] if lines else None


def is_correct(found: Any, gold: Any, rule: Rule) -> bool:
    """Whether a value is the gold answer, by the rule of its set."""
    found = single(found)
    if found is None or (rule.zero_is_none and not found):
        return False
    if isinstance(found, bool) and isinstance(gold, str):
        return gold.strip().lower() in (("yes", "true") if found else ("no", "false"))
    if rule.rounding and isinstance(gold, str) and not _is_number_text(gold):
        return bool(str(found) == gold)
    left, right = number(found), number(gold)
    if left is None or right is None:
        return str(found).strip() == str(gold).strip()
    if rule.absolute:
        left, right = abs(left), abs(right)
    return _equal_when_rounded(left, right, gold) if rule.rounding else abs(left - right) < 1e-3


def single(value: Any) -> Any:
    """The one value that a container stands for, as the published scorers take it: its first.

    Returns:
        The first item, however deep; None of an empty container.
    """
    while isinstance(value, dict | list | tuple | set | frozenset):
        items = list(value.values()) if isinstance(value, dict) else list(value)
        if not items:
            return None
        value = items[0]
    return value


def number(value: Any) -> float | None:
    """A value as a number, if it is one or is the text of one ("$1,200", "5/2")."""
    try:
        if isinstance(value, str):
            match = _NUMBER.fullmatch(value.strip().strip("$¥€£%").strip())
            text = match[0].replace(",", "").replace(" ", "") if match else ""
            return float(Fraction(text)) if "/" in text else float(text)
        return float(value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None


def _is_number_text(text: str) -> bool:
    return number(text) is not None


def _equal_when_rounded(left: float, right: float, gold: Any) -> bool:
    if not (math.isfinite(left) and math.isfinite(right)):
        return False
    digits = min(_decimals(left), _decimals(gold if isinstance(gold, float) else right))
    return round(left, digits) == round(right, digits)


def _decimals(value: float) -> int:
    _, point, decimals = str(value).partition(".")
    return len(decimals) if point else 5


# --- live -------------------------------------------------------------------------------------------------------------


def evaluate_pal(
    data: Path,
    model: BaseChatModel,
    *,
    interpreter: CodeInterpreter | None = None,
    limit: int | None = None,
    workers: int = 1,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Let a model write programs for the questions of a set, and score what they give."""
    from nacre.layers.pal import ProgramAided

    begin = time.perf_counter()
    rows = _named(read_rows(data, ("question", "answer"))[:limit])
    aided = ProgramAided(inner=model, interpreter=interpreter, phrase=False)
    items = run_items(
        rows, lambda row: _asked(row, aided, data.stem), name=lambda row: str(row["id"]), workers=workers,
        done_file=out / "items.jsonl" if out else None, key=str(data), on_progress=on_progress,
    )  # fmt: skip
    seconds = [item["seconds"] for item in items if "seconds" in item]
    figures = {"rows": len(items), "seconds": round(time.perf_counter() - begin, 3)}
    if seconds:
        figures["answer_ms_p50"] = round(percentile(seconds, 0.5) * 1000, 1)
    return Report("pal", ("accuracy", "ran", "attempts"), items, figures, {"data": data.name})


def _asked(row: Row, aided: Any, name: str) -> dict[str, Any]:
    begin = time.perf_counter()
    reply = aided.invoke(str(row["question"]))
    own = nacre_of(reply)
    return {
        "accuracy": int(is_correct(own.get("value"), row["answer"], rule_of(row, name))),
        "ran": int((own.get("execution") or {}).get("status") == "ok"),
        "attempts": own.get("attempts", 0),
        "answer": text_of(reply),
        "program": own.get("program"),
        "gold": row["answer"],
        "seconds": time.perf_counter() - begin,
    }


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("pal")
