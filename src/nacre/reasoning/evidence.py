"""Which sources a program drew on: the cells that it read, or the numbers that were copied into it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nacre.grounding.citations import Citation, Derived, Input
from nacre.grounding.evidence import Evidence
from nacre.reasoning.interpreter import Execution
from nacre.reasoning.tables import Table
from nacre.text.messages import Source
from nacre.text.numbers import digits

_NUMBER = re.compile(r"(?<![A-Za-z_\d.])\d(?:[\d,_]*\d)?(?:\.\d+)?")
_QUIET = re.compile(r"#[^\n]*|'[^'\n]*'|\"[^\"\n]*\"")  # comments and texts compute nothing
_FACTORS = (1, 1e3, 1e4, 1e6, 1e8, 1e9)
_USUAL = frozenset(map(str, (*range(11), 0.5, 12, 24, 60, 100, 360, 365, 1000, 3600, 10000)))


def cells_read(execution: Execution, tables: Sequence[Table]) -> list[dict[str, Any]]:
    """The cells that a program says it read (its own word), as far as they exist in the input `tables`."""
    cells = []
    for name, t, r, column in dict.fromkeys(execution.reads):
        rows = tables[t].texts if name == "tables" and 0 <= t < len(tables) else ()
        if 0 <= r < len(rows) and column in rows[r]:
            text = rows[r][column]
            cells.append({"source": tables[t].source, "table": t, "row": r, "column": column, "text": text})
    return cells


def inputs_of(program: str, question: str, cells: Sequence[dict[str, Any]], sources: Sequence[Source]) -> list[Input]:
    """What stands in the sources and went into a program: the cells, else copied numbers of two or more digits."""
    read = [Input(source=cell["source"], text=cell["text"], column=cell["column"]) for cell in cells if cell["source"]]
    if read:
        return read
    copied = {n for n in _numbers(program) - _numbers(question) if len(n) > 1}
    return [
        Input(source=source.n, text=number, column="")
        for source in sources
        for number in dict.fromkeys(_NUMBER.findall(source.text))
        if digits(number) in copied
    ]


def invented(program: str, question: str, sources: Sequence[Source]) -> set[str]:
    """Numbers in a program that neither question nor sources hold: as they are, as percentages, in other units."""
    known = [float(n) for text in (question, *(source.text for source in sources)) for n in _numbers(text)]
    backed = set(_USUAL)
    for number in known:
        backed |= {_key(number * factor) for factor in _FACTORS}
        backed |= {_key(1 + number / 100), _key(1 - number / 100), _key(number / 100)}
    return {n for n in _numbers(_QUIET.sub(" ", program)) if _key(float(n)) not in backed}


def best_supported(
    candidates: Sequence[str], evidence: Evidence, derived: Sequence[Derived], question: str
) -> tuple[str, list[Citation]] | None:
    """The first answer of which every statement is supported, and its citations; None when none is."""
    for answer in candidates:
        found = evidence.cite(answer, derived, question)
        if evidence.supports(answer, found):
            return answer, found
    return None


def _numbers(text: str) -> set[str]:
    return {digits(match) for match in _NUMBER.findall(text)}


def _key(number: float) -> str:
    return format(number, ".9g")
