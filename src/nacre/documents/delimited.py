"""CSV, TSV and their kin: the delimiter is the one that cuts all lines alike."""

from __future__ import annotations

import csv
import io
from collections import Counter

from nacre.documents.document import Builder
from nacre.documents.grid import add_grid
from nacre.documents.limits import Task
from nacre.documents.normalise import clean

_DELIMITERS = ",\t;|"


def parse(text: str, out: Builder, task: Task) -> None:
    """Read a delimited table; each record is one row, whose number in `Table.row` counts records."""
    csv.field_size_limit(1 << 24)
    text = clean(text)
    if text[:4].lower() == "sep=":
        # Excel's own hint in the first line.
        separator, text = text[4:5], text.partition("\n")[2]
    else:
        separator = delimiter(text)
    out.metadata.setdefault("delimiter", separator)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    add_grid(out, rows)


def delimiter(text: str) -> str:
    """The character between the cells."""
    sample = text[: 1 << 16]
    best, found = 0.0, ","
    for candidate in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=candidate) if row][:200]
        except csv.Error:
            continue
        if len(widths) > 2 and len(text) > len(sample):
            widths.pop()  # the last line of a sample may be cut
        common, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
        share = times / max(1, len(widths))
        if common > 1 and share + common / 1000 > best:
            best, found = share + common / 1000, candidate
    return found
