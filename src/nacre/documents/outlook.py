"""Outlook's messages (.msg): the same as a mail, kept as properties in a compound file."""

from __future__ import annotations

import datetime
import io
import struct
from dataclasses import replace
from typing import Any

from nacre.documents import html, plain, rtf
from nacre.documents.document import Builder
from nacre.documents.encodings import decode
from nacre.documents.limits import Task
from nacre.documents.mail import attach, heads
from nacre.documents.ooxml import damaged
from nacre.errors import ParseError

_PROPERTIES = "__properties_version1.0"
_SUBJECT, _SENDER, _ADDRESS, _SMTP, _TO, _CC = "0037", "0C1A", "0C1F", "5D01", "0E04", "0E03"
_BODY, _HTML, _RTF, _NAME, _SHORT, _DATA, _MIME, _SHOWN = "1000", "1013", "1009", "3707", "3704", "3701", "370E", "3001"
_SENT, _RECEIVED, _CODEPAGE, _BODY_CODEPAGE = 0x0039, 0x0E06, 0x3FFD, 0x3FDE
_FILETIME_EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)
_RTF_WORDS = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a message."""
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
            out.attachments += filter(None, [self.text(_SHOWN, place)])
            _Message(self.file, self.entries, inner, 24).add(out, replace(task, depth=task.depth + 1))
            return
        data = self.read(f"{place}__substg1.0_{_DATA}0102")
        name = self.text(_NAME, place) or self.text(_SHORT, place) or self.text(_SHOWN, place)
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
