"""Number formats of spreadsheets (ECMA-376, 18.8.31): a stored number as the sheet shows it.

A date whose day and month could be mistaken for each other (3/4/2026) is written as 2026-03-04 instead, and `General`
gives all digits, for a column of a text is never too narrow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne

from nacre.documents.lists import pairs
from nacre.documents.numerals import chinese
from nacre.documents.spreadsheet_dates import show_date

BUILT_IN = {int(key): code.replace("·", " ") for key, code in pairs("number-formats").items()}
"""The formats that a workbook names by number alone, in English and Chinese ones; 0 and unknown ones are General."""

_LONGEST = 255  # characters of a code, as in the programs that write them
_FLOAT = Context(prec=15, rounding=ROUND_HALF_UP)  # what these programs keep of a number
_EXACT = Context(prec=1200, rounding=ROUND_HALF_UP)
_GREATEST, _SMALLEST = 308, -308  # powers of ten that a cell can hold
_TOKEN = re.compile(
    r"""(?P<literal>"[^"]*"?|[\\!].?)|(?P<blank>_.?|\*.?)|\[(?P<elapsed>h+|m+|s+)\]|\[\$(?P<symbol>[^\]-]*)(?:-(?P<locale>[^\]]*))?\]
    |\[DBNum(?P<numerals>[123])\]|(?P<bracket>\[[^\]]*\])|(?P<general>General|G/通用格式|G/標準|G/표준)
    |(?P<noon>AM/PM|A/P|上午/下午|午前/午後)|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?|a{3,}|g+|e+(?![+-])|b{2,})|(?P<power>E[+-])|(?P<digit>[0#?])
    |(?P<other>.)""",
    re.X | re.I | re.S,
)
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?[\d.]+(?:E[+-]?\d+)?)\]", re.I)
_COMPARED = {"<": lt, "<=": le, ">": gt, ">=": ge, "=": eq, "<>": ne}

Token = tuple[str, str]


@dataclass(frozen=True)
class _Section:
    tokens: tuple[Token, ...]
    condition: tuple[str, Decimal] | None
    locale: str
    numerals: str

    def has(self, kind: str) -> bool:
        return any(name == kind for name, _ in self.tokens)


def show(raw: str, code: str, *, since_1904: bool = False) -> str:
    """A number, given by its stored digits, as a sheet shows it in a format; what is no number comes back as it is.

    Example:
        >>> show("0.075", "0.0%"), show("42", "00000"), show("1.0868055555555556", "[h]:mm")
        ('7.5%', '00042', '26:05')
    """
    number = _number(raw)
    if number is None:
        return raw
    sections = _sections(code)
    if not sections:
        return general(number)
    chosen, absolute = _chosen(number, sections)
    if chosen is None:
        return general(number)
    if chosen.has("date") or chosen.has("elapsed") or chosen.has("noon"):
        shown = show_date(number, chosen.tokens, chosen.locale, since_1904)
        return general(number) if shown is None else _in_numerals(shown, chosen)
    shown = _in_numerals(_figure(abs(number), chosen), chosen)
    minus = number < 0 and not absolute and re.search(r"[1-9一-龥]", shown)
    return ("-" if minus else "") + shown


def show_text(text: str, code: str) -> str:
    """A text as a sheet shows it: with what its format puts around, "No. 7" for 7."""
    sections = _sections(code)
    last = sections[3] if len(sections) > 3 else sections[-1] if sections and sections[-1].has("text") else None
    if last is None:
        return text
    return "".join(text if kind == "text" else said if kind == "literal" else "" for kind, said in last.tokens)


def hides(code: str) -> bool:
    """Whether a format shows nothing of any number: ";;;"."""
    sections = _sections(code)
    return len(sections) > 1 and not any(section.tokens for section in sections[:3])


def general(number: Decimal) -> str:
    """All digits of a whole number, fifteen of any other."""
    if number == 0:
        return "0"
    if number.adjusted() < 21 and number == number.to_integral_value():
        return f"{number:.0f}"
    number = _FLOAT.plus(number).normalize(_FLOAT)
    if -5 < number.adjusted() < 21:
        return f"{number:f}"
    mantissa, _, power = f"{number:E}".partition("E")
    return f"{mantissa}E{int(power):+03}"


def _number(raw: str) -> Decimal | None:
    try:
        number = Decimal(raw.strip())
    except InvalidOperation:
        return None
    fine = number.is_finite() and len(raw) < 400 and (not number or _SMALLEST <= number.adjusted() <= _GREATEST)
    if not fine:
        return None
    whole = number == number.to_integral_value(context=_EXACT)
    return number if whole else _FLOAT.plus(number)


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section, ...]:
    """A format in its sections; empty for General and for what is no format."""
    if not code or len(code) > _LONGEST or code.lower() == "general":
        return ()
    parts: list[list[re.Match[str]]] = [[]]
    for found in _TOKEN.finditer(code):
        if found.lastgroup == "other" and found.group() == ";":
            parts.append([])
        else:
            parts[-1].append(found)
    return tuple(_section(part) for part in parts[:4])


def _section(found: Sequence[re.Match[str]]) -> _Section:
    tokens: list[Token] = []
    condition, locale, numerals = None, "", ""
    for part in found:
        kind, said = part.lastgroup or "", part.group()
        if part["symbol"] is not None:
            locale = locale or (part["locale"] or "").upper()
            tokens.append(("literal", part["symbol"]))
        elif kind == "literal":
            tokens.append(("literal", said.strip('"') if said[0] == '"' else said[1:]))
        elif kind == "numerals":
            numerals = part["numerals"]
        elif kind == "bracket":
            if wanted := _CONDITION.fullmatch(said):
                condition = wanted[1], Decimal(wanted[2])
        elif kind == "elapsed":
            tokens.append(("elapsed", part["elapsed"].lower()))
        elif kind == "other":
            name = {".": "point", ",": "comma", "%": "percent", "@": "text", "/": "slash"}.get(said, "literal")
            tokens.append((name, said))
        elif kind not in {"blank", "locale"}:
            tokens.append((kind, said if kind in {"noon", "general"} else said.lower()))
    return _Section(tuple(token for token in tokens if token != ("literal", "")), condition, locale, numerals)


def _chosen(number: Decimal, sections: Sequence[_Section]) -> tuple[_Section | None, bool]:
    """The section for a number, and whether its sign is already in that choice."""
    numeric = [section for section in sections[:3] if len(sections) > 1 or not section.has("text")]
    if not numeric:
        return None, False
    if any(section.condition for section in numeric):
        for place, section in enumerate(numeric):
            if section.condition is None or _COMPARED[section.condition[0]](number, section.condition[1]):
                return section, place == 1 and number < 0
        return None, False
    if len(numeric) == 1 or number > 0 or (number == 0 and len(numeric) < 3):
        return numeric[0], False
    return (numeric[1], True) if number < 0 else (numeric[2], True)


def _in_numerals(shown: str, section: _Section) -> str:
    """Digits as Chinese characters where the format asks for them ([DBNum1])."""
    if not section.numerals:
        return shown
    if section.numerals == "3":
        return shown.translate({48 + d: 0xFF10 + d for d in range(10)})
    legal, traditional, counting = section.numerals == "2", section.locale in {"404", "C04"}, section.has("general")

    def said(found: re.Match[str]) -> str:
        """Days and months are counted, years and decimals are told digit by digit."""
        told = not found.string[: found.start()].endswith(".") and (counting or len(found[0]) < 3)
        return chinese(int(found[0]), legal=legal, traditional=traditional, counting=told)

    return re.sub(r"\d{1,15}", said, shown).replace(".", "点" if counting else ".")


def _figure(number: Decimal, section: _Section) -> str:
    tokens = section.tokens
    if whole := next((kind for kind in ("general", "text") if section.has(kind)), ""):
        return "".join(general(number) if kind == whole else said for kind, said in tokens)
    if not section.has("digit"):
        return "".join(said for kind, said in tokens if kind in {"literal", "percent", "slash", "point"})
    if section.has("power"):
        return _scientific(number, tokens)
    if _slash(tokens) is not None:
        return _fractional(number, tokens)
    return _decimal(number, tokens)


def _decimal(number: Decimal, tokens: Sequence[Token]) -> str:
    digits = [place for place, (kind, _) in enumerate(tokens) if kind == "digit"]
    point = next((place for place, (kind, _) in enumerate(tokens) if kind == "point"), len(tokens))
    last = max((place for place in digits if place < point), default=-1)
    thousands, scale, kept = False, 0, []
    for place, (kind, said) in enumerate(tokens):
        if kind == "comma":
            before = any(at < place for at in digits)
            after = any(place < at < point for at in digits)
            thousands = thousands or (before and after)
            # A comma behind the last digit divides by a thousand.
            scale += 3 * (before and not after and place > last)
            if before:
                continue
        kept.append((kind, said))
    percents = sum(kind == "percent" for kind, _ in kept)
    number = number.scaleb(2 * percents - scale, context=_EXACT)
    return _filled(number, kept, thousands=thousands)


def _filled(number: Decimal, tokens: Sequence[Token], *, thousands: bool = False) -> str:
    """The digits of a number in the places of a format, whatever stands between them."""
    point = next((place for place, (kind, _) in enumerate(tokens) if kind == "point"), len(tokens))
    places = [said for kind, said in tokens[point:] if kind == "digit"]
    said = f"{number.quantize(Decimal(1).scaleb(-len(places)), context=_EXACT):f}"
    whole, _, part = said.partition(".")
    return _whole(whole.lstrip("0"), tokens[:point], thousands) + _part(part, tokens[point:])


def _whole(digits: str, tokens: Sequence[Token], thousands: bool) -> str:
    first = next((place for place, (kind, _) in enumerate(tokens) if kind == "digit"), -1)
    made, count = [], 0
    for place in range(len(tokens) - 1, -1, -1):
        kind, said = tokens[place]
        if kind != "digit":
            made.append(said)
            continue
        take = max(1, len(digits)) if place == first else 1
        filled = (digits[-take:] if digits else {"0": "0", "?": " "}.get(said, ""))[::-1]
        digits = digits[:-take]
        for digit in filled:
            made.append("," if thousands and count and count % 3 == 0 and digit.isdigit() else "")
            made.append(digit)
            count += 1
    return "".join(reversed(made))


def _part(digits: str, tokens: Sequence[Token]) -> str:
    least = max((n for n, said in enumerate((s for k, s in tokens if k == "digit"), 1) if said == "0"), default=0)
    shown = max(len(digits.rstrip("0")), least)
    made, at = [], 0
    for kind, said in tokens:
        if kind != "digit":
            made.append(said if kind != "point" or shown or least else "")
            continue
        made.append(digits[at] if at < shown else " " if said == "?" else "")
        at += 1
    return "".join(made)


def _scientific(number: Decimal, tokens: Sequence[Token]) -> str:
    at = next(place for place, (kind, _) in enumerate(tokens) if kind == "power")
    front, sign, back = tokens[:at], tokens[at][1], tokens[at + 1 :]
    point = next((place for place, (kind, _) in enumerate(front) if kind == "point"), at)
    step = max(1, sum(kind == "digit" for kind, _ in front[:point]))
    power = number.adjusted() if number else 0
    power -= power % step if step > 1 else 0
    decimals = sum(kind == "digit" for kind, _ in front[point:])
    mantissa = number.scaleb(-power, context=_EXACT).quantize(Decimal(1).scaleb(-decimals), context=_EXACT)
    if mantissa.adjusted() >= step and mantissa:
        power, mantissa = power + step, mantissa.scaleb(-step)
    mark = "-" if power < 0 else "+" if "+" in sign else ""
    return _filled(mantissa, front) + "E" + mark + _filled(Decimal(abs(power)), back)


def _slash(tokens: Sequence[Token]) -> int | None:
    """Where a fraction has its stroke: between places of digits."""
    for place, (kind, _) in enumerate(tokens):
        if kind == "slash" and any(k == "digit" for k, _ in tokens[:place]):
            following = next((said for k, said in tokens[place + 1 :] if said.strip()), "")
            return place if following and following in "0#?123456789" else None
    return None


def _fractional(number: Decimal, tokens: Sequence[Token]) -> str:
    at = _slash(tokens) or 0
    below = "".join(said for kind, said in tokens[at + 1 :]).strip()
    fixed = re.match(r"[1-9]\d{0,5}", below)
    groups = re.findall(r"[0#?]+", "".join(said if kind == "digit" else " " for kind, said in tokens[:at]))
    value = Fraction(number)
    whole = int(value) if len(groups) > 1 else 0
    rest = value - whole
    if fixed:
        under = int(fixed[0])
        over = int(rest * under + Fraction(1, 2))
    else:
        nearest = rest.limit_denominator(10 ** min(6, len(re.match(r"[0#?]*", below)[0])) - 1)  # type: ignore[index]
        over, under = nearest.numerator, nearest.denominator
    if len(groups) > 1 and over == under:
        whole, over = whole + 1, 0
    if len(groups) > 1 and over == 0:
        return str(whole)
    return (f"{whole} " if whole else "") + f"{over}/{under}"
