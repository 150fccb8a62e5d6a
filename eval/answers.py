"""The answers suite: questions are asked over a whole corpus and the answers compared with gold answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from nacre.eval.datasets import Question, load_questions, load_retrieval
from nacre.eval.metrics import contains, exact_match, token_f1
from nacre.eval.report import Item, Report, fingerprint
from nacre.eval.retrieval import indexed
from nacre.eval.running import Run, Suite, carry_out
from nacre.grounding.citations import statements
from nacre.layers.best_of import BestOf, Judge
from nacre.text.language import language_of
from nacre.text.markers import MARKER
from nacre.text.messages import nacre_of, text_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

    from nacre.retrieval.knowledge_base import KnowledgeBase

# How an item names a place: "[1] file:///handbook.md [120:184] quoted text".
PLACE = r"\[(?P<n>\d+)\] (?P<uri>.*?) \[(?P<start>\d+):(?P<end>\d+)\](?P<quote>.*)"
METRICS = ("contains", "em", "f1", "evidence", "citation_precision", "citation_recall", "same_language", "abstained")


_REWARD = ("reward",)


def evaluate_answers(
    data: Path,
    model: BaseChatModel,
    *,
    kb: Path | None = None,
    k: int | None = None,
    judge: Judge | None = None,
    **run: Unpack[Run],
) -> Report:
    """Ask questions over a corpus.

    Args:
        data: a BEIR folder with answers.jsonl, or a file of questions (then `kb` is needed).
        model: the model that answers; it is given the sources by `RetrievalAugmented`.
        kb: an existing knowledge base to ask; None indexes the corpus of `data`.
        k: how many passages the model sees; None for what the knowledge base is set to, else 6.
        judge: a reward model; its score of each answer is the metric `reward`.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: contains, EM, F1, evidence, citations, share of refusals, latency, tokens.

    Raises:
        EvaluationError: nothing usable is in the files.
        UsageError: there is no knowledge base in `kb`.
    """
    from nacre.retrieval.knowledge_base import KnowledgeBase

    questions, problems = load_questions(data)
    model = model if judge is None else BestOf(inner=model, judge=judge, samples=1)
    with KnowledgeBase.open(kb, create=False) if kb else indexed(load_retrieval(data)) as base:
        return ask_all(base, model, questions, problems, data.name, k=k, **run)


def ask_all(
    base: KnowledgeBase,
    model: BaseChatModel,
    questions: Sequence[Question],
    problems: Sequence[str],
    name: str,
    *,
    k: int | None = None,
    **run: Unpack[Run],
) -> Report:
    """Ask questions over a knowledge base that is there.

    Args:
        base: the knowledge base.
        model: the model that answers.
        questions: with gold answers; one without is unanswerable, and refusing it is right.
        problems: what was wrong with the data.
        name: of the data set, for the report.
        k: how many passages the model sees; None for what the knowledge base is set to, else 6.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report; with unanswerable questions also `refusal_recall` and `false_refusals`.
    """
    from nacre.stack import build

    stack = build({"layers": [{"use": "rag", "k": k}]}, kb=base, leaf=model)
    unanswerable = any(not question.answers for question in questions[: run.get("limit")])
    more = [*(("refusal_recall", "false_refusals") if unanswerable else ()), *_REWARD[: isinstance(model, BestOf)]]
    suite = Suite(
        "answers",
        (*METRICS, *more),
        questions,
        lambda question: answered(stack, question, base),
        {"data": name, **described(stack, base)},
        problems,
        unit="queries",
    )
    return carry_out(suite, **run)


def answered(stack: BaseChatModel, question: Question, base: KnowledgeBase, **call: Any) -> Item:
    """Ask one question and score the answer."""
    reply = stack.invoke(question.text, **call)
    own = nacre_of(reply)
    item = {**judge(question, text_of(reply), own, base), **usage(reply)}
    return {**item, "understood_as": own["question"]} if own.get("question") else item


def described(stack: BaseChatModel, base: KnowledgeBase | None = None) -> dict[str, Any]:
    """What was measured, so that two reports can say what differs between them."""
    from nacre import prompts
    from nacre.stack import explain

    data = explain(stack)
    layers = [{k: v for k, v in e.items() if k != "kb"} if isinstance(e, dict) else e for e in data["layers"]]
    found: dict[str, Any] = {"stack": {**data, "layers": layers}}
    if base:
        documents = base.documents()
        found |= {
            "corpus": fingerprint(base.text(d["uri"]) for d in documents),
            "chunks": fingerprint(f"{d['chunks']} {base.text(d['uri'])}" for d in documents),
            "embedder": base.stats()["embedder"],
            **({"kb settings": dict(base.settings)} if base.settings else {}),
        }
    name = getattr(stack, "prompt", None)
    if isinstance(name, str):
        found["prompt"] = f"{name} v{prompts.load(name, 'en').version}"
    return found


def usage(reply: AIMessage) -> dict[str, Any]:
    """The tokens of a reply, as its provider counted them.

    Returns:
        `tokens_in` and `tokens_out`; empty where the provider does not say.
    """
    told = reply.usage_metadata
    return {"tokens_in": told["input_tokens"], "tokens_out": told["output_tokens"]} if told else {}


def judge(question: Question, answer: str, own: Mapping[str, Any], base: KnowledgeBase) -> Item:
    """Score one answer."""
    abstained = bool(own.get("abstained"))
    plain = MARKER.sub("", answer)
    citations, hits = own.get("citations") or [], own.get("hits") or []
    item: Item = {
        "question": question.text,
        "answer": answer,
        "gold": list(question.answers),
        "abstained": float(abstained),
        "same_language": _same_language(question.text, plain),
        "retrieved": [f"[{h['n']}] {h['uri']} [{h['start']}:{h['end']}]" for h in hits if "start" in h],
    }
    if question.answers:
        item |= {
            "contains": contains(plain, question.answers),
            "em": exact_match(plain, question.answers),
            "f1": token_f1(plain, question.answers),
            # The answer stands in what the model was shown, in the right document where the set names one.
            "evidence": max((contains(h["text"], question.answers) for h in hits if _of(question, h)), default=0.0),
            "false_refusals": float(abstained),
        }
    else:
        item["refusal_recall"] = float(abstained)
    if "reward" in own:
        item["reward"] = own["reward"]
    if not abstained:
        # An answer without any citation proves nothing: its precision is 0.
        item["citation_precision"] = sum(stands(c, base) for c in citations) / len(citations) if citations else 0.0
        said = [start for start, _, _, _ in statements(answer)]
        cited = {c["answer_start"] for c in citations if stands(c, base)}
        item["citation_recall"] = sum(start in cited for start in said) / len(said) if said else 0.0
        item["sources"] = [f"[{c['n']}] {c['uri']} [{c['start']}:{c['end']}] {c['quote']}" for c in citations]
    return item


def _of(question: Question, hit: Mapping[str, Any]) -> bool:
    return not question.uri or str(hit.get("uri", "")).endswith(question.uri)


def _same_language(question: str, answer: str) -> float | None:
    """Whether the answer is in the asker's language; None of an answer without letters, "42"."""
    if not any(c.isalpha() for c in answer):
        return None
    return float(language_of(answer) == language_of(question))


def stands(citation: Mapping[str, Any], base: KnowledgeBase) -> bool:
    """Whether a quote stands in its document, at its place, literally."""
    return (
        bool(citation["quote"]) and base.text(citation["uri"])[citation["start"] : citation["end"]] == citation["quote"]
    )


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("answers")
