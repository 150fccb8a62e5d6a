"""Which language a person uses, and which one a text is written in. Two are spoken here: "en" and "zh"."""

from __future__ import annotations

import errno
import locale
import os
import re
from contextvars import ContextVar
from typing import Literal

from nacre.text.han import HAN
from nacre.text.hygiene import searched

Language = Literal["en", "zh"]

asked_for: ContextVar[Language | None] = ContextVar("asked_for", default=None)
"""The language of whom this task answers, where that is not the one who runs the program: a server sets it for each request."""

_HAN = re.compile(f"[{HAN}]")
_LATIN_WORD = re.compile(r"[A-Za-z]+")


def language_of(text: str) -> Language:
    """The language that a text is mostly written in.

    A Han character weighs as much as a Latin word, and code names stand in many Chinese questions,
    so a third of the units is enough to call a text Chinese.

    Args:
        text: any text; empty text counts as English, and of a long one the beginning and the end tell.
    """
    text = searched(text)
    han = len(_HAN.findall(text))
    if not han:
        return "en"
    return "zh" if han * 2 >= len(_LATIN_WORD.findall(text)) else "en"


def user_language() -> Language:
    """The language for messages: that of whom this task answers, else `NACRE_LANG` if set, else the locale's, else English."""
    if (wanted := asked_for.get()) is not None:
        return wanted
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


_REASONS = {
    errno.ENOENT: "没有那个文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "不允许的操作",
    errno.EEXIST: "已存在同名文件",
    errno.EISDIR: "是一个文件夹",
    errno.ENOTDIR: "不是文件夹",
    errno.EROFS: "文件系统只读",
    errno.ENOSPC: "磁盘空间不足",
    errno.ENAMETOOLONG: "文件名过长",
    errno.ELOOP: "符号链接层数过多",
    errno.ECONNREFUSED: "连接被拒绝",
    errno.EADDRINUSE: "地址已被占用",
}


def os_reason(error: OSError) -> str:
    """Why the operating system refused, in the user's language.

    Returns:
        A few words; the system's own for what is rare.
    """
    own = error.strerror or str(error)
    return tr(own, _REASONS.get(error.errno or 0, own))


def tr(en: str, zh: str) -> str:
    """The one of two twin messages that the user reads."""
    return zh if user_language() == "zh" else en
