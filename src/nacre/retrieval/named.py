"""Long documents that a question names, by a company, a product or a case, and tables that it names by their caption.

In a long report each passage bears the report's name, so the name tells nothing within it, and the many other words of
a question outvote it: passages of other reports come first that say more of them. A word counts as a name where it is
in the name of a document and hardly said outside of those so named. Years and other words of a name then tell which of
these documents is meant.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nacre.grounding.stopwords import stopwords
from nacre.retrieval.hit import Hit
from nacre.store.bm25 import fiscal_years
from nacre.text.tables import is_row
from nacre.text.titles import telling_name
from nacre.text.words import words

LONG = 20  # chunks: in a shorter document the name is a good part of each passage's words
NAMED = 0.5  # of the best score, for a passage of the document that is named best
CAPTIONED = 0.5  # the same, for one with a table of whose caption the question says every word
AGAIN = 0.9  # of its score, for each better passage of the same page
FIRST = 30  # best hits whose documents' names are looked at
MOST = 3  # documents that are searched by themselves, and words that are looked at
SAMPLE = 100  # passages that tell whether a word is a name
_OWN = 0.5  # of the passages that say a name, in documents of that name
_ABBREVIATION = re.compile(r"\b[A-Z]{3,}\b")  # may begin a name: file names join words (MGM, MGMRESORTS)
_BEGINS = "*"  # marks one; no word has it
_JOINED = 3  # words that a file name may join
_QUERY, _NAME = 2000, 200  # characters that are looked at, of a query and of a title
_A_YEAR = 1.0  # that a name holds, however many hold it
_CAPTION, _LINES = 120, 8  # characters of a line that is a caption, and lines before a table
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")


def names(hits: Iterable[Hit]) -> dict[int, frozenset[str]]:
    """The telling words of the names of the documents that hits are of, by document."""
    found: dict[int, frozenset[str]] = {}
    for hit in hits:
        if hit.document_id not in found:
            found[hit.document_id] = _name(hit.uri, hit.title)
    return found


@functools.lru_cache(maxsize=4096)
def _name(uri: str, title: str) -> frozenset[str]:
    return _telling(f"{telling_name(uri, title)} {title[:_NAME]}")


@functools.lru_cache(maxsize=16)  # the parts of a long case all ask of the whole
def questioned(query: str) -> frozenset[str]:
    """What a query may say of a name: its telling words, the years, and words joined as file names join them.

    Example:
        >>> sorted(questioned("Best Buy, MGM"))
        ['best', 'bestbuy', 'bestbuymgm', 'buy', 'buymgm', 'mgm', 'mgm*']
    """
    query = query[:_QUERY]
    runs = re.findall(r"[^\W_]+", query.casefold())
    joined = {"".join(runs[at : at + size]) for size in range(2, _JOINED + 1) for at in range(len(runs) - size + 1)}
    begun = {f"{one.casefold()}{_BEGINS}" for one in _ABBREVIATION.findall(query)}
    return _telling(query) | joined | begun | {*fiscal_years(query)}


def without_fillers(query: str) -> str:
    """A query without its function words: within one long report they prefer its prose to its tables."""
    kept = [piece for piece in query.split() if not stopwords().issuperset(words(piece))]
    return " ".join(kept) or query


def naming(said: frozenset[str], known: Mapping[int, frozenset[str]]) -> dict[str, list[int]]:
    """The words of a query that may be names, with the documents so named; the rarest among their names first."""
    begun = [word for word in said if word.endswith(_BEGINS)]
    bearing: dict[str, list[int]] = defaultdict(list)
    for document, name in known.items():
        for word in (said & name).union(word for word in begun if _bears(name, word)):
            bearing[word].append(document)
    rare = sorted((word for word in bearing if not word.isdigit()), key=lambda word: (len(bearing[word]), word))
    return {word: bearing[word] for word in rare[:MOST]}


def is_name(word: str, sample: Sequence[Hit]) -> bool:
    """Whether a word is hardly said outside of the documents so named, by passages that say it."""
    known = names(sample)
    return sum(_bears(known[hit.document_id], word) for hit in sample) >= max(1.0, _OWN * len(sample))


def named(said: frozenset[str], known: Mapping[int, frozenset[str]], by: Sequence[str]) -> dict[int, float]:
    """How far a query names each document that bears one of the names, above 0 and at most 1."""
    count = Counter(word for name in known.values() for word in name)
    worth = {word: math.log(1 + (len(known) - n + 0.5) / (n + 0.5)) for word, n in count.items()}
    years = sorted(word for word in said if _YEAR.fullmatch(word))
    said -= {*years[:-1]}  # a report of one year tells of those before it
    worth |= dict.fromkeys(years, _A_YEAR)
    found = {}
    for document, name in known.items():
        own = [word for word in by if _bears(name, word)]
        if own:
            begun = [word.removesuffix(_BEGINS) for word in own if word not in name]
            joined = sum(max(worth[one] for one in name if one.startswith(word)) for word in begun)
            found[document] = sum(worth[word] for word in name & said) + joined
    best = max(found.values(), default=0.0)
    return {document: value / best for document, value in found.items()} if best > 0 else {}


def favoured(hits: Sequence[Hit], documents: Mapping[int, float], query: str) -> list[Hit]:
    """The hits with those of the named documents moved up, and within these those with a table that is named."""
    best, said = max((hit.score for hit in hits), default=0.0), questioned(query)

    def raised(hit: Hit) -> Hit:
        share = documents.get(hit.document_id, 0.0)
        more = NAMED * share + (CAPTIONED * captioned(said, hit.text) if share else 0.0)
        return replace(hit, score=hit.score + max(0.0, best) * more)

    seen: Counter[tuple[int, int | None]] = Counter()
    spread = []
    for hit in sorted(map(raised, hits), key=lambda hit: -hit.score):
        place = (hit.document_id, hit.page)
        spread.append(replace(hit, score=hit.score * AGAIN ** seen[place]) if hit.page else hit)
        seen[place] += 1
    return sorted(spread, key=lambda hit: -hit.score)


def captioned(said: frozenset[str], text: str) -> float:
    """The share of the words of a table's caption that a query says; one word alone names nothing."""
    best, lines = 0.0, list[str]()
    for line in filter(str.strip, text.split("\n", 2 * _LINES)[: 2 * _LINES]):
        if is_row(line):
            break
        lines.append(line)
    else:
        return 0.0
    for line in lines[-_LINES:]:
        telling = _telling(line) if len(line) <= _CAPTION else frozenset()
        found = len(telling & said)
        best = max(best, found / len(telling) if found > 1 else 0.0)
    return best


def _telling(text: str) -> frozenset[str]:
    found = set(words(text)) - stopwords()
    for year in [word for word in found if _YEAR.search(word)]:
        found.update(filter(None, _YEAR.split(year)))  # 2023Q2
    return frozenset(found)


def _bears(name: frozenset[str], word: str) -> bool:
    begun = word.removesuffix(_BEGINS)
    return word in name or (begun != word and any(one.startswith(begun) for one in name))
