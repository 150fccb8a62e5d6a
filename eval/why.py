"""Why an expected passage did not make it into an answer: the stage where it was lost, and what brings it back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nacre.errors import UsageError
from nacre.eval.expected import Place, files_with, places
from nacre.eval.ranks import ranks_of
from nacre.eval.stages import STAGES as STAGES
from nacre.eval.stages import Case, Diagnosis, diagnosed
from nacre.language import tr
from nacre.retrieval.retriever import KnowledgeBaseRetriever

if TYPE_CHECKING:
    from nacre.retrieval.knowledge_base import KnowledgeBase
    from nacre.retrieval.rag import RetrievalAugmented


def diagnose(
    stack: RetrievalAugmented, question: str, expect: str, *, principals: Iterable[str] | None = None
) -> Diagnosis:
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
    found = places(retriever.knowledge_base, expect)
    if not found:
        return _absent(retriever.knowledge_base, expect)
    options: dict[str, Any] = {} if principals is None else {"principals": tuple(principals)}
    diagnoses = [_followed(stack, retriever, question, expect, place, options) for place in found]
    return max(diagnoses, key=lambda diagnosis: STAGES.index(diagnosis.stage))


why = diagnose  # the name of the command; `nacre.eval` exports the other, since `nacre.eval.why` is this module


def _absent(base: KnowledgeBase, expect: str) -> Diagnosis:
    unsynced, unparsed = files_with(base, expect)
    if unparsed:
        return _unparsed(unparsed[0])
    if unsynced:
        where = unsynced[0]
        reason = tr(
            f"{where} holds it, but has not been synced since it changed.",
            f"{where} 含有该内容，但修改后尚未同步。",
        )
        return Diagnosis("source", reason, tr(f"nacre sync {where}", f"nacre sync {where}"), {"sync": where})
    reason = tr(
        "No document of the knowledge base says it, and no file that it was made of.",
        "知识库的文档和来源文件中都没有该内容。",
    )
    return Diagnosis("source", reason, tr("Add a document that says it.", "请添加含有该内容的文档。"))


def _unparsed(where: str) -> Diagnosis:
    reason = tr(f"{where} holds it, but the parser did not take it over.", f"{where} 含有该内容，但解析时未被提取。")
    cure = tr(
        "Look at kb.text(uri): hidden parts, scripts and scans are left out. Save the file in another format, or use a source with OCR.",
        "请查看 kb.text(uri)：隐藏部分、脚本与扫描件会被略去。请另存为其他格式，或使用带 OCR 的来源。",
    )
    return Diagnosis("parse", reason, cure, uri=where)


def _followed(
    stack: RetrievalAugmented,
    retriever: KnowledgeBaseRetriever,
    question: str,
    expect: str,
    place: Place,
    options: dict[str, Any],
) -> Diagnosis:
    base: KnowledgeBase = retriever.knowledge_base
    if not place.chunks:
        return _unparsed(place.uri)
    asker = options.get("principals", retriever.principals)
    if not base.visible(place.uri, asker):
        return _forbidden(base, place.uri)
    ranks = ranks_of(retriever, question, place, asker)
    return diagnosed(Case(stack, question, expect, place, base.text(place.uri), ranks, retriever.k, options))


def _forbidden(base: KnowledgeBase, uri: str) -> Diagnosis:
    allowed = next(d["principals"] for d in base.documents() if d["uri"] == uri)
    reason = tr(f"The asker may not see {uri}.", f"提问者无权查看 {uri}。")
    cure = tr(f"Ask as one of: {', '.join(allowed)}.", f"请以其中之一的身份提问：{'、'.join(allowed)}。")
    return Diagnosis("permission", reason, cure, {"principals": allowed}, uri)
