"""Which language a person uses, and which one a text is written in. Two are spoken here: "en" and "zh"."""

from __future__ import annotations

import locale
import os
import re
from typing import Literal

Language = Literal["en", "zh"]

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[A-Za-z]+")


def language_of(text: str) -> Language:
    """The language that a text is mostly written in.

    A Han character weighs as much as a Latin word, and code names stand in many Chinese questions,
    so a third of the units is enough to call a text Chinese.

    Args:
        text: any text; empty text counts as English.

    Returns:
        "zh" or "en".
    """
    han = len(_HAN.findall(text))
    if not han:
        return "en"
    return "zh" if han * 2 >= len(_LATIN_WORD.findall(text)) else "en"


def user_language() -> Language:
    """The language for messages: `NACRE_LANG` if set, else the locale's, else English.

    Returns:
        "zh" or "en".
    """
    for value in (
        os.environ.get("NACRE_LANG"),
        os.environ.get("LC_ALL"),
        os.environ.get("LC_MESSAGES"),
        os.environ.get("LANG"),
        locale.getlocale()[0],
    ):
        if value:
            return "zh" if value.lower().startswith(("zh", "chinese")) else "en"
    return "en"


def tr(en: str, zh: str) -> str:
    """The one of two twin messages that the user reads.

    Args:
        en: the English text.
        zh: the Chinese text.

    Returns:
        `zh` when `user_language()` is Chinese, else `en`.
    """
    return zh if user_language() == "zh" else en
