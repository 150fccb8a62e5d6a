"""Rows from a knowledge base: made questions with the prompt that serves, answers with [n], and refusals."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever

from nacre.connectors.models.scripted import ScriptedChatModel
from nacre.connectors.models.templates import turns
from nacre.errors import FinetuningError
from nacre.eval.datasets import Question
from nacre.eval.making import make_questions
from nacre.eval.metrics import contains
from nacre.finetuning.rows import Row, Split
from nacre.finetuning.splitting import groups, leaks, sides
from nacre.grounding.evidence import refusal
from nacre.layers.rag import RetrievalAugmented
from nacre.retrieval.retriever import as_document, retriever_of
from nacre.store.filters import Filter
from nacre.text.language import language_of, tr
from nacre.text.messages import last_user_text, parse_sources

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from nacre.retrieval.knowledge_base import KnowledgeBase

_DEEP = 100  # passages of one document among which its own is looked for
_JUDGED = ("relevance", "score")  # of one search; the row is about what is shown, not how it was found


@dataclass
class Built:
    """What came of building.

    Args:
        leaks: questions left out because an evaluation set asks them.
        left_out: why questions gave no row, and how many.
    """

    rows: list[Row] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


class Shown(BaseRetriever):
    """Finds the same documents for every question."""

    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return self.documents


def shown(documents: Sequence[Document], question: str, history: Sequence[BaseMessage] = ()) -> list[BaseMessage]:
    """The very messages that `RetrievalAugmented` would put to a model for a question over some documents."""
    script = ScriptedChatModel(["."])
    # A question of a row is whole: a follow-up would first be put to the model to be made so.
    found = Shown(documents=list(documents))
    layer = RetrievalAugmented(inner=script, retriever=found, min_relevance=0, rewrite=False)
    layer.invoke([*history, HumanMessage(question)])
    return list(script.calls[0])


def build_rows(
    base: KnowledgeBase,
    *,
    count: int = 100,
    questions: Sequence[Question] = (),
    refusals: float = 0.35,
    follow_ups: float = 0.1,
    pairs: bool = False,
    model: BaseChatModel | None = None,
    k: int | None = None,
    exclude: Sequence[str] = (),
    seed: int = 7,
    on_progress: Callable[[int, int], None] | None = None,
) -> Built:
    """Build rows from what everyone may see of a knowledge base.

    Args:
        count: how many questions to make, at most.
        questions: of an evaluation set that is given up for training, asked besides.
        refusals: share of the rows, 0 to 0.9: the same questions, with every passage that answers them taken out.
        follow_ups: share of the answers that stand as a second question in a conversation.
        pairs: a better and a worse answer a row, for DPO, instead of the answer alone.
        model: writes the questions; None makes them by templates.
        k: how many sources a row shows; None as the knowledge base is set to.
        exclude: questions that no row may ask.

    Raises:
        EvaluationError: there is nothing to ask about.
        FinetuningError: no question gave a row.
    """
    made = make_questions(base, count=count, unanswerable=0, model=model, on_progress=on_progress) if count else []
    asked = [*(Question(m.id, m.question, m.answers, m.uri) for m in made), *questions]
    places = {m.id: (m.start, m.end) for m in made}
    texts = {d["uri"]: base.text(d["uri"]) for d in base.documents() if base.visible(d["uri"])}
    asked = [placed(question, texts) for question in asked]
    side = sides(groups(texts), Counter(question.uri for question in asked), seed)
    built = Built()
    builder = _Builder(base, side, k, seed, built.left_out)
    shares = _Shares(refusals, follow_ups)
    for question in asked:
        if leaks([Row((), "", question=question.text)], exclude):
            built.leaks.append(question.text)
        else:
            wanted = shares.of(bool(question.answers))
            built.rows += builder.rows(question, places.get(question.id), wanted, pairs)
    if not built.rows:
        raise FinetuningError(
            tr(
                "No row came of {count} questions ({why}). Add documents, or give questions with --questions.",
                count=len(asked),
                why=", ".join(f"{n} {reason}" for reason, n in built.left_out.items()) or f"{len(built.leaks)} leaks",
            )
        )
    return built


def placed(question: Question, texts: Mapping[str, str]) -> Question:
    """The question with the whole address of its document, where the set names its end only."""
    whole = question.uri if question.uri in texts else ""
    ends = [uri for uri in texts if question.uri and uri.endswith(question.uri)]
    return Question(question.id, question.text, question.answers, whole or (ends[0] if len(ends) == 1 else ""))


@dataclass
class _Shares:
    """Keeps shares without chance: what is furthest behind comes next."""

    refusals: float
    follow_ups: float
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, answerable: bool) -> frozenset[str]:
        """Which kinds a question gives: its answer and, where refusals lack, also a refusal."""
        wanted = {"answer"} if answerable else {"refusal"}
        if self.counts["refusal"] < self.refusals / max(0.01, 1 - self.refusals) * (self.counts["answer"] + 1):
            wanted.add("refusal")
        self.counts.update(wanted)
        if answerable and self.counts["follow_up"] < self.follow_ups * self.counts["answer"]:
            wanted.add("follow_up")
            self.counts["follow_up"] += 1
        return frozenset(wanted)


class _Builder:
    """Makes the rows of one question after the other, and balances where the gold passage stands."""

    def __init__(
        self, base: KnowledgeBase, side: dict[str, Split], k: int | None, seed: int, left_out: Counter[str]
    ) -> None:
        self._base, self._side, self._left_out = base, side, left_out
        self._k = k or retriever_of(base).k
        self._find = retriever_of(base, k=max(20, 4 * self._k))
        self._random = random.Random(seed)
        self._stood: Counter[int] = Counter()
        self._before: dict[str, tuple[str, str]] = {}
        self._worse = 0

    def rows(
        self, question: Question, place: tuple[int, int] | None, wanted: frozenset[str], pairs: bool
    ) -> Iterator[Row]:
        """The rows of a question."""
        side: Split = self._side.get(question.uri, "train")
        found = [self._plain(d) for d in self._find.invoke(question.text)]
        found = [d for d in found if self._side.get(str(d.metadata["uri"])) == side]
        holds = partial(_holds, answers=question.answers)
        others = [d for d in found if not holds(d)][: self._k]
        gold = self._gold(question, place, found)
        make = partial(self._row, question=question, side=side, pairs=pairs)
        if "answer" in wanted and gold is None:
            self._left_out[tr("without a passage that holds the answer")] += 1
            return
        if gold is not None and "answer" in wanted:
            at = self._position(min(len(others), self._k - 1))
            whole = [*others[:at], gold, *others[at : self._k - 1]]
            past = self._before.get(question.uri) if "follow_up" in wanted else None
            if row := make(whole, past=past):
                self._before[question.uri] = (question.text, row.answer)
                yield row
        if "refusal" in wanted and others and (row := make(others, refuse=True)):
            yield row

    def _gold(self, question: Question, place: tuple[int, int] | None, found: Sequence[Document]) -> Document | None:
        """The passage that holds the answer, in the document that the question was made from."""

        def is_gold(document: Document) -> bool:
            at = document.metadata
            there = not question.uri or at["uri"] == question.uri
            spans = place is None or (at["start"] <= place[0] and place[1] <= at["end"])
            return there and spans and _holds(document, question.answers)

        for document in found:
            if is_gold(document):
                return document
        if not question.uri:
            return None
        hits = self._base.search(question.text, k=_DEEP, where=Filter(uri_prefix=question.uri))
        whole = (as_document(h, t) for h, t in zip(hits, self._base.tables_in(hits), strict=True))
        return next((self._plain(document) for document in whole if is_gold(document)), None)

    def _row(
        self,
        documents: Sequence[Document],
        *,
        question: Question,
        side: Split,
        pairs: bool,
        refuse: bool = False,
        past: tuple[str, str] | None = None,
    ) -> Row | None:
        history = [HumanMessage(past[0]), AIMessage(past[1])] if past else []
        messages = shown(documents, question.text, history)
        sources = tuple(s.text for s in parse_sources(last_user_text(messages))[0])
        at = next((n for n, text in enumerate(sources, 1) if contains(text, question.answers)), 0)
        if refuse == bool(at) or not sources:  # the sources were cut to fit, or hold it in other words
            self._left_out[tr("whose passage did not fit")] += 1
            return None
        self._stood[at] += bool(at)
        kind = "refusal" if refuse else "follow_up" if past else "answer"
        language = language_of(question.text)
        answer = refusal(language) if refuse else cited(question.answers[0], at, question.text)
        fields: dict[str, Any] = {"rejected": self._rejected(question, at, len(sources))} if pairs else {}
        return Row(
            tuple(turns(messages)), answer, document=question.uri, kind=kind, split=side, origin="kb",
            question=question.text, answers=question.answers if at else (), sources=sources, **fields,
        )  # fmt: skip

    def _rejected(self, question: Question, at: int, count: int) -> str:
        """A worse answer: of each kind of fault in turn."""
        answer = question.answers[0] if question.answers else "?"
        if not at:
            return cited(answer, 1, question.text)
        self._worse += 1
        faults = [refusal(language_of(question.text)), answer]
        if count > 1:
            faults.append(cited(answer, at % count + 1, question.text))
        return faults[self._worse % len(faults)]

    def _position(self, most: int) -> int:
        """Where the gold passage stands: where it has stood least, of equals by chance."""
        places = list(range(most + 1))
        self._random.shuffle(places)
        return min(places, key=lambda at: self._stood[at + 1])

    @staticmethod
    def _plain(document: Document) -> Document:
        facts = {name: value for name, value in document.metadata.items() if name not in _JUDGED}
        return Document(document.page_content, metadata=facts)


def _holds(document: Document, answers: Sequence[str]) -> bool:
    return bool(contains(document.page_content, answers))


def cited(answer: str, n: int, question: str) -> str:
    """An answer in the house form: what stands in the source, and the source's number before the full stop."""
    stop = "。" if language_of(f"{question} {answer}") == "zh" else "."
    return f"{answer.strip().rstrip('.。')} [{n}]{stop}"
