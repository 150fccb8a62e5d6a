"""Scores for agents: replay of published trajectories through our parser, and live runs over question sets."""

from __future__ import annotations

import re
import string
import time
from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any, Unpack

from langchain_core.language_models import BaseChatModel

from nacre.agents.tools.knowledge import knowledge_tool
from nacre.agents.trajectory import Trajectory
from nacre.agents.transcript import read_transcript
from nacre.eval.answers import described
from nacre.eval.datasets import load_retrieval, read_rows
from nacre.eval.items import Item, worst
from nacre.eval.metrics import contains, exact_match, token_f1
from nacre.eval.questions import Question, load_questions
from nacre.eval.report import Report
from nacre.eval.retrieval import indexed
from nacre.eval.running import Run, Suite, carry_out, replayed
from nacre.layers.react import ReAct
from nacre.text.markers import MARKER
from nacre.text.messages import nacre_of, text_of

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """An answer as HotpotQA's scorer compares it: lower case, no punctuation, no articles, single blanks."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def replay(path: str | Path) -> dict[str, Any]:
    """Read every published trajectory of a file and score its final answer: the figures as one flat object."""
    return replayed(replay_report(path))


def replay_report(path: str | Path, **run: Unpack[Run]) -> Report:
    """As `replay`, with every row behind the figures."""
    began = time.perf_counter()

    def figures(items: Sequence[Item]) -> dict[str, Any]:
        steps, unreadable = (sum(item.get(name, 0) for item in items) for name in ("steps", "unreadable"))
        parsed = round(1 - unreadable / steps, 6) if steps else 0.0
        return {"parsed": parsed, "steps": steps, "seconds": round(time.perf_counter() - began, 3)}

    suite = Suite(
        "react-replay",
        ("em", "agreement"),
        read_rows(path, ("trajectory", "answer")),
        replay_row,
        {"data": Path(path).name},
        name_of=itemgetter("id"),
        unit="rows",
        figures=figures,
        resumes=False,
    )
    return carry_out(suite, **run)


def evaluate_react(data: Path, model: BaseChatModel, *, k: int = 3, max_steps: int = 8, **run: Unpack[Run]) -> Report:
    """Let an agent answer questions with a search tool over a local corpus, as HotpotQA's is.

    Args:
        data: a BEIR folder with answers.jsonl.
        model: the model that acts.
        k: how many passages one search gives.
        max_steps: of the agent.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: EM, F1, contains, share of refusals; steps, tool calls and tokens of each question in its item.

    Raises:
        EvaluationError: the data set cannot be read.
    """

    def figures(items: Sequence[Item]) -> dict[str, Any]:
        steps = [item["steps"] for item in items if "steps" in item]
        return {"steps_mean": round(sum(steps) / max(1, len(steps)), 3)}

    questions, problems = load_questions(data)
    with indexed(load_retrieval(data)) as base:
        agent = ReAct(inner=model, tools=[knowledge_tool(base.retriever(k=k), name="search")], max_steps=max_steps)
        suite = Suite(
            "react",
            ("em", "f1", "contains", "abstained"),
            questions,
            partial(_asked, agent),
            {"data": data.name, **described(agent, base), "k": k},
            problems,
            unit="queries",
            figures=figures,
            items=lambda question, reply: [_scored(question, reply)],
            asked=attrgetter("text"),
        )
        return carry_out(suite, **run)


def _asked(agent: ReAct, question: Question) -> Item:
    reply = agent.invoke(question.text)
    own = nacre_of(reply)
    return {
        "answer": text_of(reply),
        "abstained": float(bool(own.get("abstained"))),
        "steps": own["usage"]["steps"],
        "tool_calls": own["usage"]["tool_calls"],
        "tokens": own["usage"]["total_tokens"],
        "stopped": own["stopped"],
        "trajectory": own["trajectory"],
    }


def _scored(question: Question, reply: Item) -> Item:
    item = {"question": question.text, "gold": list(question.answers)}
    if "error" in reply:
        return {**item, **worst(("em", "f1", "contains")), "error": reply["error"]}
    said = MARKER.sub("", reply["answer"])
    scores = {"em": exact_match, "f1": token_f1, "contains": contains}
    return {**item, **reply, **{name: score(said, question.answers) for name, score in scores.items()}}


def replay_row(row: Mapping[str, Any]) -> Item:
    """Read one published trajectory, and say whether its end agrees with what was published."""
    trajectory = read_transcript(row["trajectory"])
    answer = final_answer(trajectory)
    correct = answer is not None and normalise_answer(answer) == normalise_answer(str(row["answer"]))
    return {
        "em": int(correct),
        "agreement": int(correct == bool(row.get("published_correct", correct))),
        "answer": answer,
        "gold": row["answer"],
        "steps": len(trajectory),
        "unreadable": sum(not step.readable for step in trajectory),
    }


def final_answer(trajectory: Trajectory) -> str | None:
    """The answer that ended a run.

    An environment stops at the answer that it accepts, so that one stands in the last turn; an earlier one was not
    taken (it was malformed, say).
    """
    answers = [step.answer for step in trajectory if step.answer is not None]
    if trajectory and trajectory[-1].answer is not None:
        return answers[-1]
    return answers[0] if answers else None


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("react")
