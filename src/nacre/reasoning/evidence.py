"""Which sources a program drew on: the cells that it read, or the numbers that were copied into it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nacre.messages import Source, nacre_of
from nacre.reasoning.interpreter import Execution
from nacre.reasoning.tables import Table

_NUMBER = re.compile(r"(?<![\w.])\d[\d,_]*(?:\.\d+)?")


def sources_in_hits(reply: Any) -> list[Source]:
    """The sources that an inner layer retrieved, as it reports them.

    Args:
        reply: its message.

    Returns:
        Numbered sources, none where the inner model retrieves nothing.
    """
    hits = nacre_of(reply).get("hits") or []
    return [
        Source(int(hit["n"]), str(hit["text"]), str(hit.get("title", "")), str(hit.get("uri", "")))
        for hit in hits
        if "text" in hit
    ]


def cells_read(execution: Execution, tables: Sequence[Table]) -> list[dict[str, Any]]:
    """The cells that a program read.

    Args:
        execution: its run, with the tables as the input `tables`.
        tables: as they were given to it.

    Returns:
        {"source", "table", "row", "column", "text"} for each cell, in order.
    """
    cells = []
    for name, t, r, column in execution.reads:
        if name == "tables" and t < len(tables) and r < len(tables[t].texts) and column in tables[t].texts[r]:
            text = tables[t].texts[r][column]
            cells.append({"source": tables[t].source, "table": t, "row": r, "column": column, "text": text})
    return cells


def sources_used(program: str, question: str, cells: Sequence[dict[str, Any]], sources: Sequence[Source]) -> list[int]:
    """The numbers of the sources that stand behind a value.

    Args:
        program: the program that gave it.
        question: what was asked; numbers in it need no source.
        cells: from `cells_read`.
        sources: what the model saw.

    Returns:
        Those of the cells; where the program read none, those that hold a number of two or more digits of the program.
    """
    read = sorted({cell["source"] for cell in cells if cell["source"]})
    if read:
        return read
    copied = {n for n in _numbers(program) - _numbers(question) if len(n) > 1}
    return [source.n for source in sources if copied & _numbers(source.text)]


def _numbers(text: str) -> set[str]:
    return {match.replace(",", "").replace("_", "") for match in _NUMBER.findall(text)}
