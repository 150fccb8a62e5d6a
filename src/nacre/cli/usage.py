"""What typer says of wrong usage and above its lists of options, in the user's language."""

from __future__ import annotations

import re
from typing import Any

import typer

from nacre.language import user_language

# typer carries its own click; the root of its errors is found above one that typer exports.
ClickError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

_SAID = (
    (r"No such command (?P<what>'.*?')\.", "没有命令 {what}。"),
    (r"Did you mean (?P<what>.+?)\?", "您是否想用 {what}？"),
    (r"No such option: (?P<what>\S+)", "没有选项 {what}"),
    (r"\(Possible options: (?P<what>.+?)\)", "（可用的相近选项：{what}）"),
    (r"Missing (argument|option|parameter) (?P<what>'.*?')\.", "缺少 {what}。"),
    (r"Option (?P<what>'.*?') requires an argument\.", "选项 {what} 需要一个值。"),
    (r"Option (?P<what>'.*?') does not take a value\.", "选项 {what} 不带值。"),
    (r"Got unexpected extra arguments? \((?P<what>.*)\)", "多余的参数：{what}"),
    (r"Invalid value for (?P<what>.*?): ", "{what} 的值无效："),
    (r"Input should be a valid integer, unable to parse string as an integer", "应为整数"),
    (r"Input should be a valid number, unable to parse string as a number", "应为数字"),
    (r"Input should be greater than or equal to (?P<what>\S+)", "应大于或等于 {what}"),
    (r"Input should be less than or equal to (?P<what>\S+)", "应小于或等于 {what}"),
    (r"path (?P<what>'.*?') is not readable\.", "路径 {what} 不可读。"),
)


def message(error: Any) -> str:
    """What was wrong, in the user's language.

    Args:
        error: a `ClickError`.

    Returns:
        typer's words in English; their translation in Chinese, and what has none stays as it is.
    """
    said = str(error.format_message())
    if user_language() == "zh":
        for pattern, chinese in _SAID:
            found = re.search(pattern, said)
            if found:
                said = (
                    said[: found.start()]
                    + chinese.replace("{what}", found.groupdict().get("what", ""))
                    + said[found.end() :]
                )
    return said


def translate_help() -> None:
    """Give the frames around a command's help their Chinese names, where Chinese is read."""
    if user_language() == "zh":
        from typer import rich_utils

        rich_utils.ARGUMENTS_PANEL_TITLE = "参数"
        rich_utils.OPTIONS_PANEL_TITLE = "选项"
        rich_utils.COMMANDS_PANEL_TITLE = "命令"
        rich_utils.REQUIRED_LONG_STRING = "[必填]"
        rich_utils.DEFAULT_STRING = "[默认：{}]"
