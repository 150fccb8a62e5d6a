"""Why an expected passage did not make it into an answer: the stage where it was lost, and what brings it back."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from nacre.documents import ParserPool, ocr
from nacre.errors import ParseError, UsageError
from nacre.eval.expected import Place, files_with, places, ranks_of, source_around
from nacre.eval.stages import STAGES as STAGES
from nacre.eval.stages import Case, Diagnosis, diagnosed
from nacre.layers.rag import RetrievalAugmented
from nacre.retrieval.knowledge_base import KnowledgeBase
from nacre.retrieval.retriever import KnowledgeBaseRetriever
from nacre.text.language import listed, tr


def diagnose(
    stack: RetrievalAugmented,
    question: str,
    expect: str,
    *,
    principals: Iterable[str] | None = None,
    reply: AIMessage | None = None,
) -> Diagnosis:
    """Follow an expected passage through a stack, stage by stage.

    Args:
        stack: retrieval over a knowledge base around a model; the model is asked only when the passage reached it.
        question: what was asked.
        expect: the text that should have been found, or the address (or the end of it) of its document.
        principals: as whom it was asked.
        reply: the answer that was given, where there is one: the model is then not asked again.

    Returns:
        The first stage that lost it. Of several documents that hold it, the one that came furthest counts.

    Raises:
        UsageError: nothing is expected, or the retriever is none of a knowledge base.
    """
    if not expect.strip():
        raise UsageError(tr("Say what was expected: a text or the address of a document."))
    retriever = stack.retriever
    if not isinstance(retriever, KnowledgeBaseRetriever):
        raise UsageError(tr("why needs a stack over a knowledge base."))
    found = places(retriever.knowledge_base, expect)
    options: dict[str, Any] = {} if principals is None else {"principals": tuple(principals)}
    base, asker = retriever.knowledge_base, options.get("principals", retriever.principals)
    if not found:
        unsynced, unparsed = files_with(base, expect)
        if unparsed:
            return _unparsed(unparsed[0])
        if unsynced:
            return _unsynced(base, unsynced[0])
        reason = tr("No document of the knowledge base says it, and no file that it was made of.")
        return Diagnosis("source", reason, tr("Add a document that says it."))

    def followed(place: Place) -> Diagnosis:
        if not place.chunks:
            return _unparsed(place.uri)
        if not base.visible(place.uri, asker):
            allowed = next(d["principals"] for d in base.documents() if d["uri"] == place.uri)
            reason = tr("The asker may not see {uri}.", uri=place.uri)
            cure = tr("Ask as one of: {allowed}.", allowed=listed(allowed))
            return Diagnosis("permission", reason, cure, {"principals": allowed}, place.uri)
        ranks = ranks_of(retriever, question, place, asker)
        return diagnosed(Case(stack, question, expect, place, base.text(place.uri), ranks, retriever.k, options, reply))

    return max(map(followed, found), key=lambda diagnosis: STAGES.index(diagnosis.stage))


why = diagnose  # the name of the command; `nacre.eval` exports the other, since `nacre.eval.why` is this module


def _unsynced(base: KnowledgeBase, where: str) -> Diagnosis:
    """A file that is not stored as it is now: it was never synced, or every sync of it fails."""
    source = source_around(base, where)
    again = f"nacre sync {shlex.quote(source)} --kb {shlex.quote(base.place)}"
    try:
        with ParserPool() as pool:
            pool.parse(Path(where).read_bytes(), name=where)
    except ParseError as error:
        reason = tr("{where} cannot be read: {why}.", where=where, why=error.message.rstrip("."))
        if ocr.INSTALL in error.message:
            return Diagnosis("parse", reason, f"{ocr.INSTALL} && {again}", {"sync": source}, where)
        return Diagnosis("parse", reason, tr("Save the file in another format, then: {again}", again=again), uri=where)
    except OSError:
        pass  # gone, or not ours to read: syncing says so
    reason = tr("{where} holds it, but has not been synced since it changed.", where=where)
    return Diagnosis("source", reason, again, {"sync": source})


def _unparsed(where: str) -> Diagnosis:
    reason = tr("{where} holds it, but the parser did not take it over.", where=where)
    cure = tr(
        "Look at kb.text(uri): hidden parts and scripts are left out, and scans without OCR "
        "({install}). Save the file in another format.",
        install=ocr.INSTALL,
    )
    return Diagnosis("parse", reason, cure, uri=where)
