"""White space made right for both languages, characters that mean another one, and looks told in plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

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


_ORDINAL = re.compile(r"(?:st|nd|rd|th|e|er|re|ère|ème|nd|os?|as?|º|ª)\.?", re.I)
_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_ONE = re.compile(r"[-+−±]?(?:\w+|\d+[.,/]\d+)|\W", re.U)
_SIGNS = {"TM": "™", "SM": "℠", "(R)": "®", "(C)": "©"}
_POWER = re.compile(r"(?:^|[^\w.,])10$|(?:^|[\s\d(/·×])(?:[kcmdµμn]?m|ft|in|s|[a-z])$")  # 10^6, m^2, x^2
_BEFORE = re.compile(r"[\w)\]}%‰°′″”’»》」』）】;.,。，；:!?！？]\s?$")


def raised(text: str, before: str = "") -> str:
    """A superscript behind some text: 10^6, m^2, x^(n+1); endings such as 1st and signs such as ™ stay as they are."""
    said = text.strip()
    if not said or not _BEFORE.search(before):
        return f"{text} " if said.isalnum() else text
    if said.upper() in _SIGNS:
        return _SIGNS[said.upper()]
    if before[-1].isdigit() and _ORDINAL.fullmatch(said):
        return text
    told = said[0] in "[［〔(（^" or unicodedata.decomposition(said[0]).startswith("<circle>")
    if told or not any(map(str.isalnum, said)):
        return text
    return "^" + (said if _ONE.fullmatch(said) else f"({said})") + (" " if text[-1].isspace() else "")


def noted(text: str) -> str:
    """The mark of a note, which is no power of what stands before it: [2]."""
    said = text.strip()
    return f"[{said}]" if said and said.isalnum() else text


def lowered(text: str) -> str:
    """A subscript: H₂O, x_i, x_(n+1)."""
    said = text.strip()
    if not said:
        return text
    small = said.translate(_LOWERED)
    if not any(map(str.isalnum, said)) or re.fullmatch("[₀-₎]+", small):
        return small
    return "_" + (said if _ONE.fullmatch(said) else f"({said})")


def struck(text: str) -> str:
    """Text that is crossed out, as Markdown writes it."""
    said = text.strip()
    return text.replace(said, f"~~{said}~~") if said and not said.startswith("~~") else text


class Piece(NamedTuple):
    """Some words, and how they look."""

    text: str
    place: str = ""
    struck: bool = False


def marked(pieces: Iterable[Piece]) -> str:
    """Pieces as plain text, with the marks of what is raised, lowered or struck."""
    pieces = list(pieces)
    if not any(place or strike for _, place, strike in pieces):  # nearly always
        return "".join([piece.text for piece in pieces])
    said: list[str] = []
    for (place, strike), group in groupby(pieces, key=lambda piece: piece[1:]):
        words = "".join(piece.text for piece in group)
        before = "".join(said[-2:])
        if place == "mark" or (place == "maybe mark" and not _POWER.search(before)):
            words = noted(words) if before.strip() else words
        elif place in {"superscript", "maybe mark"}:
            words = raised(words, before)
        elif place == "subscript":
            words = lowered(words)
        said.append(struck(words) if strike else words)
    return "".join(said).replace("~~~~", "")


def told(text: str, look: str, before: str = "") -> str:
    """Text that looks "super", "sub" or "strike"; any other as it is."""
    if look == "super":
        return raised(text, before)
    return lowered(text) if look == "sub" else struck(text) if look == "strike" else text


def joined_strikes(text: str) -> str:
    """Neighbouring struck pieces as one."""
    return text.replace("~~~~", "")
