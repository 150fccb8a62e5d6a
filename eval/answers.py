"""The answers suite: questions are asked over a whole corpus and the answers compared with gold answers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.eval.datasets import Question, load_questions, load_retrieval
from nacre.eval.metrics import contains, exact_match, token_f1
from nacre.eval.report import Item, Report, fingerprint, percentile
from nacre.eval.retrieval import index
from nacre.eval.running import run_items
from nacre.messages import nacre_of, text_of
from nacre.markers import MARKER

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.retrieval.knowledge_base import KnowledgeBase

METRICS = ("contains", "em", "f1", "citation_precision", "abstained")


def evaluate_answers(
    data: Path,
    model: BaseChatModel,
    *,
    kb: Path | None = None,
    k: int = 6,
    limit: int | None = None,
    workers: int = 1,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Ask questions over a corpus.

    Args:
        data: a BEIR folder with answers.jsonl, or a file of questions (then `kb` is needed).
        model: the model that answers; it is given the sources by `RetrievalAugmented`.
        kb: an existing knowledge base to ask; None indexes the corpus of `data`.
        k: how many passages the model sees.
        limit: how many questions, the first.
        workers: how many questions at a time.
        out: where finished items are kept, so that a run can go on.
        on_progress: called with (done, all) questions.

    Returns:
        The report: contains, EM, F1, citation precision, share of refusals, latency.
    """
    from nacre.retrieval.knowledge_base import KnowledgeBase

    questions, problems = load_questions(data)
    with tempfile.TemporaryDirectory(prefix="nacre-eval-") as temporary:
        base = KnowledgeBase.open(kb) if kb else index(load_retrieval(data), Path(temporary) / "kb")
        return ask_all(
            base, model, questions[:limit], problems, data.name, k=k, workers=workers, out=out, on_progress=on_progress
        )


def ask_all(
    base: KnowledgeBase,
    model: BaseChatModel,
    questions: list[Question],
    problems: list[str],
    name: str,
    *,
    k: int = 6,
    workers: int = 1,
    out: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Ask questions over a knowledge base that is there.

    Args:
        base: the knowledge base.
        model: the model that answers.
        questions: with gold answers; one without is unanswerable, and refusing it is right.
        problems: what was wrong with the data.
        name: of the data set, for the report.
        k: how many passages the model sees.
        workers: how many questions at a time.
        out: where finished items are kept.
        on_progress: called with (done, all) questions.

    Returns:
        The report; with unanswerable questions also `refusal_recall` and `false_refusals`.
    """
    from nacre.retrieval.rag import RetrievalAugmented
    from nacre.stack import explain

    stack = RetrievalAugmented(inner=model, retriever=base.retriever(k=k))
    settings = {
        "data": name,
        "stack": explain(stack),
        "corpus": fingerprint(base.text(d["uri"]) for d in base.documents()),
        "questions": fingerprint(q.text for q in questions),
    }

    def ask(question: Question) -> Item:
        began = time.perf_counter()
        reply = stack.invoke(question.text)
        return {
            **judge(question, text_of(reply), nacre_of(reply), base),
            "seconds": round(time.perf_counter() - began, 4),
            "tokens": (reply.usage_metadata or {}).get("total_tokens"),
        }

    items = run_items(
        questions,
        ask,
        name=lambda q: q.id,
        workers=workers,
        done_file=out / "items.jsonl" if out else None,
        key=fingerprint([str(settings)]),
        on_progress=on_progress,
    )
    waits = [item["seconds"] for item in items if "seconds" in item]
    figures: dict[str, Any] = {"queries": len(items), "errors": sum("error" in item for item in items)}
    if waits:
        figures |= {"seconds_p50": percentile(waits, 0.5), "seconds_p95": percentile(waits, 0.95)}
    unanswerable = any(not q.answers for q in questions)
    metrics = (*METRICS, "refusal_recall", "false_refusals") if unanswerable else METRICS
    return Report("answers", metrics, items, figures, settings, problems)


def judge(question: Question, answer: str, own: Mapping[str, Any], base: KnowledgeBase) -> Item:
    """Score one answer.

    Args:
        question: with its gold answers.
        answer: the text.
        own: what Nacre added to the message.
        base: the knowledge base, in which every citation is looked up.

    Returns:
        An item. Scores of answers are missing for unanswerable questions, and citation precision for refusals.
    """
    abstained = bool(own.get("abstained"))
    plain = MARKER.sub("", answer)
    citations = own.get("citations") or []
    item: Item = {
        "question": question.text,
        "answer": answer,
        "gold": list(question.answers),
        "abstained": float(abstained),
    }
    if question.answers:
        item |= {
            "contains": contains(plain, question.answers),
            "em": exact_match(plain, question.answers),
            "f1": token_f1(plain, question.answers),
        }
        item["false_refusals"] = float(abstained)
    else:
        item["refusal_recall"] = float(abstained)
    if not abstained:
        # An answer without any citation proves nothing: its precision is 0.
        item["citation_precision"] = sum(stands(c, base) for c in citations) / len(citations) if citations else 0.0
        item["sources"] = [f"[{c['n']}] {c['uri']} [{c['start']}:{c['end']}] {c['quote']}" for c in citations]
    return item


def stands(citation: Mapping[str, Any], base: KnowledgeBase) -> bool:
    """Whether a quote stands in its document, at its place, literally.

    Args:
        citation: as from `RetrievalAugmented`.
        base: the knowledge base.

    Returns:
        True when it does.
    """
    return (
        bool(citation["quote"]) and base.text(citation["uri"])[citation["start"] : citation["end"]] == citation["quote"]
    )
