"""Why an expected passage did not make it into an answer: the stage where it was lost, and what brings it back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nacre.errors import UsageError
from nacre.eval.expected import Place, files_with, places
from nacre.eval.metrics import contains
from nacre.eval.ranks import Ranks, ranks_of
from nacre.grounding.ranking import support
from nacre.retrieval.packing import pack
from nacre.retrieval.retriever import KnowledgeBaseRetriever
from nacre.text.language import listed, tr
from nacre.text.messages import nacre_of, text_of
from nacre.text.tokens import estimate

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from nacre.layers.rag import RetrievalAugmented
    from nacre.retrieval.knowledge_base import KnowledgeBase

# In the order in which a passage passes them; "none" means that it was used.
STAGES = (
    "source", "parse", "permission", "words", "vectors", "fusion", "distinct", "rerank", "relevance", "chunk", "packing", "model",
    "citation", "none",
)  # fmt: skip


@dataclass(frozen=True)
class Diagnosis:
    """Where a passage was lost.

    Args:
        setting: that thing as data, `{"k": 9}`; empty where no setting helps.
        ranks: its rank in the words, the vectors, both fused, and after reranking; None where it is not found.
    """

    stage: str
    reason: str
    cure: str
    setting: dict[str, Any] = field(default_factory=dict)
    uri: str = ""
    ranks: dict[str, int | None] = field(default_factory=dict)
    answer: str = ""


def why(stack: RetrievalAugmented, question: str, expect: str, *, principals: Iterable[str] | None = None) -> Diagnosis:
    """Follow an expected passage through a stack, stage by stage.

    Args:
        stack: retrieval over a knowledge base around a model; the model is asked only when the passage reached it.
    """
    if not expect.strip():
        raise UsageError(tr("Say what was expected: a text or the address of a document."))
    retriever = stack.retriever
    if not isinstance(retriever, KnowledgeBaseRetriever):
        raise UsageError(tr("why needs a stack over a knowledge base."))
    names = None if principals is None else tuple(principals)
    found = places(retriever.knowledge_base, expect)
    if not found:
        return _absent(retriever.knowledge_base, expect)
    diagnoses = [_followed(stack, retriever, question, expect, place, names) for place in found]
    return max(diagnoses, key=lambda diagnosis: STAGES.index(diagnosis.stage))


def _absent(base: KnowledgeBase, expect: str) -> Diagnosis:
    unsynced, unparsed = files_with(base, expect)
    if unparsed:
        return _unparsed(unparsed[0])
    if unsynced:
        where = unsynced[0]
        return Diagnosis(
            "source",
            tr("{where} holds it, but has not been synced since it changed.", where=where),
            tr("nacre sync {where}", where=where),
            {"sync": where},
        )
    return Diagnosis(
        "source",
        tr("No document of the knowledge base says it, and no file that it was made of."),
        tr("Add a document that says it."),
    )


def _unparsed(where: str) -> Diagnosis:
    return Diagnosis(
        "parse",
        tr("{where} holds it, but the parser did not take it over.", where=where),
        tr(
            "Look at kb.text(uri): hidden parts, scripts and scans are left out. Save the file in "
            "another format, or use a source with OCR."
        ),
        uri=where,
    )


def _followed(
    stack: RetrievalAugmented,
    retriever: KnowledgeBaseRetriever,
    question: str,
    expect: str,
    place: Place,
    principals: tuple[str, ...] | None,
) -> Diagnosis:
    base: KnowledgeBase = retriever.knowledge_base
    if not place.chunks:
        return _unparsed(place.uri)
    asker = retriever.principals if principals is None else principals
    if not base.visible(place.uri, asker):
        allowed = next(d["principals"] for d in base.documents() if d["uri"] == place.uri)
        return Diagnosis(
            "permission",
            tr("The asker may not see {uri}.", uri=place.uri),
            tr("Ask as one of: {allowed}.", allowed=listed(allowed)),
            {"principals": allowed},
            place.uri,
        )
    ranks = ranks_of(retriever, question, place, asker)
    lost = _not_retrieved(ranks, question, place, base.text(place.uri), retriever.k)
    return lost or _not_used(stack, question, expect, place, ranks, principals)


def _not_retrieved(ranks: Ranks, question: str, place: Place, text: str, k: int) -> Diagnosis | None:
    """What kept the passage out of the first k, or None when it is among them."""
    if ranks.final is not None and ranks.final <= k:
        return None
    told, setting = ranks.as_dict(), {"k": ranks.final} if ranks.final else {}
    cure = (
        tr("Search deeper: k = {final}.", final=ranks.final)
        if ranks.final
        else tr("Ask in the words of the passage, or repair the index: nacre.KnowledgeBase.repair(path).")
    )

    def lost(stage: str, reason: str, cure: str = cure, setting: dict[str, Any] = setting) -> Diagnosis:
        return Diagnosis(stage, reason, cure, setting, place.uri, told)

    if ranks.fused is not None and ranks.fused <= k:
        if ranks.distinct is None:
            return lost(
                "distinct",
                tr("A better passage says nearly the same, so this one was left out."),
                tr("distinct = False"),
                {"distinct": False},
            )
        return lost(
            "rerank",
            tr(
                "The reranker moved it from place {distinct} to {final}.",
                distinct=ranks.distinct,
                final=ranks.final or "nowhere",
                final2=ranks.final or "无",
            ),
        )
    for arm, other in (("words", "vectors"), ("vectors", "words")):
        rank = told[arm]
        if rank is not None and rank <= k:
            reason = tr(
                "Place {rank} by {arm}, but {other} put it at {fused} in the fused list.",
                rank=rank,
                arm=arm,
                other=other,
                fused=ranks.fused or "nowhere",
                fused2=ranks.fused or "无",
            )
            nearer = 0 if arm == "words" else 1
            weigh = tr(
                " Or set fusion_weight nearer {nearer}; nacre eval tune tells what that costs elsewhere.", nearer=nearer
            )
            return lost("fusion", reason, cure + weigh)
    # Both arms failed. The one that had what it needs is to blame: words when the passage says the question's words.
    share = max(support(question, text[start:end]) for _, start, end in place.chunks)
    if share >= _SHARED:
        return lost(
            "words",
            tr(
                "It holds {share:.0%} of the question's words, yet the word index ranks it {words}.",
                share=share,
                words=ranks.words or "nowhere",
                words2=ranks.words or "无",
            ),
        )
    reason = tr(
        "It says it in other words ({share:.0%} shared), and the embedder ranks it {vectors}.",
        share=share,
        vectors=ranks.vectors or "nowhere",
        vectors2=ranks.vectors or "无",
    )
    better = tr(" Or use an embedder that knows both the language and the subject.")
    return lost("vectors", reason, cure + better)


_SHARED = 0.5  # of the question's words, weighted


def _not_used(
    stack: RetrievalAugmented,
    question: str,
    expect: str,
    place: Place,
    ranks: Ranks,
    principals: tuple[str, ...] | None,
) -> Diagnosis:
    options: dict[str, Any] = {} if principals is None else {"principals": principals}
    documents = stack.retriever.invoke(question, **options)
    reply = stack.invoke(question, **options)
    own, answer = nacre_of(reply), text_of(reply)
    told: dict[str, Any] = {"uri": place.uri, "ranks": ranks.as_dict(), "answer": answer}
    if own.get("abstained") and not own.get("hits"):
        best = max((d.metadata.get("relevance") or 0.0 for d in documents), default=0.0)
        return Diagnosis(
            "relevance",
            tr(
                "It was found, but the best passage seemed too unlikely to hold an answer ({best}), so "
                "the model was not asked.",
                best=best,
            ),
            tr("min_relevance = {best}", best=best),
            {"min_relevance": best},
            **told,
        )
    spans = [(d.metadata["start"], d.metadata["end"]) for d in documents if d.metadata["uri"] == place.uri]
    if not any(place.shown_by(*span) for span in spans) and not _used(reply, expect, place):
        return Diagnosis(
            "chunk",
            tr("It was cut in two, and only a part was shown."),
            tr("Show the neighbours too: expand = 1."),
            {"expand": 1},
            **told,
        )
    shown = [(h.get("uri"), h.get("start", -1), h.get("end", -1)) for h in own.get("hits") or []]
    if not any(uri == place.uri and place.touched_by(start, end) for uri, start, end in shown):
        needed = _tokens_needed(documents, place)
        return Diagnosis(
            "packing",
            tr("It was found, but did not fit into the room for sources."),
            tr("source_tokens = {needed}", needed=needed),
            {"source_tokens": needed},
            **told,
        )
    if _used(reply, expect, place):
        return Diagnosis("none", tr("It was found, shown and used."), tr("Nothing to mend."), **told)
    if stack.strict:
        loose = stack.model_copy(update={"strict": False}).invoke(question, **options)
        if _used(loose, expect, place):
            least = min((c["support"] for c in nacre_of(loose)["citations"] if c["uri"] == place.uri), default=0.0)
            return Diagnosis(
                "citation",
                tr(
                    "The model used it, but the citation check cut the sentence: its words are too far from the source."
                ),
                tr("min_support = {least}, or leave strict off.", least=least),
                {"min_support": least},
                **told,
            )
    said = tr("refused") if own.get("abstained") else tr("answered from elsewhere")
    return Diagnosis(
        "model",
        tr("The model saw it and {said}.", said=said),
        tr("Try another model, or fewer passages (a smaller k)."),
        **told,
    )


def _used(reply: AIMessage, expect: str, place: Place) -> bool:
    """Whether an answer says the expected text, or cites the place where it stands."""
    own = nacre_of(reply)
    cited = any(c["uri"] == place.uri and place.touched_by(c["start"], c["end"]) for c in own.get("citations") or [])
    return not own.get("abstained") and (cited or (not place.whole and bool(contains(text_of(reply), [expect]))))


def _tokens_needed(documents: list[Any], place: Place) -> int:
    """The least budget with which packing keeps a chunk of the passage."""
    total = 0
    for document in documents:
        total += estimate(" ".join(document.page_content.split()))
        kept, _ = pack(documents, total)
        facts = [d.metadata for d in kept]
        if any(f["uri"] == place.uri and place.touched_by(f["start"], f["end"]) for f in facts):
            break
    return total
