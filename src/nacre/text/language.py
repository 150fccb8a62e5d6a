"""Which language a person uses, and which one a text is written in. Two are spoken here: "en" and "zh"."""

from __future__ import annotations

import errno
import gettext
import locale
import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Literal

from nacre.text.han import HAN
from nacre.text.hygiene import searched

Language = Literal["en", "zh"]

asked_for: ContextVar[Language | None] = ContextVar("asked_for", default=None)
"""The language of whom this task answers, where a server has set it for a request."""

_HAN = re.compile(f"[{HAN}]")
_LATIN_WORD = re.compile(r"[A-Za-z]+")


def language_of(text: str) -> Language:
    """The language that a text is mostly in; a third of Han characters is enough, for code names stand in Chinese."""
    text = searched(text)
    han = len(_HAN.findall(text))
    if not han:
        return "en"
    return "zh" if han * 2 >= len(_LATIN_WORD.findall(text)) else "en"


def user_language() -> Language:
    """The language for messages: of whom this task answers, else `NACRE_LANG`, else the locale's, else English."""
    if (wanted := asked_for.get()) is not None:
        return wanted
    for value in (*map(os.environ.get, ("NACRE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")), locale.getlocale()[0]):
        if value:
            return "zh" if value.lower().startswith(("zh", "chinese")) else "en"
    return "en"


def N_(message: str) -> str:
    """Mark a message for the catalogue where it is not shown yet; `tr` shows it later."""
    return message


_REASONS = {
    errno.ENOENT: N_("No such file or directory"),
    errno.EACCES: N_("Permission denied"),
    errno.EPERM: N_("Operation not permitted"),
    errno.EEXIST: N_("File exists"),
    errno.EISDIR: N_("Is a directory"),
    errno.ENOTDIR: N_("Not a directory"),
    errno.EROFS: N_("Read-only file system"),
    errno.ENOSPC: N_("No space left on device"),
    errno.ENAMETOOLONG: N_("File name too long"),
    errno.ELOOP: N_("Too many levels of symbolic links"),
    errno.ECONNREFUSED: N_("Connection refused"),
    errno.EADDRINUSE: N_("Address already in use"),
}


def os_reason(error: OSError) -> str:
    """Why the operating system refused, in the user's language: a few words, its own for what is rare."""
    known = _REASONS.get(error.errno or 0)
    return tr(known) if known else error.strerror or str(error)


def tr(message: str, /, **values: object) -> str:
    """A message in the user's language, its `{slots}` filled.

    The code carries the English text; `locale/zh/LC_MESSAGES/nacre.po` has the Chinese one (`make messages` brings new
    messages there). Only the text of the code or the catalogue is a template: braces in a value stay what they are.
    """
    text = _chinese().gettext(message) if message and user_language() == "zh" else message
    return text.format(**values) if values else text


def listed(items: Iterable[object]) -> str:
    """Things one after the other, as the user's language parts them."""
    return ("、" if user_language() == "zh" else ", ").join(map(str, items))


@cache
def _chinese() -> gettext.NullTranslations:
    return gettext.translation("nacre", Path(__file__).parents[1] / "locale", ["zh"], fallback=True)
