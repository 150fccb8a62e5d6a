"""What typer says of wrong usage and above its lists of options, in the user's language."""

from __future__ import annotations

import re
from typing import Any

import typer

from nacre.text.language import tr, user_language

# typer carries its own click; the root of its errors is found above one that typer exports.
ClickError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

_SAID = (
    (r"No such command (?P<what>'.*?')\.", "没有命令 {what}。"),
    (r"\s*Did you mean (?P<what>.+?)\?", "您是否想用 {what}？"),
    (r"Missing command\.", "缺少命令。"),
    (r"No such option: (?P<what>\S+)", "没有选项 {what}"),
    (r"\s*\(Possible options: (?P<what>.+?)\)", "（可用的相近选项：{what}）"),
    (r"Missing (argument|option|parameter) (?P<what>'.*?')\.", "缺少 {what}。"),
    (r"Option (?P<what>'.*?') requires an argument\.", "选项 {what} 需要一个值。"),
    (r"Option (?P<what>'.*?') does not take a value\.", "选项 {what} 不带值。"),
    (r"Got unexpected extra argument\(s\) \((?P<what>.*)\)", "多余的参数：{what}"),
    (r"Invalid value for (?P<what>.*?): ", "{what} 的值无效："),
    (r"Input should be a valid integer, unable to parse string as an integer", "应为整数"),
    (r"Input should be a valid number, unable to parse string as a number", "应为数字"),
    (r"Input should be greater than or equal to (?P<what>\S+)", "应大于或等于 {what}"),
    (r"Input should be less than or equal to (?P<what>\S+)", "应小于或等于 {what}"),
    (r"path (?P<what>'.*?') is not readable\.", "路径 {what} 不可读。"),
)


def message(error: Any) -> str:
    """What was wrong, in the user's language; what has no Chinese stays as it is."""
    said = str(error.format_message())
    cure = _cure(said, error)
    if user_language() == "zh":
        for pattern, chinese in _SAID:
            found = re.search(pattern, said)
            if found:
                said = (
                    said[: found.start()]
                    + chinese.replace("{what}", found.groupdict().get("what", ""))
                    + said[found.end() :]
                )
    return f"{said.rstrip('.。')}{'。' if user_language() == 'zh' else '. '}{cure}" if cure else said


def _cure(said: str, error: Any) -> str:
    """What to do about it, where typer does not say."""
    if said.startswith("Missing ") and (context := getattr(error, "ctx", None)):
        return tr("What it takes: {command} --help", command=context.command_path)
    if said.startswith("Got unexpected extra argument"):
        return tr("Put several words into quotes.")
    return ""


_HelpFormatter: Any = typer.Context.formatter_class


class _Formatter(_HelpFormatter):  # type: ignore[misc]
    """The line above a help page, whose first word typer does not translate."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, "用法：")


class _Context(typer.Context):
    formatter_class = _Formatter


def translate_help(command: Any, parent: Any = None) -> None:
    """Give what typer itself says in a help page its Chinese names, where Chinese is read."""
    if user_language() != "zh":
        return
    if parent is None:
        _translate_frames()
    command.context_class = _Context
    context = _Context(command, parent=parent, info_name=command.name, **command.context_settings)
    command.options_metavar = "[选项]"
    if option := command.get_help_option(context):
        option.help = "显示本帮助并退出。"
    for inner in getattr(command, "commands", {}).values():
        command.subcommand_metavar = "命令 [参数]…"
        translate_help(inner, context)


def _translate_frames() -> None:
    from typer import rich_utils

    rich_utils.ARGUMENTS_PANEL_TITLE = "参数"
    rich_utils.OPTIONS_PANEL_TITLE = "选项"
    rich_utils.COMMANDS_PANEL_TITLE = "命令"
    rich_utils.REQUIRED_LONG_STRING = "[必填]"
    rich_utils.DEFAULT_STRING = "[默认：{}]"
    plain = rich_utils.highlighter

    def folded(text: Any) -> Any:
        """A clause without spaces is one word to rich, which cuts off what does not fit into the line."""
        shown = plain(text)
        shown.overflow = "fold"
        return shown

    rich_utils.highlighter = folded  # type: ignore[assignment]
