"""Calls of tools as the chat templates of models write them into a text.

The reader is pure, linear, and never raises. It knows no tools: who calls it decides which names exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nacre.text.lenient_json import read_arguments, read_json

MARKS = (
    "<|tool_calls_section_begin|>", "<|channel|>commentary to=", "commentary to=functions.", "<|start|>assistant to=",
    "<start_function_call>", "<|tool_calls_begin|>", "<longcat_tool_call>", "<minimax:tool_call>",
    "<|tool_call_begin|>", "<|tool_call_start|>",
    "<function_calls>", "<seed:tool_call>", "<|START_ACTION|>", "<|action_start|>", "<|python_start|>",
    "<|tools_prefix|>", "<function_call>", "<steptml:invoke", "<|python_tag|>", "<invoke name=", "<|tool_call|>",
    "to=functions.", "<tool_calls>", "<|tool_call>", "<|tool_sep|>", "[TOOL_CALLS]", "```tool_code", "<tool_call>",
    "<TOOLCALL>", "<function=", "<tool_use>", "functools[", "<|DSML|",
)  # fmt: skip
"""What a written call of a known template begins with, the longest first, in a text that is `normal`."""
_PLAIN = str.maketrans("｜▁", "|_")
_MARK = re.compile("|".join(map(re.escape, MARKS)))
# What may stand around and between calls: tags that open and close, fences, separators.
_SKIPPED = re.compile(
    r"(?:\s+|<\|?/?(?:minimax:|seed:|longcat_|steptml:)?(?:tool_calls?|function_calls?|toolcalls?|tool_use)(?:_section)?"
    r"(?:_begin|_end)?\|?>|</?\|?DSML\|(?:function_calls|tool_calls)>|<\|(?:tool_calls?_(?:begin|start|end)|plugin|python_tag"
    r"|python_(?:start|end)|action_(?:start|end)|START_ACTION|END_ACTION|tools_(?:prefix|suffix)|call|start|eom_id"
    r"|eot_id|im_end|/tool_call)\|>|</?TOOLCALL>|</(?:function|(?:\|DSML\||steptml:)?invoke)>|<(?:start|end)_function_call>"
    r"|function\s?<\|tool_sep\|>(?=<)|<tool_call\|>|\[/?TOOL_CALLS\]|functools(?=\[)|`{3,}(?:json|python|py|tool_code)?|;|,(?=\s*[{<])"
    r"|print\((?=[^\W\d][\w.]{0,63}\()|\)(?=\s*(?:`|\Z)))*+"
)
_INVOKED = re.compile(
    r"<(?:\|DSML\||steptml:|antml:)?(?:function=|invoke name=|function name=)[\"']?"
    r"(?P<name>[\w.\-]{1,64})[\"']?\s{0,3}>"
)
_NAMED = re.compile(r"<name>\s{0,9}(?P<name>[\w.\-]{1,64})\s{0,9}</name>\s{0,9}(?:<(?:arguments|parameters|args)>)?")
_HARMONY = re.compile(
    r"(?:<\|start\|>|assistant|<\|channel\|>|commentary|analysis|\s){0,6}to=(?:functions\.)?(?P<name>[\w.\-]{1,64})"
    r"(?:<\|channel\|>|commentary|analysis|<\|constrain\|>|json|code|\s){0,8}(?:<\|message\|>)?"
)
_HEAD = re.compile(
    r"(?:function[ ]?<\|tool_sep\|>|<\|tool_sep\|>|call:)?(?:functions[.:]|default_api\.)?"
    r"(?P<name>[^\W\d][\w.\-]{0,63}?)(?:\.call(?=\())?"
    r"(?P<sep>:\d{1,4}(?=\s{0,3}<\||\s{0,3}\{)|\[CALL_ID\]\w{1,40}|\s{0,9}<\|tool_sep\|>|\[ARGS\]"
    r"|\s{0,9}<\|tool_call_argument_begin\|>|\s{0,9}`{3,}(?:json)?|(?=\s{0,9}[({<\[])|(?=\s{0,9}</)|\s{0,3}\n|\s{0,9}\Z)+"
)
_BEHIND = re.compile(
    r"(?:\s|\[ARGS\]|<\|tool_sep\|>|<\|tool_call_argument_begin\|>|<\|constrain\|>json|<\|message\|>)*"
)
_PARAMETER = re.compile(
    r"<(?P<tag>(?:\|DSML\||steptml:|antml:)?parameter)(?:=| name=)[\"']?(?P<name>[\w.\-]{1,64})[\"']?"
    r"(?: string=[\"'](?P<string>\w{1,5})[\"'])?>(?P<value>[^<]*(?:<(?!/?(?:\|DSML\||steptml:|antml:)?"
    r"(?:parameter\b|function>|invoke>))[^<]*)*)(?:</(?P=tag)>)?"
    r"|<(?:longcat_)?arg_key>(?P<key>[^<]*)</(?:longcat_)?arg_key>\s{0,9}<(?:longcat_)?arg_value>"
    r"(?P<argument>[^<]*(?:<(?!/?(?:longcat_)?(?:arg_value|arg_key|tool_call)>)[^<]*)*)(?:</(?:longcat_)?arg_value>)?"
)
_CLOSED = re.compile(r"\s{0,9}(?:`{3}\s{0,3})?</(?:arguments|parameters|args)>")
_BLANKS = re.compile(r"\s*")
_QUOTES = re.compile(r'<\|"\|>|<escape>')
_PYTHONIC = re.compile(r"\[\s{0,9}[^\W\d][\w.]{0,63}\((?!\s*\?)")
_NAME_KEYS = ("name", "tool_name", "function_name", "toolname", "tool", "action", "function")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "params", "input", "action_input", "tool_input", "kwargs")
_INNER_KEYS = ("function", "function_call", "tool_call", "tool_calls")
_MOST = 1000


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call as a text says it; arguments that could be read neither as an object nor as a list are its text."""

    name: str
    arguments: Any


def normal(text: str) -> str:
    """The text with full-width bars and block blanks, of DeepSeek's marks, as plain ones; every place stays its own."""
    return text.translate(_PLAIN)


def has_mark(text: str) -> bool:
    """Whether a call begins in a text, readable or not."""
    return first_mark(normal(text)) >= 0


def first_mark(text: str) -> int:
    """Where the first call begins in a text that is `normal`: not in quotes, and not in a fence; -1: nowhere."""
    for match in _MARK.finditer(text):
        if not text.endswith(("`", '"', "'", "“"), 0, match.start()) or match[0].startswith("```"):
            return match.start()
    return -1


def read_calls(text: str) -> tuple[list[WrittenCall], str]:
    """The calls in a text, and what the text says around them; a text whose calls cannot be read is said whole."""
    plain = normal(text)
    begin = first_mark(plain)
    if begin < 0:
        return [], text
    calls: list[WrittenCall] = []
    at = end = begin
    while len(calls) < _MOST:
        found, at = _read(plain, text, _skip(plain, at))
        if not found:
            break
        calls += found
        end = at = _skip(plain, at)
    rest = text[end:].strip()
    return (calls, text[:begin].rstrip() + f"\n{rest}" * bool(rest)) if calls else ([], text)


def _skip(text: str, at: int, what: re.Pattern[str] = _SKIPPED) -> int:
    match = what.match(text, at)
    return match.end() if match else at


def _read(plain: str, text: str, at: int) -> tuple[list[WrittenCall], int]:
    """The call or the calls that begin at a place, and where they end."""
    if plain[at : at + 1] == "{" or re.compile(r"\[\s{0,9}[{\]]").match(plain, at):
        data, end = _data(text, at)
        return calls_of(data), end
    if _PYTHONIC.match(plain, at):
        return _python_calls(text, at + 1)
    for head in (_INVOKED, _NAMED, _HARMONY, _HEAD):
        if match := head.match(plain, at):
            given, end = _arguments(plain, text, match.end())
            return [WrittenCall(match["name"], given)], end
    return [], at


def _arguments(plain: str, text: str, at: int) -> tuple[Any, int]:
    """What stands behind a name: an object, tagged parameters, arguments in brackets, or a text."""
    at = _skip(plain, at, _BEHIND)
    named: dict[str, Any] = {}
    while match := _PARAMETER.match(plain, at):
        name = match["name"] or match["key"].strip()
        begin, end = match.span("value" if match["name"] else "argument")
        named[name] = _scalar(text[begin:end], as_text=match["string"] == "true")
        at = _skip(plain, match.end(), _BLANKS)
    if named:
        return named, at
    if plain.startswith("```", at):
        at = _skip(plain, at)
    if plain[at : at + 1] in ("{", "["):
        data, end = _data(text, at)
        if data is None:  # what is behind it is not looked at either: that would be looked through once a call
            return text[at:], len(text)
        return data, _skip(plain, end, _CLOSED)
    if plain[at : at + 1] == "(":
        return _in_brackets(text, at)
    end = min((place for mark in ("</", "<|") if (place := plain.find(mark, at)) >= 0), default=len(text))
    rest = text[at:end].strip()
    return rest or None, end


def _data(text: str, at: int) -> tuple[Any, int]:
    """The JSON that begins at a place; Gemma has quotation marks of its own."""
    try:
        value, end, _ = read_json(text, at)
        if _QUOTES.search(text, at, end) is None:
            return value, end
    except (ValueError, RecursionError):
        pass
    close = re.compile(r"<tool_call\|>|<end_function_call>").search(text, at)
    stop = close.start() if close else len(text)
    try:
        return read_json(_QUOTES.sub('"', text[at:stop]))[0], stop
    except (ValueError, RecursionError):
        return None, at


def _python_calls(text: str, at: int) -> tuple[list[WrittenCall], int]:
    """`[search(query="x"), stock(item="bolt")]`, the first bracket behind."""
    calls: list[WrittenCall] = []
    while match := re.compile(r"[\s,]{0,99}(?P<name>[^\W\d][\w.]{0,63})(?=\()").match(text, at):
        given, end = _in_brackets(text, match.end())
        if end <= match.end():
            break
        calls.append(WrittenCall(match["name"], given))
        at = end
    at = _skip(text, at, _BLANKS)
    return calls, at + text.startswith("]", at)


def _in_brackets(text: str, at: int) -> tuple[Any, int]:
    try:
        positional, named, end, _ = read_arguments(text, at + 1, ")")
    except (ValueError, RecursionError):
        return None, at
    if not positional:
        return named, end
    return (positional if not named else {**{str(n): value for n, value in enumerate(positional)}, **named}), end


def _scalar(text: str, *, as_text: bool = False) -> Any:
    text = text.removeprefix("\n").removesuffix("\n") if "\n" in text else text.strip()
    if as_text:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def calls_of(data: Any) -> list[WrittenCall]:
    """The calls in an object, or in a list of objects; none where it is no call."""
    if isinstance(data, list):
        return [call for item in data[:_MOST] if isinstance(item, Mapping) for call in calls_of(item)]
    if not isinstance(data, Mapping):
        return []
    for key in _INNER_KEYS:
        if isinstance(data.get(key), list | Mapping):
            return calls_of(data[key])
    name = next((data[key] for key in _NAME_KEYS if isinstance(data.get(key), str) and data[key]), "")
    if name:
        return [WrittenCall(name, arguments_of(next((data[key] for key in _ARGUMENT_KEYS if key in data), None)))]
    if len(data) == 1:
        name, given = next(iter(data.items()))
        if isinstance(given, Mapping):
            return [WrittenCall(str(name), dict(given))]
    return []


def arguments_of(given: Any) -> Any:
    """Arguments as an object, also where they were written as a text of one, or as the text of such a text."""
    for _ in range(3):
        if not isinstance(given, str):
            break
        if not given.strip():
            return {}
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            with suppress(ValueError, RecursionError):
                given = read_json(given.strip())[0] if given.strip()[:1] in "{[" else given
            break
    return given


def read_bare_calls(text: str) -> list[WrittenCall]:
    """The calls of a reply that is nothing but calls: JSON, a list in Python, or a name with an object behind it."""
    plain = normal(text)
    calls: list[WrittenCall] = []
    at = _skip(plain, 0)
    while at < len(text):
        found, end = _read(plain, text, at)
        if not found or (calls and len(calls) >= _MOST):
            return []
        calls += found
        at = _skip(plain, end)
    return calls
