"""Mails and mailboxes: headers, the body (plain text before HTML), and every attachment by its own parser."""

from __future__ import annotations

import email
import email.errors
import email.header
import email.message
import re
from collections.abc import Iterator
from dataclasses import replace

from nacre.documents import html, plain
from nacre.documents.builder import Builder
from nacre.documents.encodings import decode
from nacre.documents.limits import Task
from nacre.documents.normalise import collapse
from nacre.errors import ParseError
from nacre.text.language import tr

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_MBOX = re.compile(rb"^From [^\n]*\n(?=[A-Za-z-]+:)", re.M)


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read a mail (.eml) or a mailbox (.mbox).

    Args:
        task: limits; mails inside mails count as depth.
    """
    if not data.startswith(b"From "):
        _mail(data, out, task)
        return
    starts = [found.start() for found in _MBOX.finditer(data)]
    for first, last in zip(starts, [*starts[1:], len(data)], strict=True):
        _mail(data[first:last].partition(b"\n")[2], out, task, many=len(starts) > 1)


def _mail(data: bytes, out: Builder, task: Task, many: bool = False) -> None:
    message = email.message_from_bytes(data)
    _message(message, out, task, many)


def _too_deep(task: Task) -> str:
    most = task.limits.depth
    return tr("mails or attachments are nested more than {most} levels deep", most=most)


def _message(message: email.message.Message, out: Builder, task: Task, many: bool = False) -> None:
    if task.depth > task.limits.depth:
        raise ParseError(_too_deep(task))
    headers = {name: header(message, name) for name in _SHOWN}
    subject = headers["Subject"]
    if task.depth == 0 and not many:
        out.title = out.title or subject
        out.metadata |= {
            name: header(message, name)
            for name in dict.fromkeys([*_SHOWN, *(k.title() for k in message)])
            if header(message, name)
        }
    if subject:
        out.add("heading", subject, min(6, 1 + task.depth))
    out.add("meta", "\n".join(f"{name}: {value}" for name, value in headers.items() if value))
    for part in _parts(message, out):
        _part(part, out, task)


def header(message: email.message.Message, name: str) -> str:
    """One header, decoded whatever its charset.

    Returns:
        Its value, folded lines joined; empty when missing.
    """
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


def _parts(message: email.message.Message, out: Builder) -> Iterator[email.message.Message]:
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
    texts = {part.get_content_type(): part for part in parts}
    words, page = texts.get("text/plain"), texts.get("text/html")
    if words is None or page is None:
        return parts
    # Some mailers leave the plain part empty or put "view this in a browser" there.
    rich, poor = len(_payload(page)), len(_payload(words).strip())
    return [part for part in parts if part is not (words if poor * 40 < rich and poor < 200 else page)]


def _payload(part: email.message.Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _part(part: email.message.Message, out: Builder, task: Task) -> None:
    name, kind = file_name(part), part.get_content_type()
    if kind == "message/rfc822":
        inner = part.get_payload()
        if isinstance(inner, list) and inner and isinstance(inner[0], email.message.Message):
            if name:
                out.attachments.append(name)
            _message(inner[0], out, replace(task, depth=task.depth + 1))
    elif name or part.get_content_disposition() == "attachment" or part.get_content_maintype() != "text":
        _attachment(part, name, out, task)
    else:
        text, out.encoding = (
            decode(_payload(part), part.get_content_charset() or "") if _payload(part).strip() else ("", out.encoding)
        )
        (html if kind == "text/html" else plain).parse(text, out, task)


def _attachment(part: email.message.Message, name: str, out: Builder, task: Task) -> None:
    from nacre.documents.dispatch import parse_into

    inline = (
        part.get_content_disposition() != "attachment"
        and part.get_content_maintype() in {"image", "application"}
        and not name
    )
    if inline or part.get_content_type() in {"application/pgp-signature", "application/pkcs7-signature"}:
        return
    name = name or part.get_content_type()
    out.attachments.append(name)
    sheet, out.sheet = out.sheet, name
    out.add("heading", name, min(6, 2 + task.depth))
    inner = replace(task, name=name, mime=part.get_content_type(), depth=task.depth + 1, password="")
    keep = out.title, out.pages, out.page, list(out.sheets)
    out.title = out.title or name
    try:
        parse_into(_payload(part), out, inner, charset=part.get_content_charset() or "")
    except (MemoryError, RecursionError):
        raise
    except Exception as error:  # a broken attachment costs a warning, not the mail
        out.warn(tr("attachment {name}: {error}", name=name, error=error))
    finally:
        out.title, out.pages, out.page, out.sheets = keep
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
