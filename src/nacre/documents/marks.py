"""What letters look like, told in plain text: raised, lowered, struck."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

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
