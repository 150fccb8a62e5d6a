"""Numbers as people write them in English and Chinese tables: "1,234.5", "(300)", "¥3.2万", "$1.5 million", "12%"."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import NamedTuple

from nacre.text.numbers import NUMBER

_CURRENCY = r"(?P<currency>US\$|HK\$|R?MB|CNY|USD|EUR|人民币|[¥￥$€£])?"
_DIGITS = rf"(?P<digits>{NUMBER}|\.\d+)"
_SCALE = (
    r"(?P<scale>万亿|千万|百万|十万|亿|万|千(?=[^克米瓦卡]|$)"
    r"|thousand|million|billion|trillion|mn|bn|[kKmMbB](?![A-Za-z]))?"
)
_UNIT = r"(?P<unit>[%％‰]|[^\W\d_]{1,9}(?:[/·][^\W\d_]{1,6})?[23]?|°[CF]|℃|℉)?"
_QUANTITY = re.compile(
    rf"^(?P<open>\()?\s*(?P<sign>[-+−–])?\s*{_CURRENCY}\s*(?P<sign2>[-−])?{_DIGITS}\s*{_SCALE}\s*{_UNIT}\s*(?P<close>\))?$"
)
_SCALES = {
    "千": 10**3, "万": 10**4, "十万": 10**5, "百万": 10**6, "千万": 10**7, "亿": 10**8, "万亿": 10**12,
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "mn": 10**6, "bn": 10**9,
    "k": 10**3, "m": 10**6, "b": 10**9,
}  # fmt: skip
_LONGEST = 60


class Quantity(NamedTuple):
    """A number with its unit, "" when it has none. A percentage keeps its number: 12% is 12 with the unit "%"."""

    value: int | float
    unit: str


def quantity(text: str) -> Quantity | None:
    """Read a cell as a number.

    Returns:
        The quantity; None for anything else, among it numbers that are names: dates, "007", phone numbers.

    Example:
        >>> quantity("3.2 万元")
        Quantity(value=32000, unit='元')
        >>> quantity("(1,234)"), quantity("$1.5 million")
        (Quantity(value=-1234, unit=''), Quantity(value=1500000, unit='$'))
        >>> quantity("2024-05-01") is None and quantity("007") is None
        True
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    match = _QUANTITY.match(plain) if len(plain) <= _LONGEST else None
    if match is None or bool(match["open"]) != bool(match["close"]):
        return None
    digits, scale, currency = match["digits"].replace(",", ""), match["scale"] or "", match["currency"] or ""
    if len(digits) > 1 and digits[0] == "0" and digits[1] != ".":
        return None
    unit = match["unit"] or currency
    if scale in ("k", "K", "m", "M", "b", "B") and not currency:  # 5 m are metres
        unit, scale = scale + (match["unit"] or ""), ""
    number = Decimal(digits) * _SCALES.get(scale.lower(), 1)
    if match["sign"] in ("-", "−", "–") or match["sign2"] or match["open"]:
        number = -number
    return Quantity(
        int(number) if number == number.to_integral_value() and ("." not in digits or scale) else float(number), unit
    )
