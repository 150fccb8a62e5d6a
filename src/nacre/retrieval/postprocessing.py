"""After ranking: passages that say the same leave, and passages grow by their neighbours and flow together.

Ranking metrics are to be taken before this; what a model reads is better after it (dsRAG's segments; research notes).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from nacre.grounding.furniture import without_page_numbers
from nacre.retrieval.hit import Hit
from nacre.store.protocol import DocumentStore
from nacre.text.words import stem, words

_SHINGLE = 6  # characters
_SAME = 0.9  # Jaccard similarity of the shingles
_DENIAL = re.compile(r"\b(?:no|not|never|none|without|cannot)\b|n['’]t\b|[不没沒无無未非勿]", re.IGNORECASE)
_NUMBERS = """
two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty seventy eighty ninety
hundred thousand million billion half first second third fourth fifth
"""
_SPELT = frozenset(map(stem, _NUMBERS.split()))
_LONGEST = 6000  # characters that neighbours may grow a passage to


def distinct(hits: Sequence[Hit]) -> list[Hit]:
    """Leave out passages that a better one says already. One with another number, identifier, title or heading, or that
    denies what the other says, is another passage however alike the two look.
    """
    kept: list[tuple[Hit, frozenset[str], object]] = []
    for hit in hits:
        text = without_page_numbers(hit.text)
        mine, marks = _shingles(text), _marks(hit, text)
        if not any(marks == theirs and len(mine & other) >= _SAME * len(mine | other) for _, other, theirs in kept):
            kept.append((hit, mine, marks))
    return [hit for hit, _, _ in kept]


def _marks(hit: Hit, text: str) -> object:
    """What tells passages apart that are nearly the same letter by letter. The name of a file is no title: copies have
    others.
    """
    terms = words(text)
    named = frozenset(term for term in terms if term in _SPELT or any(map(str.isnumeric, term)))  # 六 is numeric
    title = "" if hit.title == PurePosixPath(unquote(urlsplit(hit.uri).path)).stem else hit.title
    return named, len(_DENIAL.findall(text)), title.casefold(), tuple(part.casefold() for part in hit.heading)


def widen(hits: Sequence[Hit], neighbours: int, catalog: DocumentStore) -> list[Hit]:
    """Let each passage grow by the chunks next to it; passages that then touch become one, in the better one's place.

    Returns:
        Longer hits; each keeps the score and the number of its best chunk, and is still a literal span of its document.
    """
    grown: list[Hit] = []
    for hit in hits:
        start, end = _reach(hit, neighbours, catalog)
        for place, other in enumerate(grown):
            union = max(end, other.end) - min(start, other.start)
            if (
                other.document_id == hit.document_id
                and start <= other.end + 2
                and other.start <= end + 2
                and union <= 2 * _LONGEST
            ):
                grown[place] = replace(other, start=min(start, other.start), end=max(end, other.end))
                break
        else:
            grown.append(replace(hit, start=start, end=end))
    texts: dict[str, str] = {}
    for hit in grown:
        if hit.uri not in texts:
            texts[hit.uri] = catalog.text(hit.uri) or ""
    return [replace(hit, text=texts[hit.uri][hit.start : hit.end]) for hit in grown if texts[hit.uri]]


def _reach(hit: Hit, neighbours: int, catalog: DocumentStore) -> tuple[int, int]:
    before, after = catalog.neighbours(hit.document_id, hit.start, neighbours)
    start, end = hit.start, hit.end
    for chunk in before:
        start = chunk.start if end - chunk.start <= _LONGEST else start
    for chunk in after:
        end = chunk.end if chunk.end - start <= _LONGEST else end
    return start, end


def _shingles(text: str) -> frozenset[str]:
    plain = "".join(unicodedata.normalize("NFKC", text).casefold().split())
    return frozenset(plain[at : at + _SHINGLE] for at in range(max(1, len(plain) - _SHINGLE + 1)))
