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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any, Unpack

from langchain_core.language_models import BaseChatModel

from nacre.eval.answers import described, usage
from nacre.eval.datasets import read_rows
from nacre.eval.items import Item
from nacre.eval.report import Report, percentile
from nacre.eval.running import Run, Suite, carry_out, replayed
from nacre.layers.pal import ProgramAided
from nacre.reasoning.extraction import fenced_blocks
from nacre.reasoning.interpreter import CodeInterpreter
from nacre.reasoning.sandbox.interpreter import shared_interpreter
from nacre.reasoning.wording import brief
from nacre.text.messages import nacre_of, text_of

Row = Mapping[str, Any]
_TIMEOUT_S = 5.0
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?(?:\s*/\s*\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """How a set is scored."""

    rounding: bool  # compare after rounding both sides to the fewer decimals, and texts exactly
    zero_is_none: bool  # 0, None and empty values are no answer
    absolute: bool  # compare numbers without their sign


def rule_of(row: Row, name: str = "") -> Rule:
    """The rule of the set that a row belongs to."""
    words = set(re.split(r"[^a-z0-9]+", f"{row.get('id', '')} {name} {row.get('prompt', '')}".lower()))
    zero_shot = any(re.fullmatch(r"zs.*|.*zs|.*pot0|zeroshot|zero|0shot", word) for word in words)
    return Rule(rounding=zero_shot or "pot" in words, zero_is_none=zero_shot, absolute="svamp" in words)


def replay(path: str | Path, *, interpreter: CodeInterpreter | None = None) -> dict[str, Any]:
    """Run every published program of a file and score what it gives: the figures as one flat object."""
    return replayed(replay_report(Path(path), interpreter=interpreter))


def replay_report(path: Path, *, interpreter: CodeInterpreter | None = None, **run: Unpack[Run]) -> Report:
    """As `replay`, with every row behind the figures."""
    began, python = time.perf_counter(), interpreter or shared_interpreter()
    # A few published programs loop for ever, and a loop must not hold up the rest.
    run["workers"] = max(run.get("workers", 1), min(8, 2 * (os.cpu_count() or 1)))

    def figures(items: Sequence[Item]) -> dict[str, Any]:
        seconds = [item["run_seconds"] for item in items if "run_seconds" in item]
        return {
            "seconds": round(time.perf_counter() - began, 3),
            "statuses": dict(Counter(item["status"] for item in items if "status" in item)),
            **{f"run_ms_p{p}": round(percentile(seconds, p / 100) * 1000, 2) for p in (50, 99) if seconds},
        }

    suite = Suite(
        "pal-replay",
        ("accuracy", "agreement"),
        read_rows(path, ("program", "answer")),
        lambda row: _replayed(row, python, path.stem),
        {"data": path.name},
        name_of=itemgetter("id"),
        unit="rows",
        figures=figures,
        resumes=False,
    )
    return carry_out(suite, **run)


def _replayed(row: Row, python: CodeInterpreter, name: str) -> Item:
    code, printed = runnable(str(row["program"]), str(row.get("entry", "")))
    execution = python.run(code, _TIMEOUT_S)
    found = execution.value
    if printed:  # the last line that says something
        found = next((line.strip() for line in reversed(execution.stdout.splitlines()) if line.strip()), None)
    correct = execution.status == "ok" and is_correct(found, row["answer"], rule_of(row, name))
    published = row.get("published_correct")
    return {
        "accuracy": int(correct),
        "agreement": None if published is None else int(correct == bool(published)),
        "status": execution.status,
        "value": found if isinstance(found, int | float | str | bool | None) else brief(found, 10_000),
        "gold": row["answer"],
        "stderr": execution.error[-300:],
        "run_seconds": execution.seconds,
    }


def runnable(program: str, entry: str) -> tuple[str, bool]:
    """A published program so that the interpreter gives its answer, and whether that is what it prints.

    `entry` says where it is: a variable ("ans"), a call, "expr", or words that name the first block or the output.
    """
    if "block" in entry or "```" in entry:
        program = next(iter(fenced_blocks(program)), program)
    if "stdout" in entry or "print" in entry:
        return program, True
    if re.fullmatch(r"[A-Za-z_]\w*(\(\))?", entry) and entry not in ("expr", "solution()"):
        return f"{program}\n{entry}", False
    return program, False


def is_correct(found: Any, gold: Any, rule: Rule) -> bool:
    """Whether a value is the gold answer, by the rule of its set."""
    found = single(found)
    if found is None or (rule.zero_is_none and not found):
        return False
    if isinstance(found, bool) and isinstance(gold, str):
        return gold.strip().lower() in (("yes", "true") if found else ("no", "false"))
    if rule.rounding and isinstance(gold, str) and number(gold) is None:
        return bool(str(found) == gold)
    left, right = number(found), number(gold)
    if left is None or right is None:
        return str(found).strip() == str(gold).strip()
    if rule.absolute:
        left, right = abs(left), abs(right)
    if not rule.rounding:
        return abs(left - right) < 1e-3
    digits = min(_decimals(left), _decimals(gold if isinstance(gold, float) else right))
    return math.isfinite(left) and math.isfinite(right) and round(left, digits) == round(right, digits)


def single(value: Any) -> Any:
    """The one value that a container stands for, as the published scorers take it: its first."""
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


def _decimals(value: float) -> int:
    _, point, decimals = str(value).partition(".")
    return len(decimals) if point else 5


# --- live -------------------------------------------------------------------------------------------------------------


def evaluate_pal(
    data: Path, model: BaseChatModel, *, interpreter: CodeInterpreter | None = None, **run: Unpack[Run]
) -> Report:
    """Let a model write programs for the questions of a set, and score what they give.

    Args:
        data: JSON lines of {id, question, answer}.
        model: writes the programs, inside `ProgramAided`.
        interpreter: runs them; None is the sandbox.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: accuracy, share of programs that ran, attempts, latency.

    Raises:
        EvaluationError: the file is missing, is empty or lacks a field.
    """
    began = time.perf_counter()
    aided = ProgramAided(inner=model, interpreter=interpreter, phrase=False)

    def figures(items: Sequence[Item]) -> dict[str, Any]:
        waits = [item["seconds"] for item in items if "seconds" in item]
        return {
            "seconds": round(time.perf_counter() - began, 3),
            **({"answer_ms_p50": round(percentile(waits, 0.5) * 1000, 1)} if waits else {}),
        }

    suite = Suite(
        "pal",
        ("accuracy", "ran", "attempts"),
        read_rows(data, ("question", "answer")),
        lambda row: _asked(row, aided),
        {"data": data.name, **described(aided)},
        name_of=itemgetter("id"),
        unit="rows",
        figures=figures,
        items=lambda row, reply: [_scored(row, reply, data.stem)],
        asked=itemgetter("question"),
    )
    return carry_out(suite, **run)


def _asked(row: Row, aided: ProgramAided) -> Item:
    reply = aided.invoke(str(row["question"]))
    own = nacre_of(reply)
    return {
        "value": own.get("value"),
        "ran": int((own.get("execution") or {}).get("status") == "ok"),
        "attempts": own.get("attempts", 0),
        "answer": text_of(reply),
        "program": own.get("program"),
        **usage(reply),
    }


def _scored(row: Row, reply: Item, name: str) -> Item:
    item = {"question": row["question"], "gold": row["answer"]}
    if "error" in reply:
        return {**item, "accuracy": 0, "ran": 0, "error": reply["error"]}
    return {**item, **reply, "accuracy": int(is_correct(reply["value"], row["answer"], rule_of(row, name)))}


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("pal")
