"""Who judges what is said: the protocol of a moderator, and one that goes by patterns, in English and Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol, runtime_checkable

import yaml

# Invisible characters that split words for a pattern but not for a reader.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_PIECE, _OVERLAP = 16_000, 2000  # characters


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a moderator says about a text.

    Args:
        categories: what was found in it; there may be some in a text that passes.
    """

    flagged: bool
    categories: tuple[str, ...] = ()


@runtime_checkable
class Moderator(Protocol):
    """Judges texts. It may do I/O: `Moderation` calls it off the event loop."""

    def check(self, text: str) -> Verdict:
        """Judge a text."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern."""

    category: str
    pattern: re.Pattern[str]
    flag: bool
    case: bool = False
    check: Callable[[str], bool] | None = None

    def matches(self, text: str) -> bool:
        """Whether the rule applies to a text, normalised as `RuleModerator` does."""
        found = self.pattern.finditer(text)
        return any(self.check is None or self.check(match[0]) for match in found)


class RuleModerator:
    """Finds secrets, personal data and a few unmistakable requests by patterns.

    It knows key formats, card numbers (with their check digit), Chinese identity numbers (with theirs), requests for
    weapons or self-harm in plain words, and phrases of prompt injection (reported, not flagged). What takes
    understanding it cannot judge: use a moderation model for that.

    Args:
        allow: categories that are reported but never flagged, ["personal_data"].
    """

    def __init__(self, allow: tuple[str, ...] | list[str] = ()) -> None:
        self.allow = tuple(allow)

    @property
    def identity(self) -> str:
        """What its verdicts depend on."""
        return f"rules:{','.join(sorted(self.allow))}"

    def check(self, text: str) -> Verdict:
        """Judge a text."""
        hits = list(dict.fromkeys(rule for piece in _pieces(text) for rule in _found(piece)))
        hits.sort(key=rules().index)
        categories = tuple(dict.fromkeys(rule.category for rule in hits))
        flagged = any(rule.flag and rule.category not in self.allow for rule in hits)
        return Verdict(flagged, categories)


def _pieces(text: str) -> Iterator[str]:
    """A long text in pieces, so that others run in between; what one ends within stands whole in the next."""
    for start in range(0, max(1, len(text) - _OVERLAP), _PIECE - _OVERLAP):
        yield text[start : start + _PIECE]


def _found(piece: str) -> Iterator[Rule]:
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", piece))
    folded = plain.casefold()
    return (rule for rule in rules() if rule.matches(plain if rule.case else folded))


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of `rules.yaml`."""
    raw = yaml.safe_load(files("nacre.moderation").joinpath("rules.yaml").read_text("utf-8"))
    return tuple(
        Rule(
            category=entry["category"],
            pattern=re.compile(entry["pattern"]),
            flag=entry["flag"],
            case=entry.get("case", False),
            check=_CHECKS[entry["check"]] if "check" in entry else None,
        )
        for entry in raw["rules"]
    )


def luhn(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    digits = [int(c) for c in number if c.isdecimal()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d if i % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def chinese_id(number: str) -> bool:
    """The check digit of Chinese identity numbers (GB 11643-1999, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * (2 ** (17 - i) % 11) for i, digit in enumerate(number[:17]))
    return "10x98765432"[total % 11] == number[17].casefold()


_CHECKS = {"luhn": luhn, "cn_id": chinese_id}
