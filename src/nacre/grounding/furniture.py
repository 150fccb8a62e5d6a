"""What stands on pages and says nothing of their matter: notices of rights, and lines that run over every page."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol, TypeVar

from nacre.text.tables import is_row

_NOTICE = re.compile(r"\W*(?:©|\(c\)\s|copyright\b|all rights reserved\b|版权所有|保留所有权利)", re.IGNORECASE)
_ASKS = re.compile(r"©|\bcopyright|\brights?\b|\bowns?\b|\bowners?\b|版权|权利|所有者", re.IGNORECASE)
_ADDRESS = re.compile(r"@|\bwww\.|://|\d[\d ()/-]{5,}\d")
_REACHES = re.compile(
    r"\b(?:contact|reach|write|call|e-?mail|(?:tele)?phone|address|website|site)\b|联系|邮箱|邮件|电话|地址|网址|网站",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")
_LONGEST = 60  # characters of a line that runs over pages
_PASSAGES = 3  # with the same line, numbers aside: a heading may stand in two that overlap


class Line(Protocol):
    """A sentence of a passage."""

    passage: int
    text: str


T = TypeVar("T", bound=Line)


def without_furniture(question: str, found: Sequence[T]) -> list[T]:
    """The sentences that may answer.

    Args:
        question: as it was asked; one for the rights is answered by their notice, and one for an address may be.
        found: of all passages.
    """
    places: dict[str, set[int]] = defaultdict(set)
    for line in found:
        if _may_run(line.text):
            places[_NUMBER.sub("#", line.text)].add(line.passage)
    running = {text for text, passages in places.items() if len(passages) >= _PASSAGES}
    noted, reaches = (pattern.search(question) is not None for pattern in (_ASKS, _REACHES))
    return [
        line
        for line in found
        if not (_may_run(line.text) and _NUMBER.sub("#", line.text) in running)
        and (noted or not _NOTICE.match(line.text) or (reaches and _ADDRESS.search(line.text)))
    ]


def _may_run(text: str) -> bool:
    """Whether a line is short, and no sentence, entry or marked heading."""
    return len(text) <= _LONGEST and not re.search(r"^[#*\-•]|[:：]|[.!?。！？;；]$", text) and not is_row(text)
