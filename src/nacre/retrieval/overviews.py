"""Titles of pages that give the whole of a thing, of which other pages tell details: overviews, guides, data sheets."""

from __future__ import annotations

import functools

from nacre.text.vocabulary import compiled, vocabulary

_TITLE = 200  # characters that are looked at
_OVERVIEW = compiled(vocabulary(__package__, "overviews")["overviews"], {})


@functools.lru_cache(maxsize=4096)
def is_overview(title: str) -> bool:
    """Whether a title says that its page is an overview.

    Examples:
        >>> is_overview("Getting started with kilns"), is_overview("Cleaning a kiln")
        (True, False)
        >>> is_overview("窑炉产品概览")
        True
    """
    return bool(_OVERVIEW.search(title, 0, _TITLE))


def subject(title: str) -> str:
    """A title without the words that say that its page is an overview: nobody names a thing by them.

    Example:
        >>> subject("The Blue Kiln at a glance")
        'The Blue Kiln'
    """
    return _OVERVIEW.sub(" ", title[:_TITLE]).strip() or title
