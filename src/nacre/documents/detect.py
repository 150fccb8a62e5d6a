"""What a file is, by its content first; its name decides only between kinds of text."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping

from nacre.errors import ParseError
from nacre.text.language import tr

MIME: Mapping[str, str] = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "eml": "message/rfc822",
    "mbox": "application/mbox",
    "notebook": "application/x-ipynb+json",
    "text": "text/plain",
    "image": "image/*",
}
_BY_ENDING = {
    "md": "markdown", "markdown": "markdown", "mdx": "markdown", "mdown": "markdown", "rst": "markdown",
    "qmd": "markdown",
    "html": "html", "htm": "html", "xhtml": "html", "shtml": "html",
    "csv": "csv", "tsv": "csv", "tab": "csv", "psv": "csv",
    "json": "json", "geojson": "json", "jsonl": "jsonl", "ndjson": "jsonl",
    "eml": "eml", "mbox": "mbox", "ipynb": "notebook",
}  # fmt: skip
_BY_MIME = {mime: kind for kind, mime in MIME.items()} | {
    "application/xhtml+xml": "html", "text/x-markdown": "markdown",
    "text/tab-separated-values": "csv", "application/csv": "csv",
    "application/x-ndjson": "jsonl", "application/jsonlines": "jsonl",
}  # fmt: skip
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NOT_DOCUMENTS = (
    (b"\x89PNG", "image"), (b"\xff\xd8\xff", "image"), (b"GIF8", "image"), (b"II*\x00", "image"),
    (b"MM\x00*", "image"), (b"BM", "image?"),
    (b"ID3", "sound"), (b"OggS", "sound"), (b"fLaC", "sound"), (b"\xff\xfb", "sound"), (b"\x1a\x45\xdf\xa3", "sound"),
    (b"\x1f\x8b", "archive"), (b"7z\xbc\xaf", "archive"), (b"Rar!", "archive"), (b"BZh", "archive"),
    (b"\xfd7zXZ", "archive"), (b"\x28\xb5\x2f\xfd", "archive"),
    (b"\x7fELF", "program"), (b"MZ", "program?"), (b"{\\rtf", "rtf"), (b"SQLite format 3", "database"),
)  # fmt: skip
_HEADER = re.compile(
    r"^(from|to|cc|subject|date|message-id|received|return-path|mime-version|content-type|delivered-to|x-[\w-]+|reply-to):",
    re.I,
)
_HTML = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype\s+html|<html[\s>])", re.I | re.S)


def detect_binary(data: bytes) -> str:
    """The kind of a file that is not text.

    Returns:
        "pdf", "docx", "pptx", "xlsx" or "image"; empty when it looks like text.
    """
    if not data.strip(b"\x00 \t\r\n"):
        raise ParseError(tr("the file is empty"))
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        return _office(data)
    if data.startswith(_OLD_OFFICE):
        raise ParseError(_old_office(data))
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
    if hint in {"html", "markdown", "csv"}:
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
    if len(lines) > 1 and any(
        lines[0].count(sep) and all(line.count(sep) == lines[0].count(sep) for line in lines) for sep in "\t;,|"
    ):
        return "csv"
    return "markdown" if re.search(r"^#{1,6} \S", head, re.M) else "text"


def _json_kind(text: str, hint: str) -> str:
    lines = [line for line in text[:1_000_000].splitlines() if line.strip()]
    if hint == "jsonl" or (len(lines) > 1 and _loads(lines[0]) and _loads(lines[1])):
        return "jsonl" if lines and _loads(lines[0]) else ""
    if not hint and not _loads(text):
        return ""
    if hint == "notebook" or ('"nbformat"' in text and '"cells"' in text):
        return "notebook"
    return "json"


def _loads(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_int=str), dict | list)
    except (ValueError, RecursionError):
        return False


def _mail_kind(head: str, sure: bool) -> str:
    if head.startswith("From ") and _HEADER.match(head.partition("\n")[2]):
        return "mbox"
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
    return (
        "eml"
        if len(found & {"from", "to", "subject", "date", "message-id", "received", "mime-version"})
        >= (1 if sure else 3)
        else ""
    )


def _office(data: bytes) -> str:
    try:
        names = set(zipfile.ZipFile(io.BytesIO(data)).namelist())
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
        raise ParseError(tr("the office file is damaged or cut off ({error})", error=error)) from error
    for kind, folder in (("docx", "word/"), ("pptx", "ppt/"), ("xlsx", "xl/")):
        if any(name.lower().lstrip("/").startswith(folder) for name in names):
            return kind
    if "mimetype" in names or any(name.endswith("content.opf") for name in names):
        raise ParseError(_refusal("odf"))
    raise ParseError(_refusal("archive"))


def _old_office(data: bytes) -> str:
    utf16 = "EncryptedPackage".encode("utf-16-le")
    if utf16 in data:
        return tr("the office file is encrypted; save it without a password")
    return tr("an old binary office file (.doc, .xls, .ppt, .msg); save it as .docx, .xlsx or .pptx")


def _refusal(kind: str) -> str:
    return {
        "sound": tr("sound or video: transcribe it with the source transcription:"),
        "archive": tr("an archive; unpack it first"),
        "program": tr("a program, not a document"),
        "rtf": tr("an RTF file; save it as .docx"),
        "database": tr("a database; use the source sql:"),
        "odf": tr("an OpenDocument or EPUB file; save it as .docx, .xlsx, .pptx or .html"),
    }[kind]
