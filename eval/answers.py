"""The answers suite: questions are asked over a whole corpus and the answers compared with gold answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from sys import intern
from typing import Any, Unpack

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from nacre import __version__, prompts
from nacre.errors import EvaluationError
from nacre.eval.datasets import load_retrieval
from nacre.eval.items import Item, failures, went_wrong, worst
from nacre.eval.metrics import contains, exact_match, held, token_f1
from nacre.eval.questions import Question, as_questions, check_faults, is_of, load_questions, strange_uris
from nacre.eval.report import Report, fingerprint
from nacre.eval.retrieval import indexed
from nacre.eval.running import MAX_FAILED, Run, Suite, carry_out
from nacre.eval.targets import is_refusal, over_http
from nacre.eval.verdict import Rules, gated
from nacre.grounding.citations import statements
from nacre.layers.best_of import BestOf, Judge
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.stack import LAYERS, build, explain
from nacre.text.language import language_of, tr
from nacre.text.markers import MARKER
from nacre.text.messages import nacre_of, text_of

# How an item names a place: "[1] file:///handbook.md [120:184] quoted text".
PLACE = r"\[(?P<n>\d+)\] (?P<uri>.*?) \[(?P<start>\d+):(?P<end>\d+)\](?P<quote>.*)"
_KEPT = ("tokens_in", "tokens_out", "seconds", "understood_as")  # of a reply, in its item
_CITED = ("citation_precision", "citation_recall", "citation_answer")
METRICS = ("contains", "em", "f1", "evidence", *_CITED, "same_language", "abstained")


def evaluate_answers(
    data: Path,
    model: BaseChatModel,
    *,
    kb: Path | str | None = None,
    k: int | None = None,
    stack: Mapping[str, Any] | None = None,
    principals: Sequence[str] | None = None,
    judge: Judge | None = None,
    **run: Unpack[Run],
) -> Report:
    """Ask questions over a corpus.

    Args:
        data: a BEIR folder with answers.jsonl, or a file of questions (then `kb` is needed).
        model: the model that answers; it is given the sources by `RetrievalAugmented`.
        kb: an existing knowledge base to ask; None indexes the corpus of `data`.
        k: how many passages the model sees; None for what the knowledge base is set to, else 6.
        stack: as for `nacre.build`, in place of `RetrievalAugmented` alone; its innermost model is `model`.
        principals: as whom is asked.
        judge: a reward model; its score of each answer is the metric `reward`.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report: contains, EM, F1, evidence, citations, share of refusals, latency, tokens.

    Raises:
        EvaluationError: nothing usable is in the files, or more of them is wrong than `max_failed`.
        UsageError: there is no knowledge base in `kb`.
    """
    questions, problems = load_questions(data)
    check_faults(data, problems, len(questions), run.get("max_failed", MAX_FAILED))
    model = model if judge is None else BestOf(inner=model, judge=judge, samples=1)
    with KnowledgeBase.open(kb, create=False) if kb else indexed(load_retrieval(data)) as base:
        return ask_all(base, model, questions, problems, data.name, k=k, stack=stack, principals=principals, **run)


def ask_all(
    base: KnowledgeBase,
    model: BaseChatModel,
    questions: Sequence[Question],
    problems: Sequence[str],
    name: str,
    *,
    k: int | None = None,
    stack: Mapping[str, Any] | None = None,
    principals: Sequence[str] | None = None,
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
        stack: as for `nacre.build`, in place of `RetrievalAugmented` alone; its innermost model is `model`.
        principals: as whom is asked.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report; with unanswerable questions also `refusal_recall` and `false_refusals`.
    """
    layers = {"layers": [{"use": "rag", "k": k}]} if stack is None else {"layers": stack.get("layers") or []}
    built = build(layers, kb=base, principals=principals, leaf=model)
    strange = strange_uris(questions, (d["uri"] for d in base.documents()))
    settings = {"data": name, **described(built, base), **({"as": list(principals)} if principals else {})}
    more = ("reward",) if isinstance(model, BestOf) else ()
    return asked(partial(reply_of, built), questions, [*problems, *strange], settings, base, more, **run)


def evaluate_target(
    target: Callable[[str], Any] | BaseChatModel | str,
    questions: Sequence[Question | Mapping[str, Any]] | Path | str,
    *,
    name: str = "",
    **run: Unpack[Run],
) -> Report:
    """Ask anything that answers: a function, or an HTTP endpoint.

    Args:
        target: takes a question and gives the answer: a text, a message of LangChain, or a mapping with `answer` and
            where known `sources` (texts) and `abstained`. Or a chat model; or the URL of an OpenAI-compatible server,
            up to and with its `/v1` (`#MODEL` behind it names the model).
        questions: with gold answers: their file, or rows as a file holds them.
        name: of the target, for the report.
        **run: how it is carried out, as in `Run`.

    Returns:
        The report, with the figures that such answers allow.
    """
    call: Any = over_http(target) if isinstance(target, str) else getattr(target, "invoke", target)
    known = name or (target if isinstance(target, str) else getattr(target, "__qualname__", type(target).__name__))
    rows = as_questions(questions)
    return asked(lambda question: reply_of_any(call(question.text)), rows, (), {"target": known}, None, **run)


def assert_answers(
    target: Callable[[str], Any] | BaseChatModel | str,
    questions: Sequence[Question | Mapping[str, Any]] | Path | str,
    **least: float,
) -> Report:
    """Ask, and fail where a figure is less than it must be: for the tests of an application.

    Args:
        target: as for `evaluate_target`.
        questions: as for `evaluate_target`.
        **least: by figure, `contains=0.9`; none asks for `contains=1`.

    Returns:
        The report.

    Raises:
        AssertionError: a figure is too low, a must-pass question went wrong, or a question failed; it names them.
    """
    report = evaluate_target(target, questions)
    data = report.data()
    verdict = gated(data, rules=Rules(least=least or {"contains": 1.0}))
    wrong = [
        f"{i['id']}: {i.get('question', '')} → {i.get('error') or i['answer']}" for i in report.items if went_wrong(i)
    ]
    if not verdict.passed or failures(data):
        raise AssertionError("\n".join([*verdict.reasons, *filter(None, [failures(data)]), *wrong[:20]]))
    return report


def asked(
    ask: Callable[[Question], Item],
    questions: Sequence[Question],
    problems: Sequence[str],
    settings: Mapping[str, Any],
    base: KnowledgeBase | None,
    more: Sequence[str] = (),
    **run: Unpack[Run],
) -> Report:
    """Ask questions of whatever answers, and score the replies; `more` are metrics that the replies bring along."""
    unanswerable = any(not question.answers for question in questions[: run.get("limit")])
    metrics = METRICS if base else tuple(name for name in METRICS if not name.startswith("citation"))
    suite = Suite(
        "answers",
        (*metrics, *(("refusal_recall", "false_refusals") if unanswerable else ()), *more),
        questions,
        ask,
        settings,
        problems,
        unit="queries",
        items=lambda question, reply: [scored(question, reply, base)],
        asked=attrgetter("text"),
        depends=depends_on(settings, base),
    )
    return carry_out(suite, **run)


def reply_of(stack: BaseChatModel, question: Question, **call: Any) -> Item:
    """Ask one question: what its score is computed of."""
    reply = stack.invoke(question.text, **call)
    own = nacre_of(reply)
    hits = [{name: hit.get(name) for name in ("n", "uri", "start", "end", "text")} for hit in own.get("hits") or []]
    citations = [
        {name: each.get(name) for name in ("n", "uri", "start", "end", "quote", "answer_start")}
        for each in own.get("citations") or []
    ]
    found = {"answer": text_of(reply), "abstained": bool(own.get("abstained")), "hits": hits, "citations": citations}
    kept = {"understood_as": own.get("question"), "reward": own.get("reward")}
    return {**found, **usage(reply), **{name: value for name, value in kept.items() if value is not None}}


def reply_of_any(said: Any) -> Item:
    """What a function or an endpoint answered, as `reply_of` gives it."""
    if isinstance(said, Mapping):
        if not isinstance(said.get("answer"), str):
            told = tr("The target gave {keys}; an answer needs the text `answer`.", keys=sorted(map(str, said)))
            raise EvaluationError(told)
        texts = [str(text) for text in said.get("sources") or ()]
        refused = said.get("abstained")
        answer = str(said["answer"])
    else:
        own = nacre_of(said) if isinstance(said, BaseMessage) else {}
        answer, refused = text_of(said) if isinstance(said, BaseMessage) else str(said), own.get("abstained")
        texts = [str(hit.get("text", "")) for hit in own.get("hits") or ()]
    hits = [{"n": n, "uri": "", "text": text} for n, text in enumerate(texts, 1)]
    return {"answer": answer, "abstained": is_refusal(answer) if refused is None else bool(refused), "hits": hits}


def depends_on(settings: Mapping[str, Any], base: KnowledgeBase | None) -> str:
    """What replies depend on: all settings but the name of the file, and where the documents are and who sees them."""
    documents = [f"{d['uri']} {d.get('principals')}" for d in base.documents()] if base else []
    return f"{ {name: value for name, value in settings.items() if name != 'data'} } {fingerprint(documents)}"


def described(stack: BaseChatModel, base: KnowledgeBase | None = None) -> dict[str, Any]:
    """What was measured, so that two reports can say what differs between them."""
    data = explain(stack)
    layers = [{k: v for k, v in e.items() if k != "kb"} if isinstance(e, dict) else e for e in data["layers"]]
    found: dict[str, Any] = {"nacre": __version__, "stack": {**data, "layers": layers}}
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
    return {**found, "prompts": prompts_of(layers)}


def prompts_of(layers: Sequence[Any]) -> dict[str, str]:
    """The prompts of some layers, "v2 1f0c33aa" by id, with fingerprints of their texts; of a layer not ours, all."""
    names = [layer["use"] if isinstance(layer, dict) else layer for layer in layers]
    folders = {"cot" if name == "chain_of_thought" else name for name in names}
    every = not set(names) <= set(LAYERS)
    ids = [id for id in prompts.prompt_ids() if not id.startswith(("judge/", "eval/"))]
    own = {str(layer["prompt"]) for layer in layers if isinstance(layer, dict) and "prompt" in layer}
    return {id: prompts.version(id) for id in ids if every or id in own or id.split("/")[0] in folders}


def usage(reply: AIMessage) -> dict[str, Any]:
    """The tokens of a reply, as its provider counted them; empty where it does not say."""
    told = reply.usage_metadata
    return {"tokens_in": told["input_tokens"], "tokens_out": told["output_tokens"]} if told else {}


def scored(question: Question, reply: Mapping[str, Any], base: KnowledgeBase | None) -> Item:
    """Score one reply; one that failed counts as wrong. Without a knowledge base citations are not looked up."""
    marks = {"uri": question.uri, "group": question.group, "must": question.must}
    item: Item = {"question": question.text, "gold": list(question.answers)}
    item |= {name: value for name, value in marks.items() if value} | ({} if question.named else {"named": False})
    if "error" in reply:
        own: tuple[str, ...] = ("refusal_recall",)
        if question.answers:
            own = ("contains", "em", "f1", "evidence", "false_refusals")
        own += ("same_language", *(_CITED[: 3 if question.answers else 2] if base else ()))
        return {**item, **worst(own), "error": reply["error"]}
    answer, abstained = str(reply["answer"]), bool(reply["abstained"])
    plain = MARKER.sub("", answer)
    spoken = any(map(str.isalpha, plain))  # "42" is in no language
    hits = reply.get("hits") or []
    item |= {
        "answer": answer,
        "abstained": float(abstained),
        "same_language": float(language_of(plain) == language_of(question.text)) if spoken else None,
        "retrieved": [f"[{h['n']}] {h['uri']} [{h['start']}:{h['end']}]" for h in hits if h.get("start") is not None],
        "shown": [intern(str(h["text"])) for h in hits],
        **{name: reply[name] for name in _KEPT if name in reply},
    }
    if question.answers:
        item |= {
            "contains": float(not abstained and bool(contains(plain, question.answers))),
            "em": exact_match(plain, question.answers),
            "f1": token_f1(plain, question.answers),
            # The answer stands in what the model was shown, in the right document where the set names one.
            "evidence": held((hit["text"] for hit in hits if _of(question, hit)), question.answers),
            "false_refusals": float(abstained),
        }
    else:
        item["refusal_recall"] = float(abstained)
    if "reward" in reply:
        item["reward"] = reply["reward"]
    if abstained or base is None:
        return item
    citations = reply.get("citations") or []
    if question.answers:
        cited = {citation["n"] for citation in citations}  # a literal quote may yet prove nothing
        texts = [hit["text"] for hit in hits if hit["n"] in cited and _of(question, hit)]
        item["citation_answer"] = held(texts, question.answers)
    standing = [citation for citation in citations if stands(citation, base)]
    said = [start for start, _, _, _ in statements(answer)]
    proved = {c["answer_start"] for c in standing}
    return {
        **item,
        # An answer without any citation proves nothing: its precision is 0.
        "citation_precision": len(standing) / len(citations) if citations else 0.0,
        "citation_recall": sum(start in proved for start in said) / len(said) if said else 0.0,
        "sources": [f"[{c['n']}] {c['uri']} [{c['start']}:{c['end']}] {c['quote']}" for c in citations],
    }


def _of(question: Question, hit: Mapping[str, Any]) -> bool:
    return not question.uri or any(is_of(each, str(hit.get("uri", ""))) for each in question.documents)


def stands(citation: Mapping[str, Any], base: KnowledgeBase) -> bool:
    """Whether a quote stands in its document, at its place, literally."""
    quote = citation["quote"]
    return bool(quote) and base.text(citation["uri"])[citation["start"] : citation["end"]] == quote


if __name__ == "__main__":
    from nacre.eval import command_line

    command_line("answers")
