"""The stages of a passage on its way into an answer: for each, a small function says whether it was lost there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage

from nacre.eval.expected import Place, Ranks
from nacre.eval.metrics import contains
from nacre.grounding.claims import support
from nacre.layers.rag import RetrievalAugmented
from nacre.retrieval.packing import pack
from nacre.text.language import tr
from nacre.text.messages import nacre_of, text_of
from nacre.text.tokens import estimate

# In the order in which a passage passes them; "none" means that it was used.
_STAGES = "source parse permission words vectors fusion distinct rerank relevance chunk packing model citation none"
STAGES = tuple(_STAGES.split())
_SHARED = 0.5  # of the question's words, weighted


@dataclass(frozen=True)
class Diagnosis:
    """Where a passage was lost.

    Args:
        stage: one of `STAGES`.
        reason: what happened, for people.
        cure: the smallest thing that brings it back, for people.
        setting: that thing as data, `{"k": 9}`; empty where no setting helps.
        uri: the document that holds the passage, or "".
        ranks: its rank in the words, the vectors, both fused, and after reranking; None where it is not found.
        answer: what the model said, when it came to that.
    """

    stage: str
    reason: str
    cure: str
    setting: dict[str, Any] = field(default_factory=dict)
    uri: str = ""
    ranks: dict[str, int | None] = field(default_factory=dict)
    answer: str = ""


@dataclass(frozen=True)
class Case:
    """An expected passage that the asker may see, and how a stack treats it; the model is asked for `reply`."""

    stack: RetrievalAugmented
    question: str
    expect: str
    place: Place
    text: str  # of the document that the passage stands in
    ranks: Ranks
    k: int  # how many passages the model sees
    options: dict[str, Any]  # of the call, such as `principals`
    given: AIMessage | None = None  # the answer that was given before, where there is one

    @cached_property
    def documents(self) -> list[Document]:
        """What the retriever finds."""
        return self.stack.retriever.invoke(self.question, **self.options)

    @cached_property
    def reply(self) -> AIMessage:
        """The answer of the stack."""
        return self.given or self.stack.invoke(self.question, **self.options)

    def reaches(self, rank: int | None) -> bool:
        """Whether a rank is among the passages that the model sees."""
        return rank is not None and rank <= self.k

    def used_in(self, reply: AIMessage) -> bool:
        """Whether an answer says the expected text, or cites the place where it stands."""
        own, place = nacre_of(reply), self.place
        spans = [(c["start"], c["end"]) for c in own.get("citations") or [] if c["uri"] == place.uri]
        said = not place.whole and bool(contains(text_of(reply), [self.expect]))
        return not own.get("abstained") and (said or any(place.touched_by(*span) for span in spans))

    def lost(self, stage: str, reason: str, cure: str, setting: dict[str, Any] | None = None) -> Diagnosis:
        """Lost at a stage, or at none; with the answer where the model was asked."""
        answer = text_of(self.reply) if "reply" in vars(self) else ""
        return Diagnosis(stage, reason, cure, setting or {}, self.place.uri, asdict(self.ranks), answer)


def diagnosed(case: Case) -> Diagnosis:
    """The first stage that lost the passage: of retrieval where it is not among the first k, else of the answer."""
    stages = _ANSWER if case.reaches(case.ranks.final) else _RETRIEVAL
    return next(found for stage in stages if (found := stage(case)))


# --- retrieval --------------------------------------------------------------------------------------------------------


def _distinct(case: Case) -> Diagnosis | None:
    if not case.reaches(case.ranks.fused) or case.ranks.distinct is not None:
        return None
    reason = tr("A better passage says nearly the same, so this one was left out.")
    return case.lost("distinct", reason, tr('In settings.json or the stack: "distinct": false.'), {"distinct": False})


def _rerank(case: Case) -> Diagnosis | None:
    if not case.reaches(case.ranks.fused):
        return None
    before, after = case.ranks.distinct, _place(case.ranks.final)
    reason = tr("The reranker moved it from place {distinct} to {final}.", distinct=before, final=after)
    return case.lost("rerank", reason, *_deeper(case))


def _fusion(case: Case) -> Diagnosis | None:
    """One arm ranks it among the first k, the other drags it out."""
    for arm, rank, other, nearer in (
        ("words", case.ranks.words, "vectors", 0),
        ("vectors", case.ranks.vectors, "words", 1),
    ):
        if case.reaches(rank):
            reason = tr(
                "Place {rank} by {arm}, but {other} put it at {fused} in the fused list.",
                rank=rank,
                arm=arm,
                other=other,
                fused=_place(case.ranks.fused),
            )
            weigh = tr(
                " Or set fusion_weight nearer {nearer}; nacre eval tune tells what that costs elsewhere.", nearer=nearer
            )
            cure, setting = _deeper(case)
            return case.lost("fusion", reason, cure + weigh, setting)
    return None


def _words(case: Case) -> Diagnosis | None:
    """Both arms failed: the words are to blame when the passage says the question's words, else the vectors."""
    share = _shared(case)
    if share < _SHARED:
        return None
    reason = tr(
        "It holds {share:.0%} of the question's words, yet the word index ranks it {words}.",
        share=share,
        words=_place(case.ranks.words),
    )
    return case.lost("words", reason, *_deeper(case))


def _vectors(case: Case) -> Diagnosis:
    share = _shared(case)
    reason = tr(
        "It says it in other words ({share:.0%} shared), and the embedder ranks it {vectors}.",
        share=share,
        vectors=_place(case.ranks.vectors),
    )
    better = tr(" Or use an embedder that knows both the language and the subject.")
    cure, setting = _deeper(case)
    return case.lost("vectors", reason, cure + better, setting)


def _place(rank: int | None) -> str:
    return str(rank) if rank else tr("nowhere")


def _shared(case: Case) -> float:
    return max(support(case.question, case.text[start:end]) for _, start, end in case.place.chunks)


def _deeper(case: Case) -> tuple[str, dict[str, Any]]:
    """The k that reaches the passage, for people and as data."""
    rank = case.ranks.final
    if rank:
        return tr("Search deeper: k = {final} (-k, settings.json or the stack).", final=rank), {"k": rank}
    return tr("Ask in the words of the passage, or repair the index: nacre.KnowledgeBase.repair(path)."), {}


# --- the answer -------------------------------------------------------------------------------------------------------


def _relevance(case: Case) -> Diagnosis | None:
    own = nacre_of(case.reply)
    if not own.get("abstained") or own.get("hits"):
        return None
    best = max((d.metadata.get("relevance") or 0.0 for d in case.documents), default=0.0)
    reason = tr(
        "It was found, but the best passage seemed too unlikely to hold an answer ({best}), so "
        "the model was not asked.",
        best=best,
    )
    cure = tr("In the stack: {{use: rag, min_relevance: {best}}}.", best=best)
    # The cure is tried, so that none is told that does not help.
    asked = case.stack.model_copy(update={"min_relevance": best}).invoke(case.question, **case.options)
    if not case.used_in(asked):
        cure += tr(" It reaches the model then, which does not use it either: try another model.")
        return case.lost("relevance", reason, cure)
    return case.lost("relevance", reason, cure, {"min_relevance": best})


def _chunk(case: Case) -> Diagnosis | None:
    if any(case.place.shown_by(*span) for span in _spans(case, case.documents)) or case.used_in(case.reply):
        return None
    reason = tr("It was cut in two, and only a part was shown.")
    cure = tr("Show the neighbours too: expand = 1 (settings.json or the stack).")
    return case.lost("chunk", reason, cure, {"expand": 1})


def _packing(case: Case) -> Diagnosis | None:
    hits = nacre_of(case.reply).get("hits") or []
    shown = [(h.get("start", -1), h.get("end", -1)) for h in hits if h.get("uri") == case.place.uri]
    if any(case.place.touched_by(*span) for span in shown):
        return None
    needed = 0  # the least budget with which packing keeps a chunk of the passage
    for document in case.documents:
        needed += estimate(" ".join(document.page_content.split()))
        if any(case.place.touched_by(*span) for span in _spans(case, pack(case.documents, needed)[0])):
            break
    reason = tr("It was found, but did not fit into the room for sources.")
    cure = tr("In the stack: {{use: rag, source_tokens: {needed}}}.", needed=needed)
    return case.lost("packing", reason, cure, {"source_tokens": needed})


def _nowhere(case: Case) -> Diagnosis | None:
    if not case.used_in(case.reply):
        return None
    return case.lost("none", tr("It was found, shown and used."), tr("Nothing to mend."))


def _citation(case: Case) -> Diagnosis | None:
    """The model used it, and the strict check cut the sentence."""
    if not case.stack.strict:
        return None
    loose = case.stack.model_copy(update={"strict": False}).invoke(case.question, **case.options)
    if not case.used_in(loose):
        return None
    cited = [c["support"] for c in nacre_of(loose)["citations"] if c["uri"] == case.place.uri]
    least = min(cited, default=0.0)
    reason = tr("The model used it, but the citation check cut the sentence: its words are too far from the source.")
    cure = tr("In the stack: {{use: rag, strict: true, min_support: {least}}}, or leave strict off.", least=least)
    return case.lost("citation", reason, cure, {"min_support": least})


def _model(case: Case) -> Diagnosis:
    abstained = nacre_of(case.reply).get("abstained")
    said = tr("refused") if abstained else tr("answered from elsewhere")
    reason = tr("The model saw it and {said}.", said=said)
    cure = tr("Try another model, or fewer passages (a smaller k).")
    return case.lost("model", reason, cure)


def _spans(case: Case, documents: Sequence[Document]) -> list[tuple[int, int]]:
    return [(d.metadata["start"], d.metadata["end"]) for d in documents if d.metadata["uri"] == case.place.uri]


_Step = Callable[[Case], Diagnosis | None]
_RETRIEVAL: tuple[_Step, ...] = (_distinct, _rerank, _fusion, _words, _vectors)
_ANSWER: tuple[_Step, ...] = (_relevance, _chunk, _packing, _nowhere, _citation, _model)
