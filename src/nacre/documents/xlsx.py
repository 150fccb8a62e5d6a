"""Excel: each sheet is a heading and its tables; values as stored, formulas by their last result, comments kept."""

from __future__ import annotations

import datetime
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.grid import add_grid
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, child, local
from nacre.errors import ParseError
from nacre.text.language import tr

_NO_STYLES = b'<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>'
# A cell in the last of 16,384 columns would make every row that long.
_COLUMNS = 2048
_FAR = re.compile(rb'\br="([C-X][A-Z]{2}|BZ[U-Z])\d')
_FORMULA_WITHOUT_VALUE = re.compile(rb"</f>\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a workbook."""
    package = Package(data, task.limits)
    package.refuse_dtds()
    package.properties(out)
    book = _open(data, out)
    try:
        for sheet in book.worksheets:
            out.sheet = sheet.title
            out.sheets.append(sheet.title)
            out.add("heading", sheet.title, 1)
            part = getattr(sheet, "_worksheet_path", "")
            raw = package.read(part) or b""
            _sheet(sheet, out, _COLUMNS if _FAR.search(raw) else None)
            _extras(package, part, raw, out)
        for chart in book.chartsheets:
            out.sheets.append(chart.title)
        out.sheet = ""
    finally:
        book.close()


def _open(data: bytes, out: Builder) -> Any:
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            pass
        # Writers other than Excel make style sheets that the library refuses; the cells are fine without.
        try:
            book = openpyxl.load_workbook(io.BytesIO(_without_styles(data)), read_only=True, data_only=True)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, zipfile.BadZipFile) as error:
            raise ParseError(tr("the workbook is damaged") + f" ({error})") from error
    out.warn(tr("the style sheet is damaged: dates may show as numbers"))
    return book


def _without_styles(data: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            if info.filename.endswith((".xml", ".rels")):
                new.writestr(info.filename, _NO_STYLES if info.filename.endswith("/styles.xml") else old.read(info))
    return target.getvalue()


def _sheet(sheet: Any, out: Builder, columns: int | None) -> None:
    names: dict[int, tuple[str, ...]] = {}
    for first, region in _regions(sheet, columns):
        for row, column, rows in _side_by_side(first, region):
            names[column] = add_grid(out, rows, row=row, column=column, header=names.get(column, ()))


def _side_by_side(first: int, region: list[list[str]]) -> Iterator[tuple[int, int, list[list[str]]]]:
    """Tables beside each other, two empty columns or more apart: (row, column, cells) of each. One empty column is a
    spacer.
    """
    used = sorted({n for row in region for n, cell in enumerate(row) if cell})
    groups: list[list[int]] = []
    for column in used:
        if groups and column - groups[-1][1] <= 2:
            groups[-1][1] = column
        else:
            groups.append([column, column])
    for left, right in groups:
        part: list[list[str]] = []
        for number, row in enumerate([*region, []], start=first):
            cells = row[left : right + 1]
            if any(cells):
                part.append(cells)
            elif part:
                yield number - len(part), left + 1, part
                part = []


def _regions(sheet: Any, columns: int | None) -> Iterator[tuple[int, list[list[str]]]]:
    """Runs of rows without an empty row between, with the 1-based number of the first."""
    sheet.reset_dimensions()
    region: list[list[str]] = []
    first = number = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before: object = None
        for number, values in enumerate(sheet.iter_rows(values_only=True, max_col=columns), start=1):
            # The library fills a gap of a million rows with one and the same empty row.
            row = [] if values is before else [_show(value) for value in values]
            before = values
            while row and not row[-1]:
                row.pop()
            if row:
                first = first if region else number
                region.append(row)
            elif region:
                yield first, region
                region = []
    if region:
        yield first, region


def _show(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "seconds")
    return str(value).strip()


def _extras(package: Package, part: str, raw: bytes, out: Builder) -> None:
    """Comments, formulas whose result was never stored, and columns too far out."""
    missing = len(_FORMULA_WITHOUT_VALUE.findall(raw))
    if missing:
        out.warn(
            tr(
                "sheet {sheet}: {missing} formulas have no stored result; open and save it in a spreadsheet program",
                sheet=out.sheet,
                missing=missing,
            )
        )
    if _FAR.search(raw):
        out.warn(tr("sheet {sheet}: columns beyond {columns} are left out", sheet=out.sheet, columns=_COLUMNS))
    for kind, target in package.relations(part).values():
        root = package.xml(target) if kind == "comments" else None
        comments = None if root is None else child(root, "commentList")
        for comment in [] if comments is None else comments:
            text = "".join(node.text or "" for node in comment.iter() if local(node) == "t")
            out.add("comment", f"{attribute(comment, 'ref')}: {text}" if text.strip() else "")
