"""Find the kind of a document by its content, call its parser, make any failure a reason."""

from __future__ import annotations

import importlib
import io
import json
import re
import struct
from pathlib import Path
from typing import Any

from nacre.documents.document import Builder, ParsedDocument
from nacre.documents.encodings import decode
from nacre.documents.limits import Limits, OnPage, Options, Task
from nacre.documents.lists import pairs
from nacre.documents.office_converter import NEW, NeedsConversion
from nacre.documents.ooxml import damaged, opened, unpacked
from nacre.errors import NacreError, ParseError
from nacre.text.language import tr

_KINDS = [line.split() for line in Path(__file__).with_name("kinds.txt").read_text("utf-8").splitlines()[1:]]
MIME = {kind: types.partition(",")[0] for kind, _, _, types, _ in _KINDS}
PARSERS = {kind: (how, parser) for kind, how, parser, _, _ in _KINDS}
_BY_MIME = {mime: kind for kind, _, _, types, _ in _KINDS for mime in types.split(",")}
_BY_ENDING = {ending: kind for kind, _, _, _, endings in _KINDS for ending in endings.split(",")}
_IN_COMPOUND = {stream.replace("·", " "): kind for stream, kind in pairs("in-compound").items()}
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAGIC = {bytes.fromhex(begins): kind for begins, kind in pairs("magic").items()}
_HEADER = re.compile(
    r"^(from|to|cc|subject|date|message-id|received|return-path|mime-version|content-type|delivered-to|x-[\w-]+|reply-to):",
    re.I,
)
# How texts of a kind begin, whatever their name.
_SIGNS = (
    ("calendar", re.compile(r"\s*BEGIN:(?:VCALENDAR|VCARD|VEVENT)\b", re.I)),
    ("subtitles", re.compile(r"\s*WEBVTT\b|\s*(?:\d+[ \t]*\r?\n)?[ \t]*(?:\d+:)?\d\d:\d\d[.,]\d{3} --> ")),
    ("tex", re.compile(r"(?:\s*%[^\n]*\n|\s+)*\\(?:documentclass|documentstyle|begin\s*\{document\})")),
    ("org", re.compile(r"(?:\s*#[^\n]*\n)*\s*#\+(?:title|author|startup|options):", re.I)),
    ("odt", re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<office:document[\s>]")),
    ("xml", re.compile(r"\s*<\?xml\s")),
)
_HTML = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype\s+html|<html[\s>])", re.I | re.S)


def detect_binary(data: bytes, name: str = "") -> str:
    """The kind of a file that is not text."""
    if not data.strip(b"\x00 \t\r\n"):
        raise ParseError(tr("the file is empty; save it again, or leave it out"))
    if data.startswith(b"{\\rtf"):
        return "rtf"
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        return _office(data)
    if data.startswith(_OLD_OFFICE):
        return _old_office(data, name)
    if data[4:8] == b"ftyp" or (data.startswith(b"RIFF") and data[8:12] in {b"WAVE", b"AVI ", b"WEBP"}):
        if data[8:12] == b"WEBP":
            return "image"
        raise ParseError(_refusal("sound"))
    for magic, kind in _MAGIC.items():
        if data.startswith(magic) and (not kind.endswith("?") or b"\x00" in data[:512]):
            if kind.startswith("image"):
                return "image"
            raise ParseError(_refusal(kind.rstrip("?")))
    return ""


def detect_text(text: str, name: str, mime: str = "") -> str:
    """The kind of a text."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    hint = _BY_ENDING.get(ending) or _BY_MIME.get(mime.partition(";")[0].strip().lower(), "")
    head = text[:20_000].lstrip("\ufeff")
    if hint != "markdown" and _HTML.match(head):
        return "html"
    for kind, sign in _SIGNS:
        if sign.match(head):
            return kind
    if hint in {"html", "markdown", "csv", "tex", "org", "adoc"} or (hint == "xml" and head.lstrip().startswith("<")):
        return hint
    if head.lstrip().startswith(("{", "[")) or (hint in {"json", "jsonl"} and head.lstrip().startswith('"')):
        found = _json_kind(text, hint)
        if found:
            return found
    if (hint in {"eml", "mbox", ""} and ending not in {"txt", "text", "log"}) or hint in {"eml", "mbox"}:
        mail = _mail_kind(head, sure=hint in {"eml", "mbox"})
        if mail:
            return mail
    if not hint and ending in {"pdf", "docx", "pptx", "xlsx", "xls", "doc", "ppt"}:
        return _lying(head)
    return "text"


def _lying(head: str) -> str:
    """Text under the name of an office format: often a table that a program exported as "Excel"."""
    lines = [line for line in head.splitlines() if line.strip()][:20]
    counts = [[line.count(separator) for line in lines] for separator in "\t;,|"]
    if len(lines) > 1 and any(min(each) == max(each) > 0 for each in counts):
        return "csv"
    return "markdown" if re.search(r"^#{1,6} \S", head, re.M) else "text"


def _json_kind(text: str, hint: str) -> str:
    lines = [line for line in text[:1_000_000].splitlines() if line.strip()]
    if hint == "jsonl" or (len(lines) > 1 and None not in map(_loaded, lines[:2])):
        return "jsonl" if lines and _loaded(lines[0]) is not None else ""
    if not hint and _loaded(text) is None:
        return ""
    if hint == "notebook" or ('"nbformat"' in text and '"cells"' in text and _is_notebook(text)):
        return "notebook"
    return "json"


def _is_notebook(text: str) -> bool:
    book = _loaded(text)
    return isinstance(book, dict) and isinstance(book.get("cells", book.get("worksheets")), list)


def _loaded(text: str) -> Any:
    """A JSON object or array; None of what is neither."""
    try:
        value = json.loads(text, parse_int=str)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _mail_kind(head: str, sure: bool) -> str:
    if head.startswith("From ") and _HEADER.match(head.partition("\n")[2]):
        return "mbox"
    if re.match(r"content-type:\s*multipart/[^\n]*(?:\n[ \t][^\n]*)*boundary=", head.lstrip(), re.I):
        return "eml"  # a part of a mail that was saved alone
    lines = head.lstrip().splitlines()[:40]
    found = set()
    for line in lines:
        if not line.strip():
            break
        match = _HEADER.match(line)
        if match:
            found.add(match.group(1).lower())
        elif not line.startswith((" ", "\t")) and not re.match(r"^[\w-]+:", line):
            return ""
    telling = found & {"from", "to", "subject", "date", "message-id", "received", "mime-version"}
    return "eml" if len(telling) >= (1 if sure else 3) else ""


def _office(data: bytes) -> str:
    """The kind of a ZIP, by the names in it: what is no document of its own is a folder of documents."""
    package = opened(data, again=True)
    names = {name.replace("\\", "/").lower().lstrip("/") for name in package.namelist()}
    told = next((info for info in package.infolist() if info.filename == "mimetype" and info.file_size < 1000), None)
    mimetype = unpacked(package, told)[:200] if told else b""
    for kind, place in pairs("in-zip").items():
        if any(name.startswith(place) for name in names):
            return kind
    if b"epub+zip" in mimetype:
        return "epub"
    if b"hwp+zip" in mimetype:
        raise ParseError(_refusal("hwp"))
    if b"opendocument" in mimetype or {"content.xml", "meta-inf/manifest.xml"} <= names:
        return "ods" if b"spreadsheet" in mimetype else "odp" if b"presentation" in mimetype else "odt"
    if {"index/document.iwa", "index.zip"} & names:
        raise ParseError(_refusal("iwork"))
    return "zip"


def is_archive(data: bytes) -> bool:
    """Whether a file is a ZIP that is no document of its own; one that cannot be opened raises its reason."""
    return data.startswith(b"PK\x03\x04") and _office(data) == "zip"


def _old_office(data: bytes, name: str) -> str:
    """The kind of a compound file, by the names of the streams in it."""
    import olefile

    if "EncryptedPackage".encode("utf-16-le") in data:
        raise ParseError(tr("the office file is encrypted; save it without a password"))
    try:
        streams = {"/".join(path).lower() for path in olefile.OleFileIO(io.BytesIO(data)).listdir()}
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise ParseError(damaged(error)) from error
    for stream, kind in _IN_COMPOUND.items():
        if stream in streams:
            if kind not in MIME:
                raise ParseError(_refusal(kind))
            return kind
    raise ParseError(_refusal("wps" if name.lower().endswith((".wps", ".et", ".dps")) else "old"))


def _refusal(kind: str) -> str:
    return {
        "sound": tr("sound or video: transcribe it with the source transcription:"),
        "archive": tr("an archive; unpack it first"),
        "program": tr("a program, not a document; leave it out with .nacreignore"),
        "database": tr("a database; use the source sql:"),
        "hwp": tr("a Hangul file (.hwp, .hwpx); save it as .docx"),
        "wps": tr("a file of WPS Office or Microsoft Works (.wps, .et, .dps); save it as .docx, .xlsx or .pptx"),
        "iwork": tr("a Pages, Numbers or Keynote file; export it as .docx, .xlsx or .pptx"),
        "publisher": tr("a Publisher file; export it as PDF"),
        "visio": tr("a Visio file; export it as PDF"),
        "old": tr("an old office file of an unknown kind; save it as .docx, .xlsx or .pptx"),
    }[kind]


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
