"""White space made right for both languages, and characters that mean another one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from nacre.text.han import HAN, IDEOGRAPHS, KANA
from nacre.text.hygiene import TERMINAL

_CJK = rf"\u2e80-\u303f{KANA}{IDEOGRAPHS}\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
_ENDS_CJK = re.compile(f"[{_CJK}]$")
_STARTS_CJK = re.compile(f"^[{_CJK}]")
# Controls, zero-width marks, soft hyphens, byte-order marks, non-characters and half a surrogate pair.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff]" + TERMINAL
)
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPREAD = re.compile(rf"[{HAN}](?:\s+[{HAN}])+")
_RUN = re.compile(r"\s+")
# Presentation forms that only PDF fonts use: Latin ligatures, Kangxi radicals, compatibility ideographs, Arabic shapes.
_PRESENTATION = re.compile("[\ufb00-\ufb06\u2e80-\u2fdf\uf900-\ufaff\ufb50-\ufbff\ufe70-\ufefc]")


def clean(text: str) -> str:
    """Newlines become "\\n", invisible characters go; nothing else changes."""
    return _INVISIBLE.sub("", _BREAKS.sub("\n", text))


def collapse(text: str) -> str:
    """Every run of white space as one space, and none where a line broke between Chinese characters."""
    if "\n" not in text:
        return _RUN.sub(" ", text).strip()
    return join_lines(text.split("\n"))


def join_lines(lines: Iterable[str]) -> str:
    """Lines of one paragraph joined: by a space, or by nothing where both sides are Chinese or Japanese."""
    joined: list[str] = []
    for line in lines:
        line = _RUN.sub(" ", line).strip()
        if not line:
            continue
        if joined and not (_ENDS_CJK.search(joined[-1]) and _STARTS_CJK.match(line)):
            joined.append(" ")
        joined.append(line)
    return "".join(joined)


def unspread(text: str) -> str:
    """A short Chinese label that was spread with blanks to fill its place: together again."""
    return re.sub(r"\s", "", text) if len(text) <= 20 and _SPREAD.fullmatch(text) else text


def is_cjk(char: str) -> bool:
    """Whether a character is Chinese or Japanese, signs and full-width forms included."""
    return _ENDS_CJK.match(char) is not None


def plain_forms(text: str) -> str:
    """Ligatures and radicals as the letters and characters that they stand for."""
    return _PRESENTATION.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
