"""Documents at the place where they are cited, for the page that shows them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from nacre.server.dependencies import Reading, RequestContext
from nacre.server.knowledge_bases import MAIN
from nacre.server.openai.errors import not_found

router = APIRouter(prefix="/v1")
_AROUND = 20_000


@router.get("/sources/{document}")
def source(
    context: Reading,
    document: int,
    start: int = Query(default=0, ge=0),
    end: int = Query(default=0, ge=0),
    store: str = MAIN,
    version: int = Query(default=0, ge=0),
) -> dict[str, Any]:
    """The text of a document around a cited span; `text[start - offset : end - offset]` is the quote.

    `changed` tells that the document says something else since it was cited: "kept" where the text of that version is
    shown, "lost" where it is not kept and today's is, without the span.
    """
    context.vector_store(store)
    return read(context, store, document, start, end, version=version)


def read(
    context: RequestContext, store: str, document: int, start: int, end: int, *, whole: bool = False, version: int = 0
) -> dict[str, Any]:
    """A document around a span, if its reader may see it; `offset` is the place of `text` in the document."""
    with context.state.bases.using(store) as base:
        found = base.document(document)
        if found is None or not base.visible(found["uri"], context.user.sees):
            raise not_found(f"document {document}")
        text, changed = base.text(found["uri"]), ""
        if version and version != found["version"]:
            old = base.text_of_version(document, version, context.user.sees)
            text, changed = (text, "lost") if old is None else (old, "kept")
            start, end = (0, 0) if old is None else (start, end)
    start, end = min(start, len(text)), min(max(start, end), len(text))
    offset, stop = (0, len(text)) if whole else (max(0, start - _AROUND), min(len(text), end + _AROUND))
    return {
        **found,
        "object": "source",
        "document_id": document,
        **({"changed": changed} if changed else {}),
        "offset": offset,
        "length": len(text),
        "start": start,
        "end": end,
        "text": text[offset:stop],
    }
