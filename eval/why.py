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
from nacre.language import tr
from nacre.messages import nacre_of, text_of
from nacre.retrieval.packing import pack
from nacre.retrieval.retriever import KnowledgeBaseRetriever
from nacre.text.tokens import estimate

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from nacre.retrieval.knowledge_base import KnowledgeBase
    from nacre.retrieval.rag import RetrievalAugmented

# In the order in which a passage passes them; "none" means that it was used.
STAGES = (
    "source", "parse", "permission", "words", "vectors", "fusion", "distinct", "rerank", "relevance", "chunk", "packing", "model",
    "citation", "none",
)  # fmt: skip


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


def why(stack: RetrievalAugmented, question: str, expect: str, *, principals: Iterable[str] | None = None) -> Diagnosis:
    """Follow an expected passage through a stack, stage by stage.

    Args:
        stack: retrieval over a knowledge base around a model; the model is asked only when the passage reached it.
        question: what was asked.
        expect: the text that should have been found, or the address (or the end of it) of its document.
        principals: as whom it was asked.

    Returns:
        The first stage that lost it. Of several documents that hold it, the one that came furthest counts.

    Raises:
        UsageError: nothing is expected, or the retriever is none of a knowledge base.
    """
    if not expect.strip():
        raise UsageError(
            tr("Say what was expected: a text or the address of a document.", "请说明期望的内容：一段文本或文档地址。")
        )
    retriever = stack.retriever
    if not isinstance(retriever, KnowledgeBaseRetriever):
        raise UsageError(tr("why needs a stack over a knowledge base.", "why 需要基于知识库的 stack。"))
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
            tr(
                f"{where} holds it, but has not been synced since it changed.",
                f"{where} 含有该内容，但修改后尚未同步。",
            ),
            tr(f"nacre sync {where}", f"nacre sync {where}"),
            {"sync": where},
        )
    return Diagnosis(
        "source",
        tr(
            "No document of the knowledge base says it, and no file that it was made of.",
            "知识库的文档和来源文件中都没有该内容。",
        ),
        tr("Add a document that says it.", "请添加含有该内容的文档。"),
    )


def _unparsed(where: str) -> Diagnosis:
    return Diagnosis(
        "parse",
        tr(f"{where} holds it, but the parser did not take it over.", f"{where} 含有该内容，但解析时未被提取。"),
        tr(
            "Look at kb.text(uri): hidden parts, scripts and scans are left out. Save the file in another format, or use a source with OCR.",
            "请查看 kb.text(uri)：隐藏部分、脚本与扫描件会被略去。请另存为其他格式，或使用带 OCR 的来源。",
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
            tr(f"The asker may not see {place.uri}.", f"提问者无权查看 {place.uri}。"),
            tr(f"Ask as one of: {', '.join(allowed)}.", f"请以其中之一的身份提问：{'、'.join(allowed)}。"),
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
        tr(f"Search deeper: k = {ranks.final}.", f"加大检索数量：k = {ranks.final}。")
        if ranks.final
        else tr(
            "Ask in the words of the passage, or repair the index: nacre.KnowledgeBase.repair(path).",
            "请用段落中的词语提问，或修复索引：nacre.KnowledgeBase.repair(path)。",
        )
    )

    def lost(stage: str, reason: str, cure: str = cure, setting: dict[str, Any] = setting) -> Diagnosis:
        return Diagnosis(stage, reason, cure, setting, place.uri, told)

    if ranks.fused is not None and ranks.fused <= k:
        if ranks.distinct is None:
            return lost(
                "distinct",
                tr(
                    "A better passage says nearly the same, so this one was left out.",
                    "更好的段落内容几乎相同，此段被略去。",
                ),
                tr("distinct = False", "distinct = False"),
                {"distinct": False},
            )
        return lost(
            "rerank",
            tr(
                f"The reranker moved it from place {ranks.distinct} to {ranks.final or 'nowhere'}.",
                f"重排序把它从第 {ranks.distinct} 位移到第 {ranks.final or '无'} 位。",
            ),
        )
    for arm, other in (("words", "vectors"), ("vectors", "words")):
        rank = told[arm]
        if rank is not None and rank <= k:
            reason = tr(
                f"Place {rank} by {arm}, but {other} put it at {ranks.fused or 'nowhere'} in the fused list.",
                f"{arm} 排第 {rank}，但融合 {other} 后排第 {ranks.fused or '无'}。",
            )
            nearer = 0 if arm == "words" else 1
            weigh = tr(
                f" Or set fusion_weight nearer {nearer}; nacre eval tune tells what that costs elsewhere.",
                f" 或把 fusion_weight 设得更接近 {nearer}；nacre eval tune 会给出对其他问题的影响。",
            )
            return lost("fusion", reason, cure + weigh)
    # Both arms failed. The one that had what it needs is to blame: words when the passage says the question's words.
    share = max(support(question, text[start:end]) for _, start, end in place.chunks)
    if share >= _SHARED:
        return lost(
            "words",
            tr(
                f"It holds {share:.0%} of the question's words, yet the word index ranks it {ranks.words or 'nowhere'}.",
                f"它含有问题中 {share:.0%} 的词，但词索引排名为 {ranks.words or '无'}。",
            ),
        )
    reason = tr(
        f"It says it in other words ({share:.0%} shared), and the embedder ranks it {ranks.vectors or 'nowhere'}.",
        f"措辞不同（仅 {share:.0%} 相同），向量排名为 {ranks.vectors or '无'}。",
    )
    better = tr(
        " Or use an embedder that knows both the language and the subject.", " 或换用熟悉该语言与领域的向量模型。"
    )
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
                f"It was found, but the best passage seemed too unlikely to hold an answer ({best}), so the model was not asked.",
                f"已检索到，但最佳段落含有答案的可能性过低（{best}），因此未询问模型。",
            ),
            tr(f"min_relevance = {best}", f"min_relevance = {best}"),
            {"min_relevance": best},
            **told,
        )
    spans = [(d.metadata["start"], d.metadata["end"]) for d in documents if d.metadata["uri"] == place.uri]
    if not any(place.shown_by(*span) for span in spans) and not _used(reply, expect, place):
        return Diagnosis(
            "chunk",
            tr("It was cut in two, and only a part was shown.", "它被切成两段，只展示了一部分。"),
            tr("Show the neighbours too: expand = 1.", "同时展示相邻片段：expand = 1。"),
            {"expand": 1},
            **told,
        )
    shown = [(h.get("uri"), h.get("start", -1), h.get("end", -1)) for h in own.get("hits") or []]
    if not any(uri == place.uri and place.touched_by(start, end) for uri, start, end in shown):
        needed = _tokens_needed(documents, place)
        return Diagnosis(
            "packing",
            tr("It was found, but did not fit into the room for sources.", "已检索到，但超出了来源的长度预算。"),
            tr(f"source_tokens = {needed}", f"source_tokens = {needed}"),
            {"source_tokens": needed},
            **told,
        )
    if _used(reply, expect, place):
        return Diagnosis(
            "none",
            tr("It was found, shown and used.", "已检索到、已展示并已使用。"),
            tr("Nothing to mend.", "无需修复。"),
            **told,
        )
    if stack.strict:
        loose = stack.model_copy(update={"strict": False}).invoke(question, **options)
        if _used(loose, expect, place):
            least = min((c["support"] for c in nacre_of(loose)["citations"] if c["uri"] == place.uri), default=0.0)
            return Diagnosis(
                "citation",
                tr(
                    "The model used it, but the citation check cut the sentence: its words are too far from the source.",
                    "模型使用了它，但引用检查删去了该句：措辞与来源相差过大。",
                ),
                tr(f"min_support = {least}, or leave strict off.", f"min_support = {least}，或关闭 strict。"),
                {"min_support": least},
                **told,
            )
    said = tr("refused", "拒答") if own.get("abstained") else tr("answered from elsewhere", "依据其他内容作答")
    return Diagnosis(
        "model",
        tr(f"The model saw it and {said}.", f"模型看到了它，却{said}。"),
        tr("Try another model, or fewer passages (a smaller k).", "请换用其他模型，或减少段落数（更小的 k）。"),
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
