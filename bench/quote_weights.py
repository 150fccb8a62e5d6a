"""Learn the weights of `nacre.grounding` and `nacre.grounding.answerability`, and show what they reach where they did
not learn; beside it, what the weights in the code reach. Those stay while learning anew reaches no more at
as few lost answers.

Run `python bench/quote.py` once before, which leaves the knowledge bases in `.bench/quote/`; then
`python bench/quote_weights.py`. Ranking: the log-likelihood of the sentences that hold the gold answer, among all
sentences of six chunks (conditional logit), each set scored by weights learned on the others. Refusing: logistic
regression; answerable and unanswerable questions are the same questions with and without the passages that answer them,
five-fold by question. BASE, with the relevance of the search, is learned on every second question, with the turns of
MTRAG-UN among them, and shown on the others; so is DOUBT, of those that BASE leaves in doubt.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import conversations
import numpy as np
from numpy.typing import NDArray
from quote import CONTAINS, REFUSAL, SHARED, kept

from nacre.eval.datasets import load_questions, load_robustness
from nacre.eval.metrics import contains
from nacre.eval.sample import sample_folder
from nacre.grounding import answerability
from nacre.grounding.answerability import BASE, CLOSEST_BELOW, DOUBT, IN_DOUBT, LOOSE, REFUSE_BELOW, TITLED, measured
from nacre.grounding.followup import whole
from nacre.grounding.ranking import WEIGHTS, Evidence, analyse, evidence
from nacre.grounding.selection import to_compare
from nacre.memory.followups import turns
from nacre.retrieval.hit import Hit
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.text.hygiene import searched
from nacre.text.language import language_of
from nacre.text.messages import Source
from nacre.text.writing import writing_of

Array = NDArray[np.float64]
Passages = list[tuple[str, str]]
_BY_HAND = np.array([name in ("above", "question", "unit", "other_year", "stranger") for name in WEIGHTS])
_KINDS = ("unanswerable", "answerable")
_L2, _STEPS, _RATE = 5.0, 600, 0.05


@dataclass
class Asked:
    """A question over some passages, with what is known about it."""

    set: str
    question: str
    passages: Passages
    answerable: bool
    found: list[Evidence]
    gold: NDArray[np.bool_]
    relevance: float | None = None
    nearness: float | None = None


def asked(
    set: str,
    question: str,
    passages: Passages,
    answers: Sequence[str],
    answerable: bool,
    relevance: Iterable[float | None] = (),
    nearness: float | None = None,
) -> Asked:
    """Weigh the sentences and mark those that hold the answer."""
    found = evidence(analyse(question), passages)
    gold = np.array([bool(contains(passages[e.passage][0][e.start : e.end], answers)) for e in found])
    known = max((value for value in relevance if value is not None), default=None)
    return Asked(set, question, passages, answerable, found, gold, known, nearness)


def nearest(base: KnowledgeBase, question: str, hits: Sequence[Hit]) -> float | None:
    """How near the nearest sentence is by its meaning, where that is looked at."""
    sources = [Source(n, hit.text, " › ".join((hit.title, *hit.heading))) for n, hit in enumerate(hits, 1)]
    known = max((hit.relevance for hit in hits if hit.relevance is not None), default=None)
    places = to_compare(question, sources, known)
    texts = [text for *_, text in places if writing_of(text) == writing_of(question)]
    return max((value for value in base.standing_out(question, texts) if value is not None), default=None)


def from_knowledge_base(name: str) -> Iterable[Asked]:
    """Each question twice: with its six chunks, and with the next six that do not hold the answer."""
    questions, _ = load_questions(SHARED / "data" / "rag" / name)
    with kept(name) as base:
        for question in questions:
            hits = base.search(question.text, k=30)
            holds = [bool(contains(hit.text, question.answers)) for hit in hits]
            without = [hit for hit, held in zip(hits, holds, strict=True) if not held]
            for some, answered in ((hits[:6], True), (without[:6], False)):
                if any(holds[:6]) or not answered:
                    yield upon(base, name, question.text, some, question.answers, answered)


def from_sample() -> Iterable[Asked]:
    """The questions of the sample knowledge base."""
    import tempfile

    with sample_folder() as folder, tempfile.TemporaryDirectory() as temporary, KnowledgeBase.open(temporary) as base:
        base.sync(str(folder / "documents"))
        for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            yield over(base, f"sample_{row['lang']}", row["question"], row["answers"], bool(row["answers"]))


def from_conversations() -> Iterable[Asked]:
    """The answerable and the unanswerable turns of MTRAG-UN, made whole by the rules."""
    with conversations.kept() as base:
        for row in conversations.rows():
            messages = conversations.messages(row)
            said = turns(messages[:-1])
            question = whole(row["messages"][-1]["content"], said) if said else row["messages"][-1]["content"]
            if row["answerability"] in (["ANSWERABLE"], ["UNANSWERABLE"]):
                yield over(base, "mtrag_un", question, (), row["answerability"] == ["ANSWERABLE"])


def over(base: KnowledgeBase, name: str, question: str, answers: Sequence[str], answerable: bool) -> Asked:
    """A question over the six passages that a base finds for it."""
    return upon(base, name, question, base.search(searched(question), k=6), answers, answerable)


def upon(
    base: KnowledgeBase, name: str, question: str, hits: Sequence[Hit], answers: Sequence[str], answerable: bool
) -> Asked:
    """A question over some hits."""
    passages = [(hit.text, " › ".join((hit.title, *hit.heading))) for hit in hits]
    judged, near = [hit.relevance for hit in hits], nearest(base, question, hits)
    return asked(name, question, passages, answers, answerable, judged, near)


def from_rgb(name: str, most: int) -> Iterable[Asked]:
    """Each question with the negative and with the positive passages, at most so many."""
    rows, _ = load_robustness(SHARED / "data" / "rag" / "rgb" / f"{name}.jsonl")
    for row in rows:
        for texts, answerable in ((row.positive, True), (row.negative, False)):
            if texts:
                yield asked(name, row.question, [(text, "") for text in texts[:most]], ["-"], answerable)


def conditional_logit(data: Sequence[Asked]) -> Array:
    """Weights that give the sentences with the answer the largest share of the softmax of each question; those that are
    set by hand stay.
    """
    used = [item for item in data if item.gold.any() and not item.gold.all()]
    rows = np.array([list(e.features.values()) for item in used for e in item.found])
    gold = np.concatenate([item.gold for item in used]).astype(float)
    of = np.repeat(np.arange(len(used)), [len(item.found) for item in used])
    full = np.array(list(WEIGHTS.values()))
    set_by_hand, rows = rows[:, _BY_HAND] @ full[_BY_HAND], rows[:, ~_BY_HAND]
    scale = rows.std(axis=0) + 1e-6
    rows = rows / scale
    weights, momentum, square = (np.zeros(rows.shape[1]) for _ in range(3))
    for step in range(1, _STEPS + 1):  # Adam
        scores = rows @ weights + set_by_hand
        top = np.full(len(used), -np.inf)
        np.maximum.at(top, of, scores)
        likely = np.exp(scores - top[of])
        share = likely / np.bincount(of, likely)[of]
        right = likely * gold / np.bincount(of, likely * gold)[of]
        slope = rows.T @ (share - right) / len(used) + _L2 * weights / len(used)
        momentum, square = 0.9 * momentum + 0.1 * slope, 0.99 * square + 0.01 * slope**2
        weights -= _RATE * (momentum / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    full[~_BY_HAND] = weights / scale
    return full


def top(data: Sequence[Asked], weights: Array, count: int) -> float:
    """How often one of the best sentences holds the answer."""
    good = 0
    for item in data:
        scores = np.array([list(e.features.values()) for e in item.found]) @ weights
        good += bool(item.gold[np.argsort(-scores, kind="stable")[:count]].any())
    return good / len(data)


def logistic(rows: Array, wanted: Array, weight: Array) -> Array:
    """Logistic regression by Newton's method, lightly regularised; the constant is the last weight."""
    scale = rows.std(axis=0) + 1e-9
    full = np.column_stack([rows / scale, np.ones(len(rows))])
    penalty = np.diag([1.0] * rows.shape[1] + [0.0])
    weights = np.zeros(full.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-full @ weights))
        slope = full.T @ (weight * (p - wanted)) + penalty @ weights
        curve = (full * (weight * p * (1 - p))[:, None]).T @ full + penalty
        weights -= np.linalg.solve(curve, slope)
    return np.append(weights[:-1] / scale, weights[-1])


def show(
    title: str, data: Sequence[Asked], which: NDArray[np.bool_], ours: Array, learned: Array, below: float
) -> None:
    """Print what each set reaches by the weights that were learned, and by those in the code."""
    wanted = np.array([item.answerable for item in data])
    for name in dict.fromkeys(item.set for item in data):
        here = which & np.array([item.set == name for item in data])
        kinds = [[(sure[here & kind] < below).mean() for kind in (~wanted, wanted)] for sure in (learned, ours)]
        told = [f"refusal recall {a:.3f}, false refusals {b:.3f}" for a, b in kinds]
        print(f"  {name:12} {title}, below {below}: {told[0]} (by the code: {told[1]})")


def by_weights(rows: Array, names: Sequence[str], weights: dict[str, float]) -> Array:
    """How likely an answer is by the weights in the code."""
    return np.asarray(1 / (1 + np.exp(-(rows @ [weights[name] for name in names] + weights["constant"]))))


def refuse(title: str, data: Sequence[Asked], code: dict[str, float], below: float, weight: dict[str, float]) -> None:
    """Print the weights and, held out, refusal recall and false refusals of each set."""
    names = [name for name in code if name != "constant"]
    features = [measured(analyse(item.question), item.passages, item.found) if item.found else {} for item in data]
    rows = np.array([[f.get(name, 0.0) for name in names] for f in features])
    wanted = np.array([item.answerable for item in data], dtype=float)
    each = np.array([weight.get(item.set, 1.0) for item in data])
    questions = {question: n for n, question in enumerate(dict.fromkeys(item.question for item in data))}
    folds = np.random.default_rng(0).permutation(len(questions))[[questions[item.question] for item in data]] % 5
    probability = np.zeros(len(data))
    for fold in range(5):
        learned = logistic(rows[folds != fold], wanted[folds != fold], each[folds != fold])
        probability[folds == fold] = 1 / (1 + np.exp(-(rows[folds == fold] @ learned[:-1] + learned[-1])))
    final = logistic(rows, wanted, each)
    print(f"\n{title}:", dict(zip((*names, "constant"), final.round(3).tolist(), strict=True)))
    show("held out", data, np.ones(len(data), bool), by_weights(rows, names, code), probability, below)


def halved(data: Sequence[Asked]) -> tuple[NDArray[np.bool_], Array]:
    """Which questions are learned on, and how much each counts: as many of either kind."""
    kinds = [(item.set, item.answerable) for item in data]
    each = np.array([1 / np.sqrt(kinds.count(kind)) for kind in kinds])
    numbers: dict[tuple[str, str], int] = {}
    first = np.array([numbers.setdefault((item.set, item.question), len(numbers)) % 2 == 0 for item in data])
    for label in (False, True):
        here = np.array([item.answerable is label for item in data])
        each[here] *= 500 / each[first & here].sum()
    return first, each


def refuse_in_doubt(data: Sequence[Asked]) -> None:
    """Learn what meaning adds where BASE leaves it in doubt, on every second question; print the others' figures."""
    data = [item for item in data if item.found and item.relevance is not None]
    judged = np.array(
        [answerability.answerable(analyse(d.question), d.passages, d.found, d.relevance)[1] for d in data]
    )
    odds = np.log(judged / (1 - judged))
    near = np.array([np.nan if item.nearness is None else item.nearness for item in data])
    chinese = np.array([language_of(item.question) == "zh" for item in data])
    doubt = (judged > IN_DOUBT[0]) & (judged < IN_DOUBT[1]) & ~np.isnan(near)
    wanted, (first, _) = np.array([item.answerable for item in data]), halved(data)
    rows, some = np.column_stack([odds, near, near * chinese]), first & doubt
    kinds = [(item.set, item.answerable) for item in data]
    left = Counter(
        kind for kind, used in zip(kinds, some, strict=True) if used
    )  # in doubt, many of one set, few of another
    each = np.array([1 / np.sqrt(left[kind] or 1) for kind in kinds])
    even = each / np.where(wanted, each[some & wanted].sum(), each[some & ~wanted].sum()) * 200
    learned = logistic(rows[some], wanted[some].astype(float), even[some])
    names = ("words", "nearness", "nearness_chinese", "constant")
    print("\nDOUBT", dict(zip(names, learned.round(3).tolist(), strict=True)))
    logit = rows @ [DOUBT[name] for name in names[:-1]] + DOUBT["constant"]
    sure = np.where(doubt, 1 / (1 + np.exp(-logit)), judged)
    for name in dict.fromkeys(item.set for item in data):
        here = ~first & np.array([item.set == name for item in data])
        for told, below in (("refused", REFUSE_BELOW), ("refused or closest", CLOSEST_BELOW)):
            least = np.where(doubt, np.where(chinese, below["doubt_chinese"], below["doubt"]), below["base"])
            shares = ((sure[here & kind] < least[here & kind]).mean() for kind in (~wanted, wanted))
            before = ((judged[here & kind] < below["base"]).mean() for kind in (~wanted, wanted))
            figures = [f"{kind} {a:.3f} (by words {b:.3f})" for kind, a, b in zip(_KINDS, shares, before, strict=True)]
            print(f"  {name:12} the other half, {told}: {', '.join(figures)}")


def refuse_by_relevance(data: Sequence[Asked], below: float) -> None:
    """Learn on every second question, each set by the root of its size, and print what the others reach."""
    data = [item for item in data if item.found and item.relevance is not None]
    names = [name for name in BASE if name not in ("constant", "relevance")]
    features = [measured(analyse(item.question), item.passages, item.found) for item in data]
    bounded = np.clip([item.relevance for item in data], 1e-3, 1 - 1e-3)
    rows = np.column_stack([[[f[name] for name in names] for f in features], np.log(bounded / (1 - bounded))])
    wanted = np.array([item.answerable for item in data], dtype=float)
    first, each = halved(data)
    learned = logistic(rows[first], wanted[first], each[first])
    print("\nBASE", dict(zip((*names, "relevance", "constant"), learned.round(3).tolist(), strict=True)))
    probability = 1 / (1 + np.exp(-(rows @ learned[:-1] + learned[-1])))
    show("the other half", data, ~first, by_weights(rows, [*names, "relevance"], BASE), probability, below)


def main() -> None:
    """Learn and report."""
    sets = {name: list(from_knowledge_base(name)) for name in CONTAINS}
    sample = list(from_sample())
    ranked = {name: [one for one in data if one.answerable] for name, data in {**sets, "sample": sample}.items()}
    for name in ranked:
        weights = conditional_logit([item for other, data in ranked.items() if other != name for item in data])
        first, second = (top(ranked[name], weights, n) for n in (1, 2))
        ours = ", ".join(f"{top(ranked[name], np.array([*WEIGHTS.values()]), n):.3f}" for n in (1, 2))
        print(f"{name}: learned on the others, top 1 {first:.3f}, top 2 {second:.3f} (by the code {ours})")
    weights = conditional_logit([item for data in ranked.values() for item in data])
    # Some are set by hand, see there: these sets hardly show them.
    print("WEIGHTS", dict(zip(WEIGHTS, weights.round(2).tolist(), strict=True)))
    titled = [item for data in sets.values() for item in data] + sample
    refuse("TITLED", titled, TITLED, REFUSE_BELOW["titled"], {"sample_en": 3.0, "sample_zh": 3.0})
    with_turns = [*titled, *from_conversations()]
    refuse_by_relevance(with_turns, REFUSE_BELOW["base"])
    refuse_in_doubt(with_turns)
    files = [file for group in REFUSAL.values() for file in group]
    loose = [item for file in files for most in (5, 5, 5, 10**6) for item in from_rgb(file, most)]
    refuse("LOOSE, 5 (three times) and all passages", loose, LOOSE, REFUSE_BELOW["loose"], {"en_fact": 3.0})


if __name__ == "__main__":
    main()
