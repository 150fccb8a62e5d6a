"""Scores for agents: replay of published trajectories through our parser, and live runs over question sets."""

from __future__ import annotations

import json
import re
import string
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacre.agents.trajectory import Trajectory
from nacre.agents.transcript import read_transcript
from nacre.errors import EvaluationError
from nacre.language import tr

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """An answer as HotpotQA's scorer compares it: lower case, no punctuation, no articles, single blanks.

    Args:
        text: an answer.

    Returns:
        Its normal form (Yang et al., 2018, after SQuAD).
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


@dataclass(frozen=True)
class ReplayedRow:
    """One published run, read again.

    Args:
        id: the row's id.
        answer: the final answer that we read, or None.
        correct: whether it equals the gold answer.
        agrees: whether that is what was published.
        steps: turns of the model; `unreadable` of them could not be read.
    """

    id: str
    answer: str | None
    correct: bool
    agrees: bool
    steps: int
    unreadable: int


def replay(path: str | Path) -> dict[str, Any]:
    """Read every published trajectory of a file step by step and score its final answer.

    Args:
        path: JSON lines of {id, question, answer, trajectory, published_correct}.

    Returns:
        {"em", "agreement", "parsed" (share of readable steps), "rows", "steps", "seconds", "disagreements" (ids)}.

    Raises:
        EvaluationError: the file is missing, is empty or lacks a field.
    """
    begin = time.perf_counter()
    rows = [replay_row(row) for row in read_rows(path, ("trajectory", "answer"))]
    steps = sum(row.steps for row in rows)
    return {
        "em": sum(row.correct for row in rows) / len(rows),
        "agreement": sum(row.agrees for row in rows) / len(rows),
        "parsed": 1 - sum(row.unreadable for row in rows) / steps if steps else 0.0,
        "rows": len(rows),
        "steps": steps,
        "seconds": round(time.perf_counter() - begin, 3),
        "disagreements": [row.id for row in rows if not row.agrees],
    }


def replay_row(row: dict[str, Any]) -> ReplayedRow:
    """Read one published trajectory.

    Args:
        row: {id, answer, trajectory, published_correct}.

    Returns:
        What was read, and whether it agrees with what was published.
    """
    trajectory = read_transcript(row["trajectory"])
    answer = final_answer(trajectory)
    correct = answer is not None and normalise_answer(answer) == normalise_answer(str(row["answer"]))
    return ReplayedRow(
        id=str(row.get("id", "")),
        answer=answer,
        correct=correct,
        agrees=correct == bool(row.get("published_correct", correct)),
        steps=len(trajectory),
        unreadable=sum(not step.readable for step in trajectory),
    )


def final_answer(trajectory: Trajectory) -> str | None:
    """The answer that ended a run: the environment stops at the first one.

    Args:
        trajectory: the steps.

    Returns:
        The answer, or None when the run never finished.
    """
    return next((step.answer for step in trajectory if step.answer is not None), None)


def read_rows(path: str | Path, fields: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file, checked.

    Args:
        path: the file.
        fields: keys that every row must have.

    Returns:
        The rows, at least one.

    Raises:
        EvaluationError: the file is missing, is empty, is no JSON, or a row lacks a field.
    """
    file = Path(path)
    if not file.is_file():
        raise EvaluationError(tr(f"No such file: {file}. Give a .jsonl file.", f"文件不存在：{file}。请给出 .jsonl 文件。"), path=str(file))
    rows = list(_checked(file, tuple(fields)))
    if not rows:
        raise EvaluationError(tr(f"{file} has no rows.", f"{file} 没有任何数据行。"), path=str(file))
    return rows


def _checked(file: Path, fields: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise EvaluationError(tr(f"{file}, line {number}: not JSON ({error}).", f"{file} 第 {number} 行不是 JSON（{error}）。"), path=str(file)) from error
            missing = [field for field in fields if not isinstance(row, dict) or field not in row]
            if missing:
                names = ", ".join(missing)
                raise EvaluationError(tr(f"{file}, line {number}: missing {names}.", f"{file} 第 {number} 行缺少字段：{names}。"), path=str(file))
            yield row
