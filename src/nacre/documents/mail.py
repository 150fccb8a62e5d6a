"""Mails, mailboxes and Outlook's messages: headers, the body, and every attachment by its own parser."""

from __future__ import annotations

import binascii
import datetime
import email
import email.errors
import email.header
import email.message
import io
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nacre.documents import calendar_file, html, plain, rtf
from nacre.documents.document import Builder
from nacre.documents.encodings import decode
from nacre.documents.limits import Task
from nacre.documents.normalise import collapse
from nacre.documents.ooxml import damaged
from nacre.errors import ParseError
from nacre.text.language import tr

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_MBOX = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n(?=>?[A-Za-z-]+:)")
_QUOTED_FROM = re.compile(rb"^>(>*)From ", re.M)
# Headers that say something to people; the others are of machines.
_TELLING = re.compile(
    r"(?:from|to|cc|date|subject|reply-to|sender|message-id|in-reply-to|list-id|keywords|importance|priority"
    r"|organization|x-(?:priority|project|ticket|case|product|label|category|tag|customer)[\w-]*)$",
    re.I,
)
_UUENCODED = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,200})\n((?:[ -`]{1,61}\n)*?)[` ]?\n?end[ \t]*$", re.M)


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a mail (.eml), a mailbox (.mbox) or a message (.msg)."""
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        _outlook(data, out, task)
        return
    if not data.startswith(b"From "):
        _message(email.message_from_bytes(data), out, task)
        return
    starts = [found.start() for found in _MBOX.finditer(data)]
    for first, last in zip(starts, [*starts[1:], len(data)], strict=True):
        mail = data[first:last].partition(b"\n")[2]
        # A line that begins so in a text was quoted, lest it begin another mail.
        _message(email.message_from_bytes(_QUOTED_FROM.sub(rb"\1From ", mail)), out, task, many=len(starts) > 1)


def _message(message: email.message.Message, out: Builder, task: Task, many: bool = False) -> None:
    task.check_depth()
    headers = {name: header(message, name) for name in _SHOWN}
    about = {name: header(message, name) for name in dict.fromkeys(k.title() for k in message)}
    heads(headers, out, task, about, many)
    seven = any("=?utf-7?" in str(value).lower() for _, value in message.raw_items())
    for part in _parts(message):
        _part(part, out, task, seven)


def heads(
    headers: Mapping[str, str], out: Builder, task: Task, about: Mapping[str, str] | None = None, many: bool = False
) -> None:
    """Append what stands above a mail's text."""
    subject = headers["Subject"]
    if task.depth == 0 and not many:
        out.title = out.title or subject
        out.metadata |= {name: value for name, value in {**headers, **(about or {})}.items() if value}
        out.private |= {name for name in about or () if not _TELLING.match(name)}
    if subject:
        out.add("heading", subject, min(6, 1 + task.depth))
    out.add("meta", "\n".join(f"{name}: {value}" for name, value in headers.items() if value))


def header(message: email.message.Message, name: str) -> str:
    """One header, decoded whatever its charset."""
    # `get` would turn raw bytes, which the standard forbids and mailers in the East send, into replacement characters.
    raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), None)
    if raw is None:
        return ""
    words: list[str] = []
    try:
        pieces = email.header.decode_header(str(raw))
    except (email.errors.HeaderParseError, ValueError):
        pieces = [(str(raw), None)]
    for value, charset in pieces:
        words.append(value if isinstance(value, str) else decode(value, charset or "")[0] if value else "")
    text = "".join(words)
    if any(0xDC80 <= ord(c) <= 0xDCFF for c in text):
        text = decode(text.encode("utf-8", "surrogateescape"))[0]
    return collapse(text)


def _parts(message: email.message.Message) -> Iterator[email.message.Message]:
    """Leaves in order; of alternatives the plain text and whatever it does not repeat."""
    stack = [message]
    while stack:
        part = stack.pop()
        children = part.get_payload() if part.is_multipart() else None
        if not isinstance(children, list) or part.get_content_type() == "message/rfc822":
            yield part
            continue
        parts = [child for child in children if isinstance(child, email.message.Message)]
        stack.extend(reversed(_alternative(parts) if part.get_content_type() == "multipart/alternative" else parts))


def _alternative(parts: list[email.message.Message]) -> list[email.message.Message]:
    """Of parts that say the same the plain text (a page may have pictures with it), and what says something else."""
    words = next((part for part in parts if part.get_content_type() == "text/plain"), None)
    page = next((part for part in parts if _page_of(part) is not None), None)
    if words is None or page is None:
        return parts
    html_part = _page_of(page)
    assert html_part is not None
    # Some mailers leave the plain part empty or put "view this in a browser" there.
    rich, poor = len(_payload(html_part)), len(_payload(words).strip())
    if poor * 40 < rich and poor < 200:
        return [part for part in parts if part is not words]
    others = [part for part in page.walk() if part is not html_part and not part.is_multipart()]
    return [part for part in parts if part is not page] + others


def _page_of(part: email.message.Message) -> email.message.Message | None:
    if part.get_content_type() == "text/html":
        return part
    if part.get_content_type() in {"multipart/related", "multipart/mixed"} and isinstance(part.get_payload(), list):
        return next((one for one in part.walk() if one.get_content_type() == "text/html"), None)
    return None


def _payload(part: email.message.Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _part(part: email.message.Message, out: Builder, task: Task, seven: bool) -> None:
    name, kind = file_name(part), part.get_content_type()
    if kind == "message/rfc822":
        inner = part.get_payload()
        if isinstance(inner, list) and inner and isinstance(inner[0], email.message.Message):
            if name:
                out.attachments.append(name)
            _message(inner[0], out, replace(task, depth=task.depth + 1))
    elif name or part.get_content_disposition() == "attachment" or part.get_content_maintype() != "text":
        _attachment(part, name, out, task)
    elif _payload(part).strip():
        data = _payload(part)
        label = part.get_content_charset() or ""
        # Who writes headers in UTF-7 writes the text so too, whatever the label says.
        text, out.encoding = decode(data, "utf-7" if seven and data.isascii() else label)
        if kind == "text/calendar":
            calendar_file.parse(text, out, task)
        elif kind == "text/html":
            html.parse(text, out, task)
        else:
            _plain(text, part, out, task)


def _plain(text: str, part: email.message.Message, out: Builder, task: Task) -> None:
    """Plain text; lines that were broken to be sent are joined, and files that stand in it are attachments."""
    text = text.replace("\r\n", "\n")
    if str(part.get_param("format", "") or "").lower() == "flowed":
        joint = "" if str(part.get_param("delsp", "") or "").lower() == "yes" else " "
        text = re.sub(r"(?<!\n--) \n(?!>|-- ?\n|\n)", joint, text)
    files = list(_UUENCODED.finditer(text))
    plain.parse(_UUENCODED.sub("", text), out, task)
    for file in files:
        try:
            data = b"".join(binascii.a2b_uu(line) for line in file.group(2).splitlines())
        except binascii.Error as error:
            out.warn(tr("attachment {name}: {error}", name=file.group(1), error=error))
        else:
            attach(data, re.split(r"[\\/]", file.group(1))[-1], "", out, task)


def _attachment(part: email.message.Message, name: str, out: Builder, task: Task) -> None:
    kind = part.get_content_type()
    inline = not name and part.get_content_disposition() != "attachment"
    inline = inline and part.get_content_maintype() in {"image", "application"}
    if not inline and kind not in {"application/pgp-signature", "application/pkcs7-signature"}:
        attach(_payload(part), name or kind, kind, out, task, part.get_content_charset() or "")


def attach(data: bytes, name: str, mime: str, out: Builder, task: Task, charset: str = "") -> None:
    """Append a file that came with another one, under its name as a heading."""
    from nacre.documents.dispatch import parse_into

    out.attachments.append(name)
    sheet, out.sheet = out.sheet, name
    out.add("heading", name, min(6, 2 + task.depth))
    inner = replace(task, name=name, mime=mime, depth=task.depth + 1, password="")
    keep = out.title, out.pages, out.page, list(out.sheets), dict(out.metadata), dict(out.fields)
    out.title = out.title or name
    try:
        parse_into(data, out, inner, charset=charset)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # a broken attachment costs a warning, not the mail
        out.warn(tr("attachment {name}: {error}", name=name, error=error))
    finally:
        out.title, out.pages, out.page, out.sheets, out.metadata, out.fields = keep
        out.sheet = sheet


def file_name(part: email.message.Message) -> str:
    """The name of an attachment, decoded, without any path."""
    raw = part.get_filename()
    if not raw:
        return ""
    words = email.message.Message()
    words["n"] = raw
    name = header(words, "n")
    return re.split(r"[\\/]", name)[-1][:200]


_PROPERTIES = "__properties_version1.0"
_SUBJECT, _SENDER, _ADDRESS, _SMTP, _TO, _CC = "0037", "0C1A", "0C1F", "5D01", "0E04", "0E03"
_BODY, _HTML, _RTF, _NAME, _SHORT, _DATA, _MIME, _LABEL = "1000", "1013", "1009", "3707", "3704", "3701", "370E", "3001"
_SENT, _RECEIVED, _CODEPAGE, _BODY_CODEPAGE = 0x0039, 0x0E06, 0x3FFD, 0x3FDE
_FILETIME_EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)
_RTF_WORDS = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def _outlook(data: bytes, out: Builder, task: Task) -> None:
    """Read a message of Outlook's: the same as a mail, kept as properties in a compound file."""
    import olefile

    try:
        file = olefile.OleFileIO(io.BytesIO(data))
        entries = {"/".join(path): path for path in file.listdir()}
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise ParseError(damaged(error)) from error
    _Message(file, entries, "", 32).add(out, task)


class _Message:
    """A message, or one inside another, below a place in the file."""

    def __init__(self, file: Any, entries: dict[str, list[str]], place: str, head: int) -> None:
        self.file, self.entries, self.place = file, entries, place
        self.fixed = self.numbers(place, head)
        self.charset = self.page(_CODEPAGE)

    def page(self, tag: int) -> str:
        page = struct.unpack("<I", self.fixed.get(tag, b"\0" * 8)[:4])[0]
        return "utf-8" if page == 65001 else f"cp{page}" if 0 < page < 65000 else ""

    def numbers(self, place: str, head: int) -> dict[int, bytes]:
        """Properties of a fixed length, by their tag."""
        raw = self.read(place + _PROPERTIES)
        entries = (raw[at : at + 16] for at in range(head, len(raw) - 15, 16))
        return {struct.unpack_from("<H", entry, 2)[0]: entry[8:] for entry in entries}

    def read(self, name: str) -> bytes:
        path = self.entries.get(name)
        try:
            return b"" if path is None else self.file.openstream(path).read()
        except (OSError, ValueError, IndexError) as error:
            raise ParseError(damaged(error)) from error

    def text(self, tag: str, place: str | None = None) -> str:
        """A property of text, wide or in the message's charset."""
        at = f"{self.place if place is None else place}__substg1.0_{tag}"
        wide = self.read(f"{at}001F")
        if wide:
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        narrow = self.read(f"{at}001E").rstrip(b"\0")
        return decode(narrow, self.charset)[0] if narrow.strip() else ""

    def add(self, out: Builder, task: Task) -> None:
        task.check_depth()
        address = self.text(_SMTP) or self.text(_ADDRESS)
        sender = self.text(_SENDER)
        headers = {
            "From": f"{sender} <{address}>" if sender and "@" in address and address != sender else sender or address,
            "To": self.text(_TO),
            "Cc": self.text(_CC),
            "Date": self.date(),
            "Subject": self.text(_SUBJECT),
        }
        heads(headers, out, task)
        self.body(out, task)
        for place in sorted({name.partition("/")[0] for name in self.below() if name.startswith("__attach_")}):
            self.attachment(f"{self.place}{place}/", out, task)

    def below(self) -> list[str]:
        return [name.removeprefix(self.place) for name in self.entries if name.startswith(self.place)]

    def date(self) -> str:
        raw = self.fixed.get(_SENT) or self.fixed.get(_RECEIVED) or b"\0" * 8
        ticks = struct.unpack("<Q", raw)[0]
        try:
            sent = _FILETIME_EPOCH + datetime.timedelta(microseconds=ticks // 10)
            return sent.isoformat(" ", "seconds") if ticks else ""
        except OverflowError:
            return ""

    def body(self, out: Builder, task: Task) -> None:
        """HTML before plain text, which Outlook makes from it and in which tables are lost; else the RTF."""
        page = self.read(f"{self.place}__substg1.0_{_HTML}0102")
        markup = decode(page, self.page(_BODY_CODEPAGE))[0] if page.strip() else self.text(_HTML)
        words = self.text(_BODY)
        if markup.strip():
            title = out.title
            html.parse(markup, out, task)
            out.title = title
        elif words.strip():
            plain.parse(words, out, task)
        elif packed := self.read(f"{self.place}__substg1.0_{_RTF}0102"):
            rtf.parse(unpack_rtf(packed, task.limits.unpacked_bytes), out, task)

    def attachment(self, place: str, out: Builder, task: Task) -> None:
        inner = f"{place}__substg1.0_{_DATA}000D/"
        if any(name.startswith(inner) for name in self.entries):
            out.attachments += filter(None, [self.text(_LABEL, place)])
            _Message(self.file, self.entries, inner, 24).add(out, replace(task, depth=task.depth + 1))
            return
        data = self.read(f"{place}__substg1.0_{_DATA}0102")
        name = self.text(_NAME, place) or self.text(_SHORT, place) or self.text(_LABEL, place)
        mime = self.text(_MIME, place)
        # Pictures that the body shows are no documents.
        if data and not (mime.startswith("image/") and self.text("3712", place)):
            attach(data, name, mime, out, task)


def unpack_rtf(data: bytes, most: int) -> bytes:
    """RTF as Outlook packs it ([MS-OXRTFCP]): words that were seen before are named by their place."""
    if len(data) < 16:
        return b""
    size, form = struct.unpack_from("<I4s", data, 4)
    if form == b"MELA":
        return data[16 : 16 + size]
    window = bytearray(_RTF_WORDS.ljust(4096, b"\0"))
    at, out, place = 16, bytearray(), len(_RTF_WORDS)
    while at < len(data) and len(out) < min(size, most):
        flags, at = data[at], at + 1
        for bit in range(8):
            if flags >> bit & 1:
                if at + 2 > len(data):
                    return bytes(out)
                pair = data[at] << 8 | data[at + 1]
                at += 2
                if pair >> 4 == place:
                    return bytes(out)
                piece = bytearray()
                for n in range((pair & 15) + 2):
                    byte = window[(pair >> 4) + n & 4095]
                    piece.append(byte)
                    window[place], place = byte, place + 1 & 4095
                out += piece
            elif at < len(data):
                out.append(data[at])
                window[place], place, at = data[at], place + 1 & 4095, at + 1
    return bytes(out)
