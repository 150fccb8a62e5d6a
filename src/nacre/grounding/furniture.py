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
# The number of a page is left out of it; any other but a year is what somebody asks for.
_PAGE = re.compile(
    r"\b(?:pages?|p\.|seite|p[áa]gina)\s?\d+(?:\s?(?:of|von|de|/)\s?\d+)?|[第共]\s?\d+\s?[页頁]", re.IGNORECASE
)
_DATUM = re.compile(r"(?<!\d)(?!(?:19|20)\d\d(?!\d))\d")
_LONGEST = 60  # characters of a line that runs over pages
_PASSAGES = 3  # of one document with the same line: a heading may stand in two that overlap
_FEET = 2  # where the line stands alone at the end of each: no heading ends a passage


class Line(Protocol):
    """A sentence of a passage."""

    passage: int
    start: int
    end: int
    text: str


T = TypeVar("T", bound=Line)


def without_page_numbers(text: str) -> str:
    """A text without what says on which page it stands."""
    return _PAGE.sub("", text)


def without_furniture(question: str, passages: Sequence[tuple[str, ...]], found: Sequence[T]) -> list[T]:
    """The sentences that may answer.

    Args:
        question: as it was asked; one for the rights is answered by their notice, and one for an address may be.
        passages: each a text and its title. What three documents say alike, a price or the hours, runs over no pages;
            nor, as far as is known, do snippets without titles.
        found: the sentences of all passages.
    """
    kinds = [(passages[line.passage][1], _PAGE.sub("#", line.text)) if _may_run(line.text) else None for line in found]
    places, feet = defaultdict[tuple[str, str], set[int]](set), defaultdict[tuple[str, str], set[int]](set)
    for line, kind in zip(found, kinds, strict=True):
        if kind and kind[0] and not _DATUM.search(kind[1]):
            places[kind].add(line.passage)
            if _is_foot(line, passages[line.passage][0]):
                feet[kind].add(line.passage)
    noted, reaches = (pattern.search(question) is not None for pattern in (_ASKS, _REACHES))
    return [
        line
        for line, kind in zip(found, kinds, strict=True)
        if (kind is None or (len(places.get(kind, ())) < _PASSAGES and len(feet.get(kind, ())) < _FEET))
        and (noted or not _NOTICE.match(line.text) or (reaches and _ADDRESS.search(line.text)))
    ]


def _is_foot(line: Line, text: str) -> bool:
    """Whether a line stands alone at the end of a passage that says more."""
    before = text[: line.start]
    more = before.rstrip()
    return bool(more) and before[len(more) :].count("\n") > 1 and not text[line.end :].strip()


def _may_run(text: str) -> bool:
    """Whether a line is short, and no sentence, entry or marked heading."""
    return len(text) <= _LONGEST and not re.search(r"^[#*\-•]|[:：]|[.!?。！？;；]$", text) and not is_row(text)
