"""Mails: headers in any charset, alternatives, attachments of any format, mailboxes, and nests without end."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from nacre.documents import ParsedDocument, parse
from nacre.errors import ParseError


def texts(document: ParsedDocument, kind: str) -> list[str]:
    return [document.text[block.start : block.end] for block in document.blocks if block.kind == kind]


def mail(subject: str = "预算", body: str = "正文在此。") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "王伟 <wang@example.cn>"
    message["To"] = "team@example.cn"
    message["Subject"] = subject
    message["Date"] = "Mon, 06 May 2024 09:30:00 +0800"
    message.set_content(body)
    return message


def test_headers_body_and_attachments_of_every_format() -> None:
    message = mail()
    message.add_alternative("<p>正文在此。</p>", subtype="html")
    message.add_attachment("合同编号 HT-1".encode("gb18030"), maintype="text", subtype="plain", filename="合 同.txt")
    message.add_attachment(
        "城市,标准\n北京,600\n".encode(), maintype="application", subtype="octet-stream", filename="rates.csv"
    )
    message.add_attachment(b"\x89PNG\r\n\x1a\n....", maintype="image", subtype="png", filename="scan.png")
    document = parse(bytes(message), name="a.eml")
    assert document.title == document.metadata["Subject"] == "预算"
    assert document.metadata["From"] == "王伟 <wang@example.cn>"
    assert texts(document, "meta")[0].startswith("From: 王伟 <wang@example.cn>\nTo: team@example.cn\nDate: Mon")
    assert texts(document, "paragraph") == ["正文在此。", "合同编号 HT-1"]
    assert document.attachments == ("合 同.txt", "rates.csv", "scan.png")
    assert document.tables[0].sheet == "rates.csv" and document.tables[0].header == ("城市", "标准")
    assert any("scan.png" in warning for warning in document.warnings)


def test_raw_bytes_in_headers_and_a_lying_charset() -> None:
    raw = "From: 王伟 <a@b.cn>\nTo: c@d.cn\nSubject: 关于五月预算的通知\nContent-Type: text/plain; charset=us-ascii\n\n五月预算为人民币十二万元。".encode(
        "gb18030"
    )
    document = parse(raw, name="a.eml")
    assert document.title == "关于五月预算的通知"
    assert texts(document, "paragraph") == ["五月预算为人民币十二万元。"]


def test_of_alternatives_the_rich_one_wins_over_a_stub() -> None:
    message = mail(body="View in browser")
    message.add_alternative("<p>" + "The whole story. " * 100 + "</p>", subtype="html")
    assert "The whole story." in parse(bytes(message), name="a.eml").text


def test_a_mailbox_is_its_mails() -> None:
    box = b"".join(
        b"From a@b Mon May  6 09:30:00 2024\n" + bytes(mail(f"Mail {n}", f"Body {n}")) + b"\n" for n in range(3)
    )
    document = parse(box, name="archive.mbox")
    assert document.mime == "application/mbox"
    assert texts(document, "heading") == ["Mail 0", "Mail 1", "Mail 2"]
    assert texts(document, "paragraph") == ["Body 0", "Body 1", "Body 2"]


def nested(levels: int) -> bytes:
    message = mail("core", "secret")
    for level in range(levels):
        outer = mail(f"level {level}")
        outer.add_attachment(message)
        message = outer
    return bytes(message)


def raw_nested(levels: int) -> bytes:
    body = b"Subject: core\nFrom: a@b.c\nTo: a@b\n\nsecret\n"
    for level in range(levels):
        body = b"Subject: l%d\nFrom: a@b.c\nTo: a@b\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" % level + body
    return body


def test_a_few_levels_are_read() -> None:
    document = parse(nested(5), name="a.eml")
    assert "secret" in document.text
    assert max(block.level for block in document.blocks if block.kind == "heading") == 6


@pytest.mark.parametrize("levels", [13, 200, 3000])
def test_endless_nests_are_refused(levels: int) -> None:
    with pytest.raises(ParseError, match="nested"):
        parse(raw_nested(levels), name="a.eml")


def test_an_attachment_cannot_name_a_path() -> None:
    message = mail()
    message.add_attachment(b"x y z", maintype="text", subtype="plain", filename="../../etc/passwd")
    assert parse(bytes(message), name="a.eml").attachments == ("passwd",)
