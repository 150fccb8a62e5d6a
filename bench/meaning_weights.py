"""Learn when a sentence in the other language answers by its meaning, and show what the other half reaches.

Run `python bench/quote.py` once before; then `python bench/meaning_weights.py [--limit N]`. The questions of XQuAD over
the same documents in the other language: with the document that answers, where it is among the six passages, and
without it. Learned on every second question, shown on the others.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from quote import SHARED, kept
from quote_weights import logistic

from nacre.eval.datasets import load_questions, load_retrieval
from nacre.eval.metrics import contains
from nacre.eval.retrieval import index
from nacre.grounding.answerability import MEANT, MEANT_ALONE, NEARLY_MEANT, NEARLY_MEANT_SMALL
from nacre.grounding.ranking import analyse, evidence
from nacre.grounding.selection import to_compare, weighed
from nacre.retrieval.hit import Hit
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.postprocessing import distinct
from nacre.text.messages import Source

_ARTICLES = 24  # that small bases are made of
PAIRS = (("xquad_zh", "xquad_en"), ("xquad_en", "xquad_zh"))


@dataclass
class Asked:
    """A question with the sentence that means it best."""

    set: str
    first_half: bool
    answerable: bool
    signs: tuple[float, float]
    right: bool


def asked(name: str, n: int, base: KnowledgeBase, question: str, hits: list[Hit], gold: list[str]) -> Iterator[Asked]:
    """A question over six passages, where their words do not tell."""
    hits = distinct(hits)[:6]
    sources = [Source(at, hit.text, hit.title) for at, hit in enumerate(hits, 1)]
    relevance = max((hit.relevance for hit in hits if hit.relevance is not None), default=None)
    places = to_compare(question, sources, relevance)
    near = base.standing_out(question, [text for *_, text in places])
    values = {(at, start): value for (at, start, _), value in zip(places, near, strict=True)}
    found = evidence(analyse(question), [(source.text, source.title, "") for source in sources])
    scored = [
        (weighed(value, one), sources[one.passage].text[one.start : one.end])
        for one in found
        if (value := values.get((one.passage + 1, one.start))) is not None
    ]
    if scored:
        best, text = max(scored)
        bounded = np.clip(0.5 if relevance is None else relevance, 1e-3, 1 - 1e-3)
        odds = float(np.log(bounded / (1 - bounded)))
        yield Asked(name, n % 2 == 0, bool(gold), (best, odds), bool(contains(text, gold)))


def small(name: str, corpus: str) -> Iterator[Asked]:
    """Bases of four paragraphs, asked for what they hold and for what another paragraph of the same article holds."""
    questions, known = (load_questions(SHARED / "data/rag" / one)[0] for one in (name, corpus))
    answers = {question.id: list(question.answers) for question in known}
    whole = load_retrieval(SHARED / "data/rag" / corpus)
    articles = [f"a{n:03}" for n in range(_ARTICLES)]
    for n in range(0, _ARTICLES, 4):
        held = {f"{article}p00" for article in articles[n : n + 4]}
        part = replace(whole, corpus=[passage for passage in whole.corpus if passage.id in held])
        with tempfile.TemporaryDirectory() as folder, index(part, Path(folder)) as base:
            for question in questions:
                if question.uri[:4] in articles[n : n + 4] and question.uri[4:] in ("p00", "p01", "p02"):
                    gold = answers[question.id] if question.uri in held else []
                    yield from asked(name, n // 4, base, question.text, base.search(question.text, k=6), gold)


def main() -> None:
    """Learn and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=40, help="questions of a set, the last ones")
    parser.add_argument("--small", action="store_true", help="bases too small for a relevance")
    options = parser.parse_args()
    limit = options.limit
    data = [one for pair in PAIRS for one in small(*pair)] if options.small else []
    for name, corpus in () if options.small else PAIRS:
        answers = {question.id: list(question.answers) for question in load_questions(SHARED / "data/rag" / corpus)[0]}
        judged = load_retrieval(SHARED / "data/rag" / corpus).qrels
        with kept(corpus) as base:
            for n, question in enumerate(load_questions(SHARED / "data/rag" / name)[0][-limit:]):
                hits, gold = base.search(question.text, k=16), answers[question.id]
                if any(contains(hit.text, gold) for hit in hits[:6]):
                    data += asked(name, n, base, question.text, hits, gold)
                rest = [hit for hit in hits if hit.uri.rpartition("/")[2] not in judged[question.id]]
                data += asked(name, n, base, question.text, rest, [])
    rows, wanted = np.array([item.signs for item in data]), np.array([item.answerable for item in data])
    first, sets = np.array([item.first_half for item in data]), np.array([item.set for item in data])
    even = np.where(wanted, 0.5 / wanted.mean(), 0.5 / (1 - wanted.mean()))  # as many of either kind
    learned = logistic(rows[first], wanted[first].astype(float), even[first] if options.small else np.ones(first.sum()))
    print("MEANING", dict(zip(("nearness", "relevance", "constant"), learned.round(3).tolist(), strict=True)))
    probability = 1 / (1 + np.exp(-(rows @ learned[:-1] + learned[-1])))
    for name, _ in PAIRS:
        here = (sets == name) & ~first
        right = np.mean([item.right for item in data if item.set == name and item.answerable])
        print(f"{name}: the best sentence holds the answer {right:.2f}")
        for told, least in (
            ("answered", MEANT),
            ("answered or closest", NEARLY_MEANT_SMALL if options.small else NEARLY_MEANT),
        ):
            told_so = (probability >= least) | ((least < MEANT) & (rows[:, 0] >= MEANT_ALONE))
            shares = (told_so[here & (wanted == kind)].mean() for kind in (True, False))
            print(f"  the other half, {told}: answerable {next(shares):.2f}, unanswerable {next(shares):.2f}")


if __name__ == "__main__":
    main()
