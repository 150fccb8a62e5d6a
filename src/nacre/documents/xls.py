"""Excel's old binary workbooks (.xls), read by xlrd: cells as the sheet shows them."""

from __future__ import annotations

import io
from typing import Any

from nacre.documents.document import Builder
from nacre.documents.grid import Merge, Sheet, add_sheet
from nacre.documents.limits import Task
from nacre.documents.number_formats import hides, show, show_text
from nacre.errors import ParseError
from nacre.text.language import tr


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a workbook."""
    import xlrd

    try:
        book = xlrd.open_workbook(file_contents=data, formatting_info=True, logfile=io.StringIO())
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise ParseError(tr("the office file is encrypted; save it without a password")) from error
        raise ParseError(tr("the workbook is damaged") + f" ({error})") from error
    out.metadata["author"] = book.user_name.strip() if isinstance(book.user_name, str) else ""
    for sheet in book.sheets():
        add_sheet(out, _read(book, sheet), task.options)


def _read(book: Any, sheet: Any) -> Sheet:
    import xlrd

    found = Sheet(sheet.name, hidden=sheet.visibility != 0)
    for row in range(sheet.nrows):
        for column, cell in enumerate(sheet.row(row)):
            found.put(row, column, _shown(book, cell))
    # xlrd's ranges end behind their last row and column.
    found.merged = [Merge(top + 1, left + 1, bottom, right) for top, bottom, left, right in sheet.merged_cells]
    found.hidden_rows = {row for row, info in sheet.rowinfo_map.items() if info.hidden}
    found.hidden_columns = {column for column, info in sheet.colinfo_map.items() if info.hidden}
    found.notes = [f"{xlrd.cellname(*place)}: {note.text}" for place, note in sorted(sheet.cell_note_map.items())]
    return found


def _shown(book: Any, cell: Any) -> str:
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
