"""Scores for agents: replay of published trajectories through our parser, and live runs over question sets."""

from __future__ import annotations

import json
import re
import string
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.agents.trajectory import Trajectory
from nacre.agents.transcript import read_transcript
from nacre.errors import EvaluationError
from nacre.eval.datasets import Question, load_questions, load_retrieval
from nacre.eval.metrics import contains, exact_match, token_f1
from nacre.eval.report import Report, fingerprint, percentile
from nacre.eval.retrieval import index
from nacre.eval.running import run_items
from nacre.text.language import tr
from nacre.text.markers import MARKER
from nacre.text.messages import nacre_of, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.layers.react import ReAct

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """An answer as HotpotQA's scorer compares it: lower case, no punctuation, no articles, single blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


@dataclass(frozen=True)
class ReplayedRow:
    """One published run, read again.

    Args:
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

    Returns:
        {"em", "agreement", "parsed" (share of readable steps), "rows", "steps", "seconds", "disagreements" (ids)}.
    """
    report = replay_report(path)
    means = {name: sum(report.values(name)) / len(report.items) for name in report.metrics}
    return {**means, **report.figures, "disagreements": [item["id"] for item in report.items if item["agreement"] == 0]}


def replay_report(
    path: str | Path, *, limit: int | None = None, on_progress: Callable[[int, int], None] | None = None
) -> Report:
    """As `replay`, with every row behind the figures."""
    begin = time.perf_counter()
    rows = read_rows(path, ("trajectory", "answer"))[:limit]
    read: list[ReplayedRow] = []
    for row in rows:
        read.append(replay_row(row))
        if on_progress:
            on_progress(len(read), len(rows))
    steps = sum(row.steps for row in read)
    items = [
        {
            "id": row.id,
            "em": int(row.correct),
            "agreement": int(row.agrees),
            "answer": row.answer,
            "gold": source["answer"],
            "steps": row.steps,
            "unreadable": row.unreadable,
        }
        for row, source in zip(read, rows, strict=True)
    ]
    figures = {
        "parsed": round(1 - sum(row.unreadable for row in read) / steps, 6) if steps else 0.0,
        "rows": len(items),
        "steps": steps,
        "seconds": round(time.perf_counter() - begin, 3),
    }
    return Report("react-replay", ("em", "agreement"), items, figures, {"data": Path(path).name})


def evaluate_react(
    data: Path,
    model: BaseChatModel,
    *,
    limit: int | None = None,
    k: int = 3,
    max_steps: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Let an agent answer questions with a search tool over a local corpus, as HotpotQA's is.

    Returns:
        The report: EM, F1, contains, share of refusals; steps, tool calls and tokens of each question in its item.
    """
    from nacre.agents.tools.knowledge import knowledge_tool
    from nacre.layers.react import ReAct
    from nacre.stack import explain

    questions, problems = load_questions(data)
    with tempfile.TemporaryDirectory(prefix="nacre-eval-") as folder:
        base = index(load_retrieval(data), Path(folder) / "kb")
        agent = ReAct(inner=model, tools=[knowledge_tool(base.retriever(k=k), name="search")], max_steps=max_steps)
        items = run_items(
            questions[:limit],
            lambda question: _asked(agent, question),
            name=lambda question: question.id,
            on_progress=on_progress,
        )
    waits = [item["seconds"] for item in items if "seconds" in item]
    figures = {
        "queries": len(items),
        "errors": sum("error" in item for item in items),
        "steps_mean": round(sum(item.get("steps", 0) for item in items) / max(1, len(waits)), 3),
        **({"seconds_p50": percentile(waits, 0.5)} if waits else {}),
    }
    settings = {
        "data": data.name,
        "stack": explain(agent),
        "questions": fingerprint(question.text for question in questions),
    }
    return Report("react", ("em", "f1", "contains", "abstained"), items, figures, settings, problems)


def _asked(agent: ReAct, question: Question) -> dict[str, Any]:
    begin = time.perf_counter()
    reply = agent.invoke(question.text)
    own, answer = nacre_of(reply), text_of(reply)
    said = MARKER.sub("", answer)
    return {
        "em": exact_match(said, question.answers),
        "f1": token_f1(said, question.answers),
        "contains": contains(said, question.answers),
        "abstained": float(bool(own.get("abstained"))),
        "answer": answer,
        "gold": list(question.answers),
        "steps": own["usage"]["steps"],
        "tool_calls": own["usage"]["tool_calls"],
        "tokens": own["usage"]["total_tokens"],
        "stopped": own["stopped"],
        "trajectory": own["trajectory"],
        "seconds": round(time.perf_counter() - begin, 4),
    }


def replay_row(row: dict[str, Any]) -> ReplayedRow:
    """Read one published trajectory."""
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
    """The answer that ended a run.

    An environment stops at the answer that it accepts, so that one stands in the last turn; an earlier one was not
    taken (it was malformed, say).

    Returns:
        The answer, or None when the run never finished.
    """
    answers = [step.answer for step in trajectory if step.answer is not None]
    if trajectory and trajectory[-1].answer is not None:
        return answers[-1]
    return answers[0] if answers else None


def read_rows(path: str | Path, fields: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a JSON-lines file, checked."""
    file = Path(path)
    if not file.is_file():
        raise EvaluationError(tr("No such file: {file}. Give a .jsonl file.", file=file), path=str(file))
    rows = list(_checked(file, tuple(fields)))
    if not rows:
        raise EvaluationError(tr("{file} has no rows.", file=file), path=str(file))
    return rows


def _checked(file: Path, fields: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise EvaluationError(
                    tr("{file}, line {number}: not JSON ({error}).", file=file, number=number, error=error),
                    path=str(file),
                ) from error
            missing = [field for field in fields if not isinstance(row, dict) or field not in row]
            if missing:
                names = ", ".join(missing)
                raise EvaluationError(
                    tr("{file}, line {number}: missing {names}.", file=file, number=number, names=names), path=str(file)
                )
            yield row


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("react")
