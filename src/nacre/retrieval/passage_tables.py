"""The tables that stand in passages, with names for columns whose header stands in another passage."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from nacre.retrieval.hit import Hit
from nacre.store.protocol import DocumentStore
from nacre.store.records import TableRecord
from nacre.text.tables import Grid, Span, rows_in


def tables_in(hits: Sequence[Hit], catalog: DocumentStore) -> list[list[Grid]]:
    """The tables of each passage, or the part of one that it holds, as spans of the passage's text."""
    text_of, tables_of = functools.cache(catalog.text), functools.cache(catalog.tables)

    def tables(hit: Hit) -> list[Grid]:
        if "\t" not in hit.text and "|" not in hit.text:  # no row here has a second cell
            return []
        stored = [table for table in tables_of(hit.uri) if table.start < hit.end and hit.start < table.end]
        text = text_of(hit.uri) if stored else None
        same = text is not None and text[hit.start : hit.end] == hit.text  # not changed since it was found
        return [_part(text, table, hit.start, hit.end) for table in stored] if text and same else []

    return [tables(hit) for hit in hits]


def _part(text: str, table: TableRecord, start: int, end: int) -> Grid:
    """What a passage holds of a table: whole rows, for half a row has its cells under wrong names."""
    body = max(table.start, text.rfind("\n", 0, table.body) + 1)
    line_end = text.find("\n", end)
    first, last = max(body, text.rfind("\n", 0, start) + 1), min(table.end, line_end if line_end >= 0 else table.end)

    def cut(span: Span) -> Span:
        return min(max(span[0], start), end) - start, min(max(span[1], start), end) - start

    rows = [
        tuple(map(cut, row))
        for row in rows_in(text, first, last, table.mark)
        if all(a == b or (start <= a and b <= end) for a, b in row)
    ]
    head = cut((table.start, body)) if start <= table.start < body <= end else None
    return Grid(*cut((table.start, table.end)), table.mark, head, table.header, tuple(rows))
