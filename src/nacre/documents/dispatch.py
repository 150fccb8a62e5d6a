"""One document in, one parsed document out: find the kind, call its parser, make any failure a reason."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Protocol

from nacre.documents.builder import Builder
from nacre.documents.detect import MIME, detect_binary, detect_text
from nacre.documents.document import ParsedDocument
from nacre.documents.encodings import decode
from nacre.documents.limits import Limits, Options, Task
from nacre.documents.office_converter import NEW, NeedsConversion
from nacre.errors import NacreError, ParseError
from nacre.text.language import tr

_BINARY = {
    "pdf": "pdf",
    "docx": "docx",
    "pptx": "pptx",
    "xlsx": "xlsx",
    "image": "pictures",
    "odt": "odf",
    "ods": "odf",
    "odp": "odf",
    "epub": "epub",
    "ofd": "ofd",
    "xls": "xls",
    "xlsb": "xlsb",
    "msg": "outlook",
    "rtf": "rtf",
    "zip": "archive",
    "eml": "mail",
    "mbox": "mail",
}
_PICTURED = frozenset(("docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"))
_TEXT = {
    "markdown": "markdown",
    "html": "html",
    "csv": "delimited",
    "json": "structured",
    "jsonl": "structured",
    "notebook": "notebook",
    "xml": "xml_text",
    "subtitles": "subtitles",
    "tex": "tex",
    "org": "light_markup",
    "adoc": "light_markup",
    "calendar": "calendar_file",
    "text": "plain",
}


class _BinaryParser(Protocol):
    def parse(self, data: bytes, out: Builder, task: Task) -> None: ...


class _TextParser(Protocol):
    def parse(self, text: str, out: Builder, task: Task) -> None: ...


def parse(
    data: bytes,
    *,
    name: str,
    mime: str | None = None,
    password: str = "",
    limits: Limits | None = None,
    options: Options | None = None,
    ocr: bool = False,
    on_page: Callable[[int, int], None] | None = None,
) -> ParsedDocument:
    """Parse one document in this process. Foreign files belong into a `ParserPool`, which survives them.

    Args:
        name: its ending decides between kinds of text, and the title falls back to it.
        limits: what it may cost; time and memory are kept by `ParserPool` only.
        on_page: called with (page read by OCR, pages in all).
    """
    task = Task(
        name=name,
        mime=mime or "",
        password=password,
        limits=limits or Limits(),
        options=options or Options(),
        ocr=ocr,
        on_page=on_page,
    )
    out = Builder(task.limits)
    try:
        kind = parse_into(data, out, task)
    except NeedsConversion:
        raise
    except NacreError as error:
        raise ParseError(error.message, uri=name, scans=tuple(out.scans)) from error
    except MemoryError as error:
        raise ParseError(tr("it needs more memory than allowed; split it"), uri=name) from error
    except RecursionError as error:
        raise ParseError(tr("its parts are nested too deeply; save them as files of their own"), uri=name) from error
    except Exception as error:  # a parser bug or a broken file: either way it is this document's row
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise ParseError(
            tr("the file is damaged ({why}); open and save it in its program", why=why), uri=name
        ) from error
    if not out.blocks:
        raise ParseError(_empty(out), uri=name, scans=tuple(out.scans))
    return out.finish(MIME[kind], name)


def _empty(out: Builder) -> str:
    if out.warnings:
        return out.warnings[0]
    if out.hidden:
        what = out.hidden[0].what
        return tr("all of its text is hidden ({what}); make it visible and save the file", what=what)
    return tr("it holds no text")


def parse_into(data: bytes, out: Builder, task: Task, *, charset: str = "") -> str:
    """Parse a document, or a part of one such as an attachment, into a document that is being built."""
    if task.depth > task.limits.depth:
        most = task.limits.depth
        raise ParseError(tr("mails or attachments are nested more than {most} levels deep", most=most))
    kind = detect_binary(data, task.name)
    if kind in NEW:
        raise NeedsConversion(kind)
    text = ""
    if not kind:
        text, encoding = decode(data, charset or _declared(data))
        kind = detect_text(text, task.name, task.mime)
        out.encoding = out.encoding or encoding
    if kind in _BINARY:
        reader: _BinaryParser = importlib.import_module(f"nacre.documents.{_BINARY[kind]}")
        reader.parse(data, out, task)
        if task.options.pictures and kind in _PICTURED:
            importlib.import_module("nacre.documents.pictures").read_inside(data, out, task)
    else:
        parser: _TextParser = importlib.import_module(f"nacre.documents.{_TEXT[kind]}")
        parser.parse(text, out, task)
    return kind


def _declared(data: bytes) -> str:
    """The charset that a page names in its first 4 KiB, as HTML and XML write it."""
    import re

    found = re.search(
        rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""", data[:4096], re.I
    )
    return (found.group(1) or found.group(2)).decode("ascii", "replace") if found else ""
