"""Learn the weights of `nacre.retrieval.relevance`, and show what they reach on sets that they were not learned on.

Run `python bench/quote.py` once before; then `python bench/relevance_weights.py`. Answerable: questions over their own
corpus. Unanswerable: the same questions with the documents that answer them left out of the hits, questions of one set
over the corpus of another, and the unanswerable ones of the sample. Each with words and vectors, and with words alone.
A question counts for its best hit, so learning alternates between choosing that hit and logistic regression. Held out:
every set is judged by weights that were learned without its questions and without its corpus.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from quote import KEPT, SHARED, kept
from quote_weights import logistic

from nacre.eval.datasets import load_questions, load_retrieval
from nacre.eval.metrics import contains
from nacre.eval.sample import sample_folder
from nacre.layers.rag import MIN_RELEVANCE
from nacre.retrieval import search as searching
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.relevance import WEIGHTS, Signs

FOLDERS = ("xquad_en", "xquad_zh", "cmrc2018", "hotpot_distractor100")
CROSSED = (  # questions, corpus
    ("xquad_en", "hotpot_distractor100"),
    ("hotpot_distractor100", "xquad_en"),
    ("xquad_zh", "cmrc2018"),
    ("cmrc2018", "xquad_zh"),
    ("xquad_en", "md"),
    ("xquad_zh", "md"),
)
ABROAD = (  # questions, corpus in the other language with the same documents, or with others
    ("xquad_zh", "xquad_en"),
    ("xquad_en", "xquad_zh"),
    ("cmrc2018", "xquad_en"),
    ("hotpot_distractor100", "xquad_zh"),
)
THRESHOLDS = (MIN_RELEVANCE, 0.05, 0.08, 0.11, 0.15)
_HITS = 6
_ROUNDS = 4


@dataclass
class Asked:
    """A question over a corpus: signs of its first hits, of shape (hits, signs)."""

    set: str
    parts: tuple[str, ...]
    signs: NDArray[np.float64]
    answerable: bool


class Recorder:
    """Stands in for the estimate and remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[Signs] = []

    def __call__(self, signs: Signs) -> float:
        self.seen.append(signs)
        return float(len(self.seen) - 1)


def signs_of(
    base: KnowledgeBase, question: str, without: Collection[str] = ()
) -> Iterator[tuple[str, NDArray[np.float64], list[str]]]:
    """Signs and texts of the first hits, once by both arms and once by words alone."""
    for name, arms in (("", ("words", "vectors")), (" words", ("words",))):
        recorder = Recorder()
        searching.relevance = recorder  # type: ignore[attr-defined]
        hits = [hit for hit in base.search(question, k=40, arms=arms) if hit.uri not in without]
        hits = [hit for hit in hits if hit.relevance is not None][:_HITS]
        rows = [astuple(recorder.seen[int(hit.relevance or 0)]) for hit in hits]
        yield name, np.array(rows or [(0.0,) * len(WEIGHTS)]), [hit.text for hit in hits]


def both(
    name: str,
    parts: tuple[str, ...],
    base: KnowledgeBase,
    question: str,
    answers: Collection[str],
    gold: Collection[str],
) -> Iterator[Asked]:
    """A question as it is, when the hits hold its answer, and without the documents that answer it."""
    for arms, signs, texts in signs_of(base, question):
        if any(contains(text, list(answers)) for text in texts):
            yield Asked(name + arms, parts, signs, True)
    for arms, signs, _ in signs_of(base, question, gold):
        yield Asked(name + arms, parts, signs, False)


def from_retrieval() -> Iterator[Asked]:
    """The sets in BEIR layout, each over its own corpus and over others'."""
    asked = {name: load_questions(SHARED / "data" / "rag" / name)[0] for name in FOLDERS}
    for name in FOLDERS:
        judged = load_retrieval(SHARED / "data" / "rag" / name).qrels
        with kept(name) as base:
            for question in asked[name]:
                gold = {uri for uri in base_uris(base) if uri.rsplit("/", 1)[-1] in judged[question.id]}
                yield from both(name, (name,), base, question.text, question.answers, gold)
    for name, corpus in CROSSED:
        with documents() if corpus == "md" else kept(corpus) as base:
            for question in asked[name]:
                for arms, signs, _ in signs_of(base, question.text):
                    yield Asked(f"{name} > {corpus}{arms}", (name, corpus), signs, False)


def from_abroad() -> Iterator[Asked]:
    """Questions over a corpus in the other language; the documents of the two XQuAD sets are each other's
    translations.
    """
    for name, corpus in ABROAD:
        answers = {q.id: q.answers for q in load_questions(SHARED / "data" / "rag" / corpus)[0]}
        judged = load_retrieval(SHARED / "data" / "rag" / corpus).qrels
        with kept(corpus) as base:
            for question in load_questions(SHARED / "data" / "rag" / name)[0]:
                gold = {uri for uri in base_uris(base) if uri.rsplit("/", 1)[-1] in judged.get(question.id, {})}
                asked = both(
                    f"{name} > {corpus}", (name, corpus), base, question.text, answers.get(question.id, ()), gold
                )
                yield from (item for item in asked if not item.set.endswith(" words") and item.signs[:, 5].any())


def base_uris(base: KnowledgeBase) -> list[str]:
    """All addresses, looked up once a base."""
    if not hasattr(base, "_uris"):
        base._uris = [document["uri"] for document in base.documents()]  # type: ignore[attr-defined]
    return list(base._uris)  # type: ignore[attr-defined]


def documents() -> KnowledgeBase:
    """The pages of product documentation in both languages, indexed once."""
    path = KEPT / "md"
    there = (path / "manifest.json").exists()
    base = KnowledgeBase.open(path)
    if not there:
        base.sync(str(SHARED / "data" / "docs" / "md"))
    return base


def from_documents() -> Iterator[Asked]:
    """Questions over product documentation; a page and its translation go together."""
    with documents() as base:
        for line in (SHARED / "data" / "docs" / "md_questions.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            pages = tuple(row[key].removeprefix("md/") for key in ("doc", "doc_other"))
            gold = [uri for uri in base_uris(base) if uri.endswith(pages)]
            yield from both(f"md_{row['lang']}", ("md",), base, row["text"], [row["answer"]], gold)


def from_sample() -> Iterator[Asked]:
    """The sample knowledge base, with its own unanswerable questions."""
    with sample_folder() as folder, tempfile.TemporaryDirectory() as temporary, KnowledgeBase.open(temporary) as base:
        base.sync(str(folder / "documents"))
        for line in (folder / "questions.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            for arms, signs, _ in signs_of(base, row["question"]):
                yield Asked(f"sample_{row['lang']}{arms}", ("sample",), signs, bool(row["answers"]))


def learn(data: list[Asked]) -> NDArray[np.float64]:
    """Weights, the constant last; every set counts by the root of its size, both kinds of question the same."""
    wanted = np.array([item.answerable for item in data], float)
    kinds = [(item.set, item.answerable) for item in data]
    each = np.array([1 / np.sqrt(kinds.count(kind)) for kind in kinds])
    for label in (0.0, 1.0):
        each[wanted == label] *= 500 / each[wanted == label].sum()
    best = [0] * len(data)
    for _ in range(_ROUNDS):
        weights = logistic(np.array([item.signs[at] for item, at in zip(data, best, strict=True)]), wanted, each)
        best = [int(np.argmax(item.signs @ weights[:-1])) for item in data]
    return weights


def scores(data: list[Asked], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log-odds of each question's best hit."""
    return np.array([(item.signs @ weights[:-1]).max() + weights[-1] for item in data])


def share(data: list[Asked], answerable: bool, weights: NDArray[np.float64], below: float) -> float:
    """How many of the questions have no hit as likely as that."""
    some = [item for item in data if item.answerable is answerable]
    return float((scores(some, weights) < np.log(below / (1 - below))).mean()) if some else float("nan")


def main() -> None:
    """Learn and report."""
    data = [*from_retrieval(), *from_abroad(), *from_documents(), *from_sample()]
    names = dict.fromkeys(item.set for item in data)
    print("WEIGHTS", dict(zip((*WEIGHTS, "CONSTANT"), learn(data).round(2).tolist(), strict=True)))
    print("held out: unanswerable refused, answerable refused; below", *THRESHOLDS)
    falsely = []
    for name in names:
        here = [item for item in data if item.set == name]
        weights = learn([item for item in data if not {*item.parts} & {*here[0].parts}])
        figures = [(share(here, False, weights, below), share(here, True, weights, below)) for below in THRESHOLDS]
        falsely.append([false for _, false in figures])
        print(f"{name:40}", *(f"{refused:8.3f} {false:.3f}" for refused, false in figures))
    print(f"{'mean of the sets':40}", *(f"{'':8} {false:.3f}" for false in np.nanmean(falsely, axis=0)))


if __name__ == "__main__":
    main()
