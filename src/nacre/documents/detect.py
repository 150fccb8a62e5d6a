"""What a file is, by its content first; its name decides only between kinds of text."""

from __future__ import annotations

import io
import json
import re
import struct
from pathlib import Path
from typing import Any

from nacre.documents.ooxml import damaged, opened, unpacked
from nacre.errors import ParseError
from nacre.text.language import tr

_KINDS = [line.split() for line in Path(__file__).with_name("kinds.txt").read_text("utf-8").splitlines()[1:]]
MIME = {kind: types.partition(",")[0] for kind, _, _, types, _ in _KINDS}
PARSERS = {kind: (how, parser) for kind, how, parser, _, _ in _KINDS}
_BY_MIME = {mime: kind for kind, _, _, types, _ in _KINDS for mime in types.split(",")}
_BY_ENDING = {ending: kind for kind, _, _, _, endings in _KINDS for ending in endings.split(",")}
_IN_ZIP = (
    ("docx", "word/"), ("pptx", "ppt/"), ("xlsb", "xl/workbook.bin"), ("xlsx", "xl/"),
    ("epub", "meta-inf/container.xml"), ("ofd", "ofd.xml"),
)  # fmt: skip
_IN_COMPOUND = (
    ("msg", "__properties_version1.0"), ("doc", "worddocument"), ("ppt", "powerpoint document"), ("xls", "workbook"),
    ("xls", "book"), ("hwp", "fileheader"), ("wps", "matost"), ("publisher", "quill/quillsub/contents"),
    ("visio", "visiodocument"),
)  # fmt: skip
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NOT_DOCUMENTS = (
    (b"\x89PNG", "image"), (b"\xff\xd8\xff", "image"), (b"GIF8", "image"), (b"II*\x00", "image"),
    (b"MM\x00*", "image"), (b"BM", "image?"),
    (b"ID3", "sound"), (b"OggS", "sound"), (b"fLaC", "sound"), (b"\xff\xfb", "sound"), (b"\x1a\x45\xdf\xa3", "sound"),
    (b"\x1f\x8b", "archive"), (b"7z\xbc\xaf", "archive"), (b"Rar!", "archive"), (b"BZh", "archive"),
    (b"\xfd7zXZ", "archive"), (b"\x28\xb5\x2f\xfd", "archive"),
    (b"\x7fELF", "program"), (b"MZ", "program?"), (b"SQLite format 3", "database"),
)  # fmt: skip
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
    for magic, kind in _NOT_DOCUMENTS:
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
    if hint == "jsonl" or (len(lines) > 1 and _loads(lines[0]) and _loads(lines[1])):
        return "jsonl" if lines and _loads(lines[0]) else ""
    if not hint and not _loads(text):
        return ""
    if hint == "notebook" or ('"nbformat"' in text and '"cells"' in text and _is_notebook(text)):
        return "notebook"
    return "json"


def _is_notebook(text: str) -> bool:
    book = _loaded(text)
    return isinstance(book, dict) and isinstance(book.get("cells", book.get("worksheets")), list)


def _loads(text: str) -> bool:
    return isinstance(_loaded(text), dict | list)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text, parse_int=str)
    except (ValueError, RecursionError):
        return None


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
    for kind, place in _IN_ZIP:
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
    for kind, stream in _IN_COMPOUND:
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
