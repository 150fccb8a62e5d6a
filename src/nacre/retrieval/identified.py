"""Passages about the part, the code or the clause that a question names, before those that only look like them.

To an embedder E1042 is nearly E1043: among passages that are alike but for such a name it draws lots. A name that few
passages hold decides, one that all hold tells nothing, and one that none holds changes nothing. A passage is about what
it names first in a line, a heading or its title. What it names later it only mentions; the answer may stand elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from nacre.retrieval.hit import Hit
from nacre.store.bm25 import idf
from nacre.store.protocol import KeywordIndex
from nacre.text.words import goes_on, identifiers

# Standard deviations. On the even seeds of bench/lookalikes.py 3 is too little, 4 to 8 are alike.
_ABOUT = 6.0
_AT_MOST = 8  # identifiers of a query that are looked at


def identified_in(index: KeywordIndex, query: str, among: Collection[int]) -> dict[int, dict[str, float]]:
    """The chunks that hold identifiers of a query, and what each of these tells, by its spellings: 1 where one holds
    it.
    """
    found: dict[int, dict[str, float]] = {}
    for terms in itertools.islice(identifiers(query), _AT_MOST if among else 0):
        spellings = [term for term in terms if _bare(term) == _bare(terms[0])]
        holding = index.said(spellings, sorted(among))
        for number in holding:
            worth = idf(len(holding), len(index)) / idf(1, len(index))
            found.setdefault(number, {}).update(dict.fromkeys(spellings, worth))
    return found


def identified(hits: Sequence[Hit], held: Mapping[int, Mapping[str, float]]) -> list[Hit]:
    """The hits with those moved up that are about one of the identifiers that they hold."""
    raised = (
        replace(hit, score=hit.score + _ABOUT * _most(hit, held[hit.chunk_id])) if hit.chunk_id in held else hit
        for hit in hits
    )
    return sorted(raised, key=lambda hit: -hit.score)


def _most(hit: Hit, worth: Mapping[str, float]) -> float:
    lines = (hit.title, *hit.heading, *_lines(hit.text))
    return max((worth.get(term, 0.0) for line in lines for term in next(identifiers(line), ())), default=0.0)


def _lines(text: str) -> list[str]:
    """The lines, those of a wrapped paragraph joined; a list of identifiers stays one."""
    found: list[str] = []
    for before, line in itertools.pairwise(["", *text.splitlines()]):
        wrapped = goes_on(before, line) and not before.rstrip().endswith(".")
        if wrapped and not (_label(line) and _label(line) == _label(found[-1])):
            found[-1] += f" {line}"
        else:
            found.append(line)
    return found


def _label(line: str) -> str:
    """How an identifier that begins a line is marked off, with a sign for it; "" where none begins it."""
    first = line.lstrip("-*• ").partition(" ")[0]
    return f"#{first[-1:] if first[-1:] in ':.)' else ''}" if any(identifiers(first)) else ""


def _bare(term: str) -> str:
    """A term without its joints and the v of a version."""
    return "".join(filter(str.isalnum, term)).removeprefix("v")
