"""How many sources fit into the model's window."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document

from nacre.text.tokens import estimate


def pack(documents: Sequence[Document], budget: int) -> tuple[list[Document], list[Document]]:
    """Fill a budget of tokens, best first.

    The first document is kept even when it alone is too long: a model that complains tells more than one that was
    shown nothing. Texts that stand in one already kept are left out.

    Args:
        budget: tokens for the sources.
    """
    kept: list[Document] = []
    dropped: list[Document] = []
    left = budget
    for document in documents:
        text = " ".join(document.page_content.split())
        cost = estimate(text)
        repeated = any(text in " ".join(other.page_content.split()) for other in kept)
        if kept and (repeated or cost > left):
            dropped.append(document)
        else:
            kept.append(document)
            left -= cost
    return kept, dropped
