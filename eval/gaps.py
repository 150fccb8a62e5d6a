"""What a base could not answer: refused and disliked questions grouped by meaning, each with the stage that lost it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from langchain_core.messages import AIMessage
from numpy.typing import NDArray

from nacre.errors import UsageError
from nacre.eval.production import open_row, short_id
from nacre.eval.stages import Diagnosis
from nacre.eval.why import diagnose
from nacre.layers.rag import RetrievalAugmented
from nacre.retrieval.relevance import content
from nacre.retrieval.retriever import KnowledgeBaseRetriever
from nacre.store.calibration import UNRELATED
from nacre.store.encoder import Encoder
from nacre.text.language import language_of, tr
from nacre.text.messages import nacre_of

_MOST = 2000  # questions that are grouped, the latest
_ALIKE = 0.6  # cosine from which two questions ask the same, beside what any two sentences have in common
_SHARED = 0.6  # of the words of both, where there is no encoder or it is not sure
_DEEP = 50  # passages of the widest search
_SHOWN = 20  # questions of a gap that are listed


@dataclass(frozen=True)
class Exchange:
    """A question that was asked, and what became of it."""

    question: str
    answer: str = ""
    refused: bool = False  # it got no answer, or only the nearest passage
    verdict: str = ""  # "up", "down" or "" where nobody said
    comment: str = ""
    sources: tuple[str, ...] = ()  # addresses of the documents that the answer cited
    principals: tuple[str, ...] | None = None  # as whom it was asked; None where that is not known
    exported: bool = True  # whether it may become a row of an evaluation


@dataclass(frozen=True)
class Gap:
    """Questions that ask the same and were not answered well."""

    questions: tuple[str, ...]  # each once, the one asked most first
    count: int  # how often they were asked
    stage: str  # one of `nacre.eval.why.STAGES`; "none" where it is answered today
    cure: str  # what brings the answer, for people
    reason: str
    refused: int
    disliked: int
    setting: dict[str, Any] = field(default_factory=dict)  # that as data, where a setting helps
    uri: str = ""  # the document that holds the answer, or ""
    exchanges: tuple[Exchange, ...] = ()

    def data(self) -> dict[str, Any]:
        """It without what each person said."""
        told = {name: value for name, value in vars(self).items() if name != "exchanges"}
        return {**told, "questions": list(self.questions[:_SHOWN])}

    def rows(self) -> list[dict[str, Any]]:
        """Its questions as rows of an evaluation; the right answer is for a person to fill in."""
        last = {exchange.question.strip(): exchange for exchange in self.exchanges if exchange.exported}
        more = {"group": short_id("gap", self.questions[0]), "note": f"{self.stage}: {self.cure}"}
        return [
            open_row("g", question, None, said.answer, self.uri, **more, verdict=said.verdict, comment=said.comment)
            for question in self.questions
            if (said := last.get(question))
        ]


def find_gaps(
    exchanges: Iterable[Exchange], stack: RetrievalAugmented, on_progress: Callable[[int, int], object] | None = None
) -> list[Gap]:
    """Group what went wrong, and say of each group where its answer was lost.

    Args:
        exchanges: the latest last.
        stack: retrieval over the knowledge base that was asked; it is asked again, once to a few times a group.
        on_progress: called with (done, all).

    Returns:
        The groups, the most asked first.

    Raises:
        UsageError: the stack's retriever is none of a knowledge base.
    """
    known = [exchange for exchange in exchanges if exchange.question.strip()]
    liked = {e.question.strip(): e.sources[0] for e in known if e.verdict == "up" and not e.refused and e.sources}
    wrong = [e for e in known if e.verdict == "down" or (e.refused and e.verdict != "up")][-_MOST:]
    retriever = stack.retriever
    if not isinstance(retriever, KnowledgeBaseRetriever):
        raise UsageError(tr("gaps needs a stack over a knowledge base."))
    groups = grouped(wrong, retriever.knowledge_base.encoder)
    found = []
    for done, group in enumerate(groups, 1):
        found.append(_gap(group, stack, liked))
        if on_progress:
            on_progress(done, len(groups))
    return sorted(found, key=lambda gap: -gap.count)


def grouped(exchanges: Sequence[Exchange], encoder: Encoder | None) -> list[list[Exchange]]:
    """Exchanges whose questions ask the same, by the meaning that an encoder sees or by their words.

    Each joins the first group whose first question is near enough: chains of likeness make no group.
    """
    asked = list(dict.fromkeys(exchange.question.strip() for exchange in exchanges))
    vectors = _apart(asked, encoder) if encoder and asked else None
    said = [frozenset(content(question)) for question in asked]
    heads: list[int] = []
    where: dict[str, int] = {}
    for n, question in enumerate(asked):
        head = next((place for place, at in enumerate(heads) if _alike(n, at, said, vectors)), len(heads))
        if head == len(heads):
            heads.append(n)
        where[question] = head
    groups: list[list[Exchange]] = [[] for _ in heads]
    for exchange in exchanges:
        groups[where[exchange.question.strip()]].append(exchange)
    return groups


def _apart(asked: Sequence[str], encoder: Encoder) -> NDArray[np.float32]:
    """Vectors of questions without what sentences of their language that have nothing to do with each other share: some
    encoders see every two texts as near.
    """
    shared = {language: encoder.documents(list(texts)).mean(axis=0) for language, texts in UNRELATED.items()}
    vectors = encoder.documents(asked) - np.stack([shared[language_of(question)] for question in asked])
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def _alike(one: int, other: int, said: Sequence[frozenset[str]], vectors: NDArray[np.float32] | None) -> bool:
    mine, theirs = said[one], said[other]
    if not mine or not theirs:  # "?" means nothing that another question may mean too
        return False
    if any(c.isdigit() for word in mine ^ theirs for c in word):  # PX-100 and PX-200 are two questions
        return False
    if vectors is not None and float(vectors[one] @ vectors[other]) >= _ALIKE:
        return True
    return len(mine & theirs) >= _SHARED * len(mine | theirs)


def _gap(group: Sequence[Exchange], stack: RetrievalAugmented, liked: dict[str, str]) -> Gap:
    counts = Counter(exchange.question.strip() for exchange in group)
    questions = tuple(question for question, _ in counts.most_common())
    expected = next((liked[question] for question in questions if question in liked), "")
    first = next(exchange for exchange in reversed(group) if exchange.question.strip() == questions[0])
    found = _diagnosed(first, stack, expected)
    return Gap(
        questions, len(group), found.stage, found.cure, found.reason, sum(e.refused for e in group),
        sum(e.verdict == "down" for e in group), found.setting, found.uri, tuple(group),
    )  # fmt: skip


def _diagnosed(exchange: Exchange, stack: RetrievalAugmented, expected: str) -> Diagnosis:
    """Where an answer was lost: one that was liked elsewhere is what was expected, else what a wider search answers."""
    question, who = exchange.question.strip(), exchange.principals
    if expected:
        return diagnose(stack, question, expected, principals=who)
    options: dict[str, Any] = {} if who is None else {"principals": who}
    if not _unanswered(stack.invoke(question, **options)):
        if exchange.verdict != "down":
            return Diagnosis("none", tr("It is answered today."), tr("Nothing to mend."))
        cure = tr("Read the answer with its sources; correct the document, or write the right answer into its row.")
        uri = exchange.sources[0] if exchange.sources else ""
        return Diagnosis("model", tr("It is answered, and the answer was not liked."), cure, uri=uri)
    for wider, more in _wider(stack):
        reply = wider.invoke(question, **{**options, **more})
        if not _unanswered(reply) and (cited := nacre_of(reply).get("citations")):
            return diagnose(stack, question, str(cited[0]["quote"]), principals=who)
    reason = tr("No document of the knowledge base answers it, however widely it is searched.")
    return Diagnosis("source", reason, tr("Add a document that says it."))


def _wider(stack: RetrievalAugmented) -> list[tuple[RetrievalAugmented, dict[str, Any]]]:
    """The stack with one hindrance less after the other."""
    retriever = cast(KnowledgeBaseRetriever, stack.retriever)  # `find_gaps` looked
    deep = retriever.model_copy(update={"k": max(_DEEP, retriever.k)})
    wide = stack.model_copy(update={"min_relevance": 0.0, "strict": False, "retriever": deep})
    groups = retriever.knowledge_base.store.catalog.audiences().values()
    everyone = deep.model_copy(update={"principals": ("*", *sorted({name for group in groups for name in group}))})
    unasked = wide.model_copy(update={"retriever": everyone})
    return [(stack.model_copy(update={"min_relevance": 0.0}), {}), (wide, {}), (unasked, {"principals": None})]


def _unanswered(reply: AIMessage) -> bool:
    own = nacre_of(reply)
    return bool(own.get("abstained") or own.get("closest"))
