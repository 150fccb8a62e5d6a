"""One document in, one parsed document out: find the kind, call its parser, make any failure a reason."""

from __future__ import annotations

import importlib
import re

from nacre.documents.builder import Builder
from nacre.documents.detect import MIME, PARSERS, detect_binary, detect_text
from nacre.documents.document import ParsedDocument
from nacre.documents.encodings import decode
from nacre.documents.limits import Limits, OnPage, Options, Task
from nacre.documents.office_converter import NEW, NeedsConversion
from nacre.errors import NacreError, ParseError
from nacre.text.language import tr

_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""", re.I)
_PICTURED = frozenset(("docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"))


def parse(
    data: bytes,
    *,
    name: str,
    mime: str | None = None,
    password: str = "",
    limits: Limits | None = None,
    options: Options | None = None,
    ocr: bool = False,
    on_page: OnPage = None,
) -> ParsedDocument:
    """Parse one document in this process. Foreign files belong into a `ParserPool`, which survives them.

    Args:
        name: its ending decides between kinds of text, and the title falls back to it.
        limits: what it may cost; time and memory are kept by `ParserPool` only.
    """
    task = Task(name, mime or "", password, limits or Limits(), 0, options or Options(), ocr, on_page)
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
        told = tr("the file is damaged ({why}); open and save it in its program", why=why)
        raise ParseError(told, uri=name) from error
    if not out.blocks:
        what = out.hidden[0].what if out.hidden else ""
        hidden = what and tr("all of its text is hidden ({what}); make it visible and save the file", what=what)
        why = out.warnings[0] if out.warnings else hidden or tr("it holds no text")
        raise ParseError(why, uri=name, scans=tuple(out.scans))
    return out.finish(MIME[kind], name)


def parse_into(data: bytes, out: Builder, task: Task, *, charset: str = "") -> str:
    """Parse a document, or a part of one such as an attachment, into a document that is being built."""
    task.check_depth()
    kind = detect_binary(data, task.name)
    if kind in NEW:
        raise NeedsConversion(kind)
    text = ""
    if not kind:
        text, encoding = decode(data, charset or _declared(data))
        kind = detect_text(text, task.name, task.mime)
        out.encoding = out.encoding or encoding
    takes, parser = PARSERS[kind]
    importlib.import_module(f"nacre.documents.{parser}").parse(data if takes == "bytes" else text, out, task)
    if task.options.pictures and kind in _PICTURED:
        importlib.import_module("nacre.documents.pictures").read_inside(data, out, task)
    return kind


def _declared(data: bytes) -> str:
    """The charset that a page names in its first 4 KiB, as HTML and XML write it."""
    found = _CHARSET.search(data[:4096])
    return (found.group(1) or found.group(2)).decode("ascii", "replace") if found else ""
