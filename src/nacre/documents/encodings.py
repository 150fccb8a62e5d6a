"""Which charset a text file is written in, found from its bytes.

East Asian charsets overlap almost wholly, so "it decodes" proves nothing. What tells them apart: each charset puts the
few thousand characters that make up nearly all text into one zone of its table, which Latin text read as any of them
misses; and of two charsets whose zones a text hits, the right one turns it into the characters that its language uses
most, the wrong one into rare ones. A name of two characters is enough.

`common_characters.txt` holds simplified and traditional Chinese, kanji and Hangul, a line each: the most frequent ones
of jieba's dictionary (MIT), the same in their traditional and Japanese forms by OpenCC's tables (Apache-2.0), with the
kanji of JIS level 1 that Chinese standards lack, and syllables of the letters that nearly all text is made of.
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from collections import Counter
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple

from nacre.documents.lists import pairs
from nacre.errors import ParseError
from nacre.text.language import tr

_SAMPLE = 1 << 18
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
# Labels as files write them, to the superset that really decodes what such files hold.
_SUPERSETS = pairs("charset-supersets")
_WEAK = {"cp1252", "cp1254"}
# The letters of languages beyond ASCII, the most frequent first, by the charset; of two that fit alike, the first one.
_LETTERS = {codec: said.split(",") for codec, said in pairs("charset-letters").items()}
_BETTER = 0.15  # by how much, a letter, a charset must fit better than one before it
_MARKS = "–—‘’“”„…•·«»‹›€£§°©®™№\u00a0²³½%،؛؟"


class _Zone(NamedTuple):
    """The bytes of which running text is made, and the least share of them that `line` of the common characters has."""

    codec: str
    pattern: re.Pattern[bytes]
    common: re.Pattern[bytes]
    typical: float
    line: int


_DOUBLE_GB = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]|[\x80-\xff]", re.S)
_DOUBLE_BIG5 = re.compile(rb"[\x81-\xfe][\x40-\x7e\xa1-\xfe]|[\x80-\xff]", re.S)
_DOUBLE_JIS = re.compile(rb"[\x81-\x9f\xe0-\xfc][\x40-\x7e\x80-\xfc]|[\x80-\xff]", re.S)
_DOUBLE_EUC = re.compile(rb"[\xa1-\xfe][\xa1-\xfe]|\x8e[\xa1-\xdf]|[\x80-\xff]", re.S)
_ZONES = (
    _Zone("gb18030", _DOUBLE_GB, re.compile(rb"[\xb0-\xd7][\xa1-\xfe]|[\xa1\xa3][\xa1-\xfe]"), 0.60, 0),
    _Zone("big5hkscs", _DOUBLE_BIG5, re.compile(rb"[\xa4-\xc6][\x40-\xfe]|[\xa1-\xa3][\x40-\xfe]"), 0.60, 1),
    _Zone("euc_jp", _DOUBLE_EUC, re.compile(rb"[\xa1\xa3-\xa5\xb0-\xcf][\xa1-\xfe]"), 0.60, 2),
    _Zone("cp932", _DOUBLE_JIS, re.compile(rb"[\x81-\x83\x88-\x97][\x40-\xfc]|\x98[\x40-\x72]"), 0.60, 2),
    _Zone("cp949", _DOUBLE_EUC, re.compile(rb"[\xb0-\xc8][\xa1-\xfe]|[\xa1-\xa3][\xa1-\xfe]"), 0.90, 3),
)
# How much of a language's text is made of what, and of how many characters that is: Han or Hangul that are common,
# signs, hiragana, katakana, half-width kana, and the rest.
_SHARES = {
    0: (0.85 / 1600, 0.1 / 100, 1e-6, 1e-6, 1e-7, 4e-6),
    1: (0.85 / 1600, 0.1 / 100, 1e-6, 1e-6, 1e-7, 4e-6),
    2: (0.35 / 1400, 0.1 / 100, 0.4 / 86, 0.12 / 86, 1e-4, 4e-6),
    3: (0.90 / 1200, 0.1 / 100, 1e-6, 1e-6, 1e-7, 1e-5),
}
_USUAL = re.compile("[\n\r\t\x20-\x7f\u3000-\u30ff\uff00-\uff65]")
_LETTER = re.compile("[\u4e00-\u9fff\uac00-\ud7a3\u00a1-\u04ff]")
_LEAST = -10.0  # mean logarithm of the chance of a character; a text of random characters stays below
# A letter beyond ASCII within a word of Latin ones.
_LATIN = re.compile(rb"(?<=[A-Za-z])[\x80-\xff](?=[a-z])")
# English with the quotation marks and dashes of Windows: each a lead byte of Shift-JIS, and a letter after it.
_QUOTED = re.compile(rb"[\x85\x91-\x97](?=[ -~\r\n]|$)")
_KOI8 = re.compile(rb"[\xe0-\xff]?[\xc0-\xdf]+|[\xe0-\xff]+")  # a word: Russian small letters lie in GB's common zone


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """Text from bytes, and its charset; one that the file or its carrier declares is believed only when it fits."""
    for bom, name in _BOMS:
        if data.startswith(bom):
            return data.decode(name, "replace"), name
    label = _codec(declared)
    # "ASCII" and "Latin-1" fit any bytes, so they are what a careless mailer writes over Chinese.
    sure = "" if label in _WEAK else label
    # Valid UTF-8 is UTF-8 whatever the label says; only the seven-bit charsets look like ASCII.
    first = (sure,) if sure.startswith(("iso2022", "hz", "utf-7")) else _seven_bit(data)
    for name in (*first, "utf-8", sure):
        text = _strict(data, name) if name else None
        if text is not None and "\x00" not in text:
            return text, name
    wide = _utf32_without_bom(data) or _utf16_without_bom(data)
    if wide:
        return data.decode(wide, "replace"), wide
    if is_binary(data):
        raise ParseError(tr("it holds binary data, not text; export it as .txt, .pdf or .docx"))
    name = _east_asian(data) or _cut_utf8(data) or label or _single_byte(data)
    return data.decode(name, "replace"), name


def is_binary(data: bytes) -> bool:
    """Whether bytes hold controls that no text holds."""
    sample = data[:_SAMPLE]
    controls = len(sample) - len(sample.translate(None, bytes({*range(32)} - {*range(8, 14), 26, 27})))
    return b"\x00" in sample or controls * 100 > len(sample)


def _codec(label: str) -> str:
    try:
        name = codecs.lookup(label.strip().strip("\"'")).name if label else ""
    except (LookupError, ValueError, UnicodeError):
        return ""
    said = codecs.lookup(name or "utf-8")._is_text_encoding
    escapes = name in {"unicode_escape", "raw_unicode_escape", "idna", "punycode"}
    return _SUPERSETS.get(name, name) if said and not escapes else ""


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None


def _seven_bit(data: bytes) -> tuple[str, ...]:
    """Charsets that write everything in ASCII bytes, where their marks stand in the text."""
    if b"\x1b$" in data and data.isascii():
        return ("iso2022_kr",) if b"\x0e" in data else ("iso2022_jp_2", "iso2022_jp_ext")
    if b"~{" in data and b"~}" in data and (text := _strict(data, "hz")) is not None:
        return ("hz",) if sum(not c.isascii() for c in text) > 1 and _chance(text, 0) > _LEAST else ()
    return ()


def _utf32_without_bom(data: bytes) -> str:
    """Every fourth byte of UTF-32 is zero and the third at most 16, which nothing else is by accident."""
    if len(data) % 4 or len(data) < 8:
        return ""
    return next((name for name in ("utf-32-le", "utf-32-be") if "\x00" not in (_strict(data, name) or "\x00")), "")


def _utf16_without_bom(data: bytes) -> str:
    sample = data[: _SAMPLE & ~1]
    if len(sample) < 4 or len(data) % 2:
        return ""
    best, name = 0.9, ""
    for codec in ("utf-16-le", "utf-16-be"):
        text = sample.decode(codec, "replace")
        # Common in any language: ASCII, CJK punctuation and ideographs, kana, Hangul, Latin and Cyrillic letters.
        usual, letters = len(_USUAL.findall(text)), len(_LETTER.findall(text))
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
    sample = data[:_SAMPLE]
    high = len(sample) - len(sample.translate(None, bytes(range(128, 256))))
    if not high:
        return ""
    if len(_QUOTED.findall(sample)) * 10 > 9 * high or len(_LATIN.findall(sample)) * 10 > 6 * high:
        return ""
    words = re.findall(rb"[\x80-\xff]+", sample)
    if high >= 10 and all(map(_KOI8.fullmatch, words)):
        return ""
    best, name = _LEAST, ""
    for zone in _ZONES:
        text = sample.decode(zone.codec, "replace")
        # A file that was cut in the middle of a character has one place that cannot be decoded.
        if text.count("\ufffd") > 1 + len(text) // 1000:
            continue
        units = Counter(zone.pattern.findall(sample))
        share = sum(times for unit, times in units.items() if zone.common.fullmatch(unit)) / units.total()
        if share < zone.typical:
            continue
        chance = _chance(text, zone.line)
        if chance > best:
            best, name = chance, zone.codec
    return name


@cache
def _common() -> tuple[frozenset[str], ...]:
    lines = (files("nacre.documents") / "common_characters.txt").read_text("utf-8").splitlines()
    return tuple(map(frozenset, lines))


def _chance(text: str, line: int) -> float:
    """How likely a text is in a language: the mean logarithm over its characters beyond ASCII."""
    common, shares = _common()[line], [math.log(share) for share in _SHARES[line]]
    total, count = 0.0, 0
    for char, times in Counter(text).items():
        if not char.isascii():
            count += times
            total += times * shares[_sort(char, common)]
    return total / max(1, count)


def _sort(char: str, common: frozenset[str]) -> int:
    """Which of the `_SHARES` a character belongs to."""
    if char in common:
        return 0
    if "\u2010" <= char <= "\u2026" or "\u3000" <= char <= "\u3015" or "\uff01" <= char <= "\uff5e" or char in "·ー":
        return 1
    return 2 if "ぁ" <= char <= "ん" else 3 if "ァ" <= char <= "ヶ" else 4 if "\uff61" <= char <= "\uff9f" else 5


def _single_byte(data: bytes) -> str:
    """The charset of one byte a character whose letters are the frequent ones of a language that is written in it."""
    sample = data[: 1 << 14]
    best, name = -math.inf, "cp1252"
    mixed = len(_LATIN.findall(sample))
    for codec, languages in _LETTERS.items():
        text = _strict(sample, codec)
        if text is None or _strict(data, codec) is None:
            continue
        found = Counter(char for char in text.replace("İ", "ı").lower() if not char.isascii())
        # A capital behind a small letter is what another charset makes of a small one.
        wrong = sum(b.isupper() and a.islower() and not b.isascii() for a, b in pairwise(text))
        score = max(sum(times * _likely(char, letters) for char, times in found.items()) for letters in languages)
        score -= 5 * wrong + 5 * mixed * (languages[0][0] > "\u0370")  # no word mixes two scripts
        if score > best + _BETTER * (5 + found.total()):
            best, name = score, codec
    return name if _strict(data, name) is not None else "latin-1"


def _likely(char: str, letters: str) -> float:
    """The logarithm of how often a character stands in a language, by its place among the letters beyond ASCII."""
    place = letters.find(char)
    if place >= 0:
        return -math.log((place + 3) * math.log(1 + len(letters) / 3))
    return -4.0 if char in _MARKS else -14.0 if unicodedata.category(char) == "Cc" else -9.0
