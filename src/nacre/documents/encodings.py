"""Which charset a text file is written in, found from its bytes.

East Asian charsets overlap almost wholly, so "it decodes" proves nothing. What tells them apart is where running text
lies: each charset puts the few thousand characters that make up nearly all text into one zone of its table (GB 2312 and
Big5 level 1, the Hangul rows of KS X 1001, kana and level 1 of JIS X 0208). The charset whose common zone holds the
largest share of the characters is the one; Latin text read as any of them falls outside all zones.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from nacre.errors import ParseError
from nacre.text.language import tr

_SAMPLE = 1 << 18
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Labels as files write them, to the superset that really decodes what such files hold.
_SUPERSETS = {
    "gb2312": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "hz": "hz", "big5": "big5hkscs", "cp950": "big5hkscs",
    "shift_jis": "cp932", "euc_kr": "cp949", "iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254",
}  # fmt: skip
_WEAK = {"cp1252", "cp1254"}


@dataclass(frozen=True)
class _Zone:
    """The lead bytes (and trail bytes) of double-byte characters that running text is made of."""

    codec: str
    pattern: re.Pattern[bytes]
    common: re.Pattern[bytes]
    typical: float


_DOUBLE_GB = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]|[\x80-\xff]", re.S)
_DOUBLE_BIG5 = re.compile(rb"[\x81-\xfe][\x40-\x7e\xa1-\xfe]|[\x80-\xff]", re.S)
_DOUBLE_JIS = re.compile(rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]|[\x80-\xff]", re.S)
_DOUBLE_EUC = re.compile(rb"[\xa1-\xfe][\xa1-\xfe]|\x8e[\xa1-\xdf]|[\x80-\xff]", re.S)
# `typical`: the least share of the common zone in real text. Order matters where one zone lies in another:
# Hangul rows are inside GB 2312 level 1, but Chinese never stays inside them.
_ZONES = (
    _Zone("cp949", _DOUBLE_EUC, re.compile(rb"[\xb0-\xc8][\xa1-\xfe]|[\xa1-\xa3][\xa1-\xfe]"), 0.97),
    _Zone("euc_jp", _DOUBLE_EUC, re.compile(rb"[\xa4\xa5][\xa1-\xf6]"), 0.35),
    _Zone("cp932", _DOUBLE_JIS, re.compile(rb"\x82[\x9f-\xf1]|\x83[\x40-\x96]"), 0.30),
    _Zone("gb18030", _DOUBLE_GB, re.compile(rb"[\xb0-\xd7][\xa1-\xfe]|[\xa1\xa3][\xa1-\xfe]"), 0.80),
    _Zone(
        "big5hkscs", _DOUBLE_BIG5, re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]|[\xa1-\xa3][\x40-\x7e\xa1-\xfe]"), 0.80
    ),
)


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """Text from bytes of unknown charset.

    Args:
        declared: the charset that the file or its carrier claims; believed only when it fits.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data.decode(name, "replace"), name
    label = _codec(declared)
    # "ASCII" and "Latin-1" fit any bytes, so they are what a careless mailer writes over Chinese.
    sure = "" if label in _WEAK else label
    # Valid UTF-8 is UTF-8 whatever the label says; only the seven-bit charsets look like ASCII.
    for name in (sure, "utf-8") if sure.startswith(("iso2022", "hz")) else ("utf-8", sure):
        text = _strict(data, name) if name else None
        if text is not None and "\x00" not in text:
            return text, name
    wide = _utf16_without_bom(data)
    if wide:
        return data.decode(wide, "replace"), wide
    if is_binary(data):
        raise ParseError(tr("it holds binary data, not text"))
    name = _east_asian(data) or _cut_utf8(data) or label or _single_byte(data)
    return data.decode(name, "replace"), name


def is_binary(data: bytes) -> bool:
    """Whether bytes hold controls that no text holds.

    Args:
        data: the file, or its beginning; UTF-16 must have been ruled out before.

    Returns:
        True for more than one control byte in a hundred, or any NUL.
    """
    sample = data[:_SAMPLE]
    controls = len(sample) - len(
        sample.translate(
            None, b"\x00\x01\x02\x03\x04\x05\x06\x07\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1c\x1d\x1e\x1f"
        )
    )
    return b"\x00" in sample or controls * 100 > len(sample)


def _codec(label: str) -> str:
    try:
        name = codecs.lookup(label.strip().strip("\"'")).name if label else ""
    except (LookupError, ValueError, UnicodeError):
        return ""
    if (
        name in {"utf-7", "unicode_escape", "raw_unicode_escape", "idna", "punycode"}
        or not codecs.lookup(name or "utf-8")._is_text_encoding
    ):
        return ""
    return _SUPERSETS.get(name, name)


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None


def _utf16_without_bom(data: bytes) -> str:
    sample = data[: _SAMPLE & ~1]
    if len(sample) < 4 or len(data) % 2:
        return ""
    best, name = 0.9, ""
    for codec in ("utf-16-le", "utf-16-be"):
        text = sample.decode(codec, "replace")
        # Common in any language: ASCII, CJK punctuation and ideographs, kana, Hangul, Latin and Cyrillic letters.
        usual = sum(
            (c.isascii() and (c >= " " or c in "\n\r\t")) or "\u3000" <= c <= "\u30ff" or "\uff00" <= c <= "\uff65"
            for c in text
        )
        letters = sum("\u4e00" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7a3" or "\u00a0" < c <= "\u04ff" for c in text)
        share = (usual + letters) / len(text)
        # Without any blank, newline or usual sign it is more likely two single bytes read as one ideograph.
        if usual * 40 >= len(text) and share > best:
            best, name = share, codec
    return name


def _cut_utf8(data: bytes) -> str:
    text = data[:_SAMPLE].decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    return "utf-8" if wrong * 50 < sum(not c.isascii() for c in text) else ""


def _east_asian(data: bytes) -> str:
    best, name = 0.0, ""
    for zone in _ZONES:
        units = zone.pattern.findall(data[:_SAMPLE])
        if not units or _broken(data, zone.codec):
            continue
        share = sum(zone.common.fullmatch(unit) is not None for unit in units) / len(units)
        if share / zone.typical >= 1 and (zone.codec in {"cp949", "euc_jp", "cp932"} or share > best):
            best, name = share, zone.codec
            if zone.codec in {"cp949", "euc_jp", "cp932"}:
                return name
    return name


def _broken(data: bytes, codec: str) -> bool:
    """More than one undecodable place in a thousand characters (a file cut in the middle of a character has one)."""
    text = data[:_SAMPLE].decode(codec, "replace")
    return text.count("\ufffd") > 1 + len(text) // 1000


def _single_byte(data: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = data[: 1 << 15]
    found = from_bytes(
        sample, cp_isolation=["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"]
    ).best()
    name = found.encoding if found else "cp1252"
    return name if _strict(data, name) is not None else "latin-1"
