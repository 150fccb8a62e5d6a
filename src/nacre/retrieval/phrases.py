"""Phrases in quotation marks: passages that have them as they are written come first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from nacre.retrieval.hit import Hit
from nacre.text.variants import simplified

_QUOTED = re.compile(r"\"([^\"\n]{2,100})\"|“([^”\n]{2,100})”|「([^」\n]{2,100})」|『([^』\n]{2,100})』")
_AT_MOST = 8  # phrases of a query that are looked at


def quoted(query: str) -> list[str]:
    """The phrases of a query that stand in quotation marks.

    Example:
        >>> quoted('Which rule says "at your own risk"?')
        ['at your own risk']
    """
    found = ("".join(match.groups("")) for match in _QUOTED.finditer(query))
    return [phrase for phrase in found if any(map(str.isalnum, phrase))][:_AT_MOST]


def as_written(hits: Sequence[Hit], phrases: Sequence[str]) -> list[Hit]:
    """The hits that have most of the phrases first, each kind in its order. The title and the headings of a passage
    count as its own words; case, width and white space do not.
    """
    wanted = [_plain(phrase) for phrase in phrases]

    def lacking(hit: Hit) -> int:
        said = _plain(" ".join((hit.title, *hit.heading, hit.text)))
        return sum(phrase not in said for phrase in wanted)

    return sorted(hits, key=lacking)


def _plain(text: str) -> str:
    return simplified("".join(unicodedata.normalize("NFKC", text).casefold().split()))
