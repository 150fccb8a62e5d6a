"""PDF by pdfium: text in the order of the file, tables, headings, pages. Not thread-safe: one process, one document."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from nacre.documents import ocr
from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.documents.lists import word_list
from nacre.documents.pdf_layout import Sheet, title_key
from nacre.documents.pdf_lines import Line, lines_of
from nacre.documents.pdf_objects import may_hold_writing
from nacre.documents.pdf_page import Page, read_page
from nacre.documents.pdf_write import items_of, write_sheets
from nacre.documents.pictures import as_page
from nacre.errors import ParseError
from nacre.text.han import HAN, KANA
from nacre.text.language import tr

# Pairs of letters that are frequent in the languages of Europe; running text is made of them for the most part.
_PAIRS = frozenset(word_list("latin-pairs"))
# Characters that any Chinese page of some length is full of, forms and tables included.
_COMMON = frozenset(word_list("han-common")[0])
_WORDS = re.compile(r"[a-z]{2,20}")
_HAN = re.compile(f"[{HAN}]")
_KANA = re.compile(f"[{KANA}]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_ENOUGH = 120  # pairs of letters, or characters, that a judgement needs
_WORDS_READ = 300
_LATIN, _CHINESE = 0.28, 0.1  # real pages have .5 and more, .3 and more
_NO_TITLE = re.compile(
    r"\.(docx?|pptx?|xlsx?|pdf|tex|indd|rtf)$|^\S+\.\w{2,4}$"
    r"|^(microsoft word|untitled|\(anonymous\)|\(unspecified\)|无标题)",
    re.I,
)


def legible(text: str) -> bool:
    """Whether a page's text can be read; a short one is taken as it is."""
    if len(_PRIVATE.findall(text)) > max(20, 0.3 * len(text)):
        return False
    han = _HAN.findall(text)
    if len(han) >= _ENOUGH and not _KANA.search(text):
        return sum(char in _COMMON for char in han) >= _CHINESE * len(han)
    words = _WORDS.findall(text.casefold())
    # Some hundred words of a long page tell as much as all.
    pairs = [a + b for word in words[:: 1 + len(words) // _WORDS_READ] for a, b in pairwise(word)]
    # Part numbers and formulas have few words; a cipher keeps the words of its language.
    spread = len(words) >= 40 and len(set(words)) > 0.15 * len(words)
    return len(pairs) < _ENOUGH or not spread or sum(pair in _PAIRS for pair in pairs) >= _LATIN * len(pairs)


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a PDF."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data, password=task.password or None)
    except pypdfium2.PdfiumError as error:
        raise ParseError(_reason(str(error), data, task)) from error
    try:
        _metadata(document, out)
        document.init_forms()
        out.pages = len(document)
        if not out.pages:
            raise ParseError(tr("the PDF has no pages; print or export it again"))
        sheets = [_sheet(document, number, out, task) for number in range(out.pages)]
        outline = _outline(document)
    finally:
        document.close()
    if out.scans:
        out.warn(ocr.needs_ocr(_numbers(out.scans)))
    write_sheets(sheets, outline, out)


def _numbers(pages: list[int]) -> str:
    """ "page 3", "pages 1-4, 9"."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1][1:] = [page]
        else:
            runs.append([page])
    shown = ", ".join("-".join(map(str, run)) for run in runs[:20]) + ", …" * (len(runs) > 20)
    return tr("page {shown}", shown=shown) if len(pages) == 1 else tr("pages {shown}", shown=shown)


def _reason(error: str, data: bytes, task: Task) -> str:
    if "assword" in error:
        if task.password:
            return tr("the password of the encrypted PDF is wrong; give the right one or save it without")
        return tr("the PDF is encrypted; give its password or save it without")
    if "ecurity" in error:
        return tr("the PDF is encrypted in a way that is not supported; save it without")
    if b"%%EOF" not in data[-2048:]:
        return tr("the PDF is cut off: its end is missing; copy it again")
    return tr("the PDF is damaged") + f" ({error})"


def _metadata(document: Any, out: Builder) -> None:
    for key, value in document.get_metadata_dict(skip_empty=True).items():
        out.metadata.setdefault(key.lower(), value)
    title = out.metadata.get("title", "")
    # Word writes the name of the file it came from.
    if not _NO_TITLE.search(title):
        out.title = out.title or title


def _sheet(document: Any, number: int, out: Builder, task: Task) -> Sheet:
    import pypdfium2

    try:
        page = document[number]
        text = page.get_textpage()
    except pypdfium2.PdfiumError:
        out.warn(tr("page {number} is damaged", number=number + 1))
        return Sheet(number + 1, 0.0)
    try:
        seen = read_page(page, text, document.formenv and document.formenv.raw)
        sheet = Sheet(number + 1, seen.height, seen.width, notes=seen.extras.notes)
        _tell_hidden(seen, sheet.number, out)
        sheet.items = items_of(seen, sheet)
        nonsense = not legible(_text(sheet))
        unread = not sheet.items and may_hold_writing(page)
        if nonsense or unread or seen.unmapped * 10 > len(seen.glyphs):
            _scanned(page, sheet, out, task)
            if nonsense and not sheet.scanned:
                sheet.items = []
        return sheet
    finally:
        text.close()
        page.close()


def _scanned(page: Any, sheet: Sheet, out: Builder, task: Task) -> None:
    """Read a page as a picture, or note that it needs it."""
    if not task.ocr or sheet.number > task.limits.ocr_pages:
        out.scans.append(sheet.number)
        return
    width, height = page.get_size()
    bitmap = page.render(scale=min(ocr.DPI / 72, ocr.SIDE / max(width, height)), grayscale=True)
    try:
        read = as_page(ocr.read_picture(bitmap.to_pil()), width, height)
    finally:
        bitmap.close()
    sheet.height, sheet.width, sheet.scanned = height, width, True
    sheet.items = items_of(read, sheet)
    if task.on_page:
        task.on_page(sheet.number, out.pages or 0)


def _text(sheet: Sheet) -> str:
    rows = ([item.text] if isinstance(item, Line) else map("\t".join, item.rows) for item in sheet.items)
    return "\n".join(map("\n".join, rows))


def _tell_hidden(seen: Page, number: int, out: Builder) -> None:
    out.page = number
    for why, glyphs in seen.hidden.items():
        for line in lines_of(glyphs):
            out.hide(why, line.text)
    for value in seen.extras.hidden:
        out.hide("hidden field", value)
    out.page = None


def _outline(document: Any) -> dict[str, int]:
    levels: dict[str, int] = {}
    for count, mark in enumerate(document.get_toc(max_depth=6)):
        title = mark.get_title() or ""
        for key in {title_key(title), title_key(title, numbered=False)} - {""}:
            levels.setdefault(key, min(6, mark.level + 1))
        if count > 5000:
            break
    return levels
