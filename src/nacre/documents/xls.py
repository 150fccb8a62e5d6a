"""Excel's binary workbooks: old ones (.xls), read by xlrd, and those in a ZIP (.xlsb), as [MS-XLSB] describes them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nacre.documents.document import Builder
from nacre.documents.grid import Merge, Sheet, add_sheet
from nacre.documents.limits import Task
from nacre.documents.number_formats import BUILT_IN, hides, show, show_text
from nacre.documents.ooxml import Package
from nacre.errors import ParseError
from nacre.text.language import tr

_ROW, _ITEM, _FORMAT, _STYLE, _COLUMNS, _BOOK, _SHEET, _MERGED = 0, 19, 44, 47, 60, 153, 156, 176
_STYLES, _STYLES_END, _COMMENT_TEXT = 617, 618, 637
_ERRORS = {0: "#NULL!", 7: "#DIV/0!", 15: "#VALUE!", 23: "#REF!", 29: "#NAME?", 36: "#NUM!", 42: "#N/A"}


@dataclass
class _Book:
    """What all sheets share: the format of each style, and the texts that cells name by number."""

    codes: list[str]
    texts: list[str]
    since_1904: bool = False


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a workbook."""
    (_zipped if data.startswith(b"PK") else _compound)(data, out, task)


def _zipped(data: bytes, out: Builder, task: Task) -> None:
    """Read a workbook in a ZIP: records of a number, a length and bytes."""
    package = Package(data, task.limits)
    package.properties(out)
    main = "xl/workbook.bin"
    raw = package.read(main)
    if raw is None:
        raise ParseError(tr("the workbook is damaged") + f" ({main})")
    relations = package.relations(main)
    named = dict(relations.values())
    styles, texts = (package.read(named.get(kind, "")) or b"" for kind in ("styles", "sharedStrings"))
    book = _Book(_codes(styles), [_text(record, 1) for kind, record in _records(texts) if kind == _ITEM])
    sheets = []
    for kind, record in _records(raw):
        if kind == _BOOK and len(record) >= 4:
            book.since_1904 = bool(record[0] & 1)
        elif kind == _SHEET:
            relation, at = _string(record, 8)
            sheets.append((_string(record, at)[0], record[:4] != b"\0\0\0\0", relations.get(relation, ("", ""))[1]))
    for name, hidden, target in sheets:
        add_sheet(out, _read(package, target, Sheet(name, hidden), book), task.options)


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at, size = 0, len(data)
    while at < size:
        kind, at = _varying(data, at, 2)
        length, at = _varying(data, at, 4)
        yield kind, data[at : at + length]
        at += length


def _varying(data: bytes, at: int, most: int) -> tuple[int, int]:
    """A number of seven bits a byte; the eighth says that another byte follows."""
    number = 0
    for shift in range(most):
        if at >= len(data):
            break
        byte, at = data[at], at + 1
        number |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            break
    return number, at


def _string(record: bytes, at: int) -> tuple[str, int]:
    if at + 4 > len(record):
        return "", at
    count = struct.unpack_from("<I", record, at)[0]
    if count == 0xFFFFFFFF:  # none
        return "", at + 4
    end = min(len(record), at + 4 + 2 * count)
    return record[at + 4 : end].decode("utf-16-le", "replace"), end


def _text(record: bytes, at: int) -> str:
    return _string(record, at)[0]


def _codes(data: bytes) -> list[str]:
    """The number format of each cell style."""
    formats, codes, inside = dict(BUILT_IN), [], False
    for kind, record in _records(data):
        if kind == _FORMAT and len(record) >= 2:
            formats[struct.unpack_from("<H", record)[0]] = _text(record, 2)
        elif kind in {_STYLES, _STYLES_END}:
            inside = kind == _STYLES
        elif kind == _STYLE and inside and len(record) >= 4:
            codes.append(struct.unpack_from("<H", record, 2)[0])
    return [formats.get(code, "") for code in codes]


def _read(package: Package, part: str, sheet: Sheet, book: _Book) -> Sheet:
    row = 0
    for kind, record in _records(package.read(part) or b""):
        try:
            if kind == _ROW:
                row = struct.unpack_from("<I", record)[0]
                if record[11] & 0x10:
                    sheet.hidden_rows.add(row)
            elif 1 < kind < 12:
                column, style = struct.unpack_from("<II", record)
                code = book.codes[style & 0xFFFFFF] if style & 0xFFFFFF < len(book.codes) else ""
                sheet.put(row, column, _shown(kind, record, code, book))
            elif kind == _COLUMNS and record[16] & 1:
                first, last = struct.unpack_from("<II", record)
                sheet.hidden_columns.update(range(first, min(last, 20_000) + 1))
            elif kind == _MERGED:
                first, last, start, end = struct.unpack_from("<IIII", record)
                sheet.merged.append(Merge(first + 1, start + 1, last + 1, end + 1))
        except (struct.error, IndexError):
            continue  # a record that is cut short costs itself
    for relation, target in package.relations(part).values():
        if relation == "comments":
            sheet.notes += _comments(package.read(target) or b"")
    return sheet


def _comments(data: bytes) -> Iterator[str]:
    for kind, record in _records(data):
        if kind == _COMMENT_TEXT:
            yield _text(record, 1)


def _shown(kind: int, record: bytes, code: str, book: _Book) -> str:
    """A cell; the kinds 8 to 11 are results of formulas."""
    if kind in {2, 5, 9}:
        number = _packed(record) if kind == 2 else struct.unpack_from("<d", record, 8)[0]
        return "" if hides(code) else show(repr(number), code, since_1904=book.since_1904)
    if kind in {3, 11}:
        return _ERRORS.get(record[8], "")
    if kind in {4, 10}:
        return "TRUE" if record[8] else "FALSE"
    if kind == 7:
        at = struct.unpack_from("<I", record, 8)[0]
        return show_text(book.texts[at], code).strip() if at < len(book.texts) else ""
    return show_text(_text(record, 8), code).strip()


def _packed(record: bytes) -> float:
    """A number in four bytes: the upper half of a float, or a whole number; perhaps a hundredth of it."""
    raw = struct.unpack_from("<i", record, 8)[0]
    number = float(raw >> 2) if raw & 2 else struct.unpack("<d", b"\0\0\0\0" + struct.pack("<i", raw & ~3))[0]
    return number / 100 if raw & 1 else number


def _compound(data: bytes, out: Builder, task: Task) -> None:
    """Read a workbook of Excel 97 to 2003 by xlrd."""
    import xlrd

    try:
        book = xlrd.open_workbook(file_contents=data, formatting_info=True, logfile=io.StringIO())
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise ParseError(tr("the office file is encrypted; save it without a password")) from error
        raise ParseError(tr("the workbook is damaged") + f" ({error})") from error
    out.metadata["author"] = book.user_name.strip() if isinstance(book.user_name, str) else ""
    for sheet in book.sheets():
        add_sheet(out, _read_compound(book, sheet), task.options)


def _read_compound(book: Any, sheet: Any) -> Sheet:
    import xlrd

    found = Sheet(sheet.name, hidden=sheet.visibility != 0)
    for row in range(sheet.nrows):
        for column, cell in enumerate(sheet.row(row)):
            found.put(row, column, _cell(book, cell))
    # xlrd's ranges end behind their last row and column.
    found.merged = [Merge(top + 1, left + 1, bottom, right) for top, bottom, left, right in sheet.merged_cells]
    found.hidden_rows = {row for row, info in sheet.rowinfo_map.items() if info.hidden}
    found.hidden_columns = {column for column, info in sheet.colinfo_map.items() if info.hidden}
    found.notes = [f"{xlrd.cellname(*place)}: {note.text}" for place, note in sorted(sheet.cell_note_map.items())]
    return found


def _cell(book: Any, cell: Any) -> str:
    import xlrd

    form = book.xf_list[cell.xf_index].format_key if cell.xf_index is not None else 0
    code = book.format_map[form].format_str if form in book.format_map else ""
    if cell.ctype == xlrd.XL_CELL_TEXT:
        return show_text(cell.value, code).strip()
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return "TRUE" if cell.value else "FALSE"
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return str(xlrd.error_text_from_code.get(cell.value, ""))
    if cell.ctype in {xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE}:
        return "" if hides(code) else show(repr(cell.value), code, since_1904=book.datemode == 1)
    return ""
