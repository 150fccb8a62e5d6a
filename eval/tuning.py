"""Choose retrieval settings on one half of a question set, and say on the other half what the choice is worth."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nacre.errors import EvaluationError
from nacre.eval.answers import costs, described, judge, usage
from nacre.eval.datasets import Question
from nacre.eval.gate import compare
from nacre.eval.report import Item, Report
from nacre.eval.running import run_items
from nacre.language import tr
from nacre.messages import nacre_of, text_of
from nacre.retrieval.settings import save_settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.retrieval.knowledge_base import KnowledgeBase

GRID: Mapping[str, Sequence[Any]] = {"k": (3, 6, 10), "expand": (0, 1)}
DEFAULT: Mapping[str, Any] = {"k": 6, "expand": 0}
_LEAST = 10  # questions


def tune(
    base: KnowledgeBase,
    questions: Sequence[Question],
    model: BaseChatModel,
    *,
    grid: Mapping[str, Sequence[Any]] = GRID,
    write: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Try every combination of a grid on half of the questions, and measure the best one on the other half.

    Args:
        base: the knowledge base.
        questions: with gold answers; one without is right when it is refused.
        model: the model that answers.
        grid: fields of `KnowledgeBaseRetriever`, each with the values to try.
        write: keep the choice in the knowledge base, where `nacre ask` and `chat` find it; only when it is not worse
            than the default on the other half.
        on_progress: called with (done, all) questions.

    Returns:
        The report over the half that was held back, for the chosen settings: `success`, `evidence`, latency and tokens;
        `default_success` for what it would be without tuning, and every combination tried in `tried`.

    Raises:
        EvaluationError: fewer than ten questions.
    """
    if len(questions) < _LEAST:
        raise EvaluationError(
            tr(f"{len(questions)} questions are too few to tune by; give at least {_LEAST}.", f"{len(questions)} 个问题太少，至少需要 {_LEAST} 个。")
        )
    half = {q.id for q in sorted(questions, key=_shuffle_key)[: len(questions) // 2]}
    dev, held = [q for q in questions if q.id in half], [q for q in questions if q.id not in half]
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    total, done = len(combinations) * len(dev) + 2 * len(held), 0

    def show(count: int, of: int) -> None:
        if on_progress:
            on_progress(done + count, total)

    tried = []
    for settings in combinations:
        items = _asked(base, dev, model, settings, show)
        done += len(dev)
        tried.append({**settings, **_means(items)})
    # Among equally good ones the one that costs the model the fewest tokens.
    best = max(tried, key=lambda row: (row["success"], -row["tokens_in"]))
    chosen = {name: best[name] for name in grid}
    items = _asked(base, held, model, chosen, show)
    done += len(held)
    plain = _asked(base, held, model, DEFAULT, show)
    figures = {"chosen": chosen, "default_success": _means(plain)["success"], "tried": tried, **costs(items)}
    stack = described(_stack(base, model, chosen), base)
    report = Report("tune", ("success", "evidence"), items, figures, {**stack, "dev": len(dev), "held_back": len(held)})
    before = Report("tune", ("success", "evidence"), plain)
    kept = write and not any(change.loss for change in compare(_data(before), _data(report)))
    if kept:
        save_settings(base.folder, chosen)
    report.figures["written"] = kept  # type: ignore[index]
    return report


def _asked(
    base: KnowledgeBase,
    questions: Sequence[Question],
    model: BaseChatModel,
    settings: Mapping[str, Any],
    show: Callable[[int, int], None],
) -> list[Item]:
    stack = _stack(base, model, settings)

    def ask(question: Question) -> Item:
        reply = stack.invoke(question.text)
        item = {**judge(question, text_of(reply), nacre_of(reply), base), **usage(reply)}
        return {**item, "success": item["contains"] if question.answers else item["refusal_recall"]}

    return run_items(questions, ask, name=lambda q: q.id, on_progress=show)


def _stack(base: KnowledgeBase, model: BaseChatModel, settings: Mapping[str, Any]) -> Any:
    from nacre.retrieval.rag import RetrievalAugmented

    return RetrievalAugmented(inner=model, retriever=base.retriever(**{**DEFAULT, **settings}))


def _means(items: Sequence[Item]) -> dict[str, float]:
    means = {}
    for name in ("success", "evidence", "tokens_in"):
        values = [item[name] for item in items if item.get(name) is not None]
        means[name] = round(sum(values) / len(values), 4) if values else 0.0
    return means


def _data(report: Report) -> dict[str, Any]:
    return {"suite": report.suite, "metrics": list(report.metrics), "items": list(report.items)}


def _shuffle_key(question: Question) -> str:
    """An order that has nothing to do with the order of the file, the same every time."""
    return hashlib.sha256(question.id.encode()).hexdigest()


def read_grid(text: str) -> dict[str, list[Any]]:
    """A grid as it is written on the command line.

    Args:
        text: a JSON object of lists: {"k": [4, 8], "expand": [0, 1]}.

    Returns:
        The grid.

    Raises:
        EvaluationError: it is none, or names what a retriever has not.
    """
    try:
        grid = json.loads(text)
    except ValueError:
        grid = None
    known = ("k", "expand", "distinct")
    if not isinstance(grid, dict) or not grid or not all(k in known and isinstance(v, list) and v for k, v in grid.items()):
        raise EvaluationError(
            tr(f'--grid is {text!r}; write lists for some of {", ".join(known)}: {{"k": [4, 8]}}', f'--grid 为 {text!r}；请为 {"、".join(known)} 写列表：{{"k": [4, 8]}}')
        )
    return grid
