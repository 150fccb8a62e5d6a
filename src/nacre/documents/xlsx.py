"""Excel: each sheet is a heading and its tables; numbers as the sheet shows them, formulas by their last result, merged
cells in each of their places, text boxes, charts and comments.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from nacre.documents.builder import Builder
from nacre.documents.drawings import add_drawing
from nacre.documents.limits import Task
from nacre.documents.ooxml import Package, attribute, child, descend, local, parts, relation_id
from nacre.documents.sheets import add_cells, words
from nacre.documents.xlsx_cells import COLUMNS, Book, Sheet, merges, read_book, rich_text
from nacre.errors import ParseError
from nacre.text.language import tr

_THREADED = "[Threaded comment]"  # what stands in an old comment for readers without the new ones


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a workbook."""
    package = Package(data, task.limits)
    package.refuse_dtds()
    package.properties(out)
    main = package.main("xl/workbook.xml")
    root = package.xml(main)
    listed = child(root, "sheets")
    if listed is None:
        raise ParseError(tr("the workbook is damaged") + f" ({main})")
    relations = package.relations(main)
    book = read_book(package, dict(relations.values()), out)
    book.since_1904 = attribute(child(root, "workbookPr"), "date1904") in {"1", "true"}
    for node in listed:
        _, part = relations.get(relation_id(node), ("", ""))
        _page(book, attribute(node, "name"), part, attribute(node, "state"), out, task)
    out.sheet = ""


def _page(book: Book, name: str, part: str, state: str, out: Builder, task: Task) -> None:
    """One sheet of the workbook, as it stands in its list."""
    raw = book.package.read(part) or b""
    chart = b"<sheetData" not in raw and b":sheetData" not in raw
    if state in {"hidden", "veryHidden"} and not task.options.include_hidden:
        sheet = Sheet(book, part, raw)
        out.hide("hidden sheet", f"{name}: {words(row.cells for row in sheet.rows())}" if raw and not chart else name)
        return
    out.sheet = name
    out.sheets.append(name)
    if chart:
        _extras(book.package, part, out)
        return
    out.add("heading", name, 1)
    sheet = Sheet(book, part, raw)
    hidden = sheet.layout.hidden_columns
    add_cells(out, sheet.rows(), deque(merges(raw)), hidden, all=task.options.include_hidden)
    for what, texts in sheet.unseen.items():
        out.hide(what, f"{name}: {' '.join(texts)}")
    _warn(sheet, out)
    _extras(book.package, part, out)


def _warn(sheet: Sheet, out: Builder) -> None:
    """Formulas whose result was never stored, and columns too far out."""
    if sheet.missing:
        out.warn(
            tr(
                "sheet {sheet}: {missing} formulas have no stored result; open and save it in a spreadsheet program",
                sheet=out.sheet,
                missing=sheet.missing,
            )
        )
    if sheet.too_far:
        out.warn(tr("sheet {sheet}: columns beyond {columns} are left out", sheet=out.sheet, columns=COLUMNS))


def _extras(package: Package, part: str, out: Builder) -> None:
    """Text boxes, charts and pictures of a sheet, and its comments."""
    relations = package.relations(part)
    threaded = any(kind == "threadedComment" for kind, _ in relations.values())
    for kind, target in relations.values():
        if kind == "drawing":
            add_drawing(package, target, out)
        elif kind == "comments":
            _comments(package.xml(target), threaded, out)
        elif kind == "threadedComment":
            for comment in descend(package.xml(target)):
                if local(comment) == "threadedComment":
                    words = child(comment, "text")
                    text = "" if words is None else words.text or ""
                    out.add("comment", f"{attribute(comment, 'ref')}: {text}" if text.strip() else "")


def _comments(root: Any | None, threaded: bool, out: Builder) -> None:
    for comment in parts(root, "commentList"):
        words = child(comment, "text")
        text = "" if words is None else rich_text(words)
        if text.strip() and not (threaded and text.startswith(_THREADED)):
            out.add("comment", f"{attribute(comment, 'ref')}: {text}")
