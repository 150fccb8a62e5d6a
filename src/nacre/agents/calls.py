"""Reading an action: a tool's name and its input, in the many forms in which models write a call."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from nacre.agents.names import FINISH, ToolNames, fold
from nacre.agents.trajectory import ActionInput
from nacre.text.lenient_json import read_arguments, read_json

Call = tuple[str, ActionInput | None]

_BRACKETS = {"[": "]", "(": ")", "（": "）", "【": "】", "{": "}", "［": "］", "「": "」", "《": "》"}
_NAME = re.compile(r"[`'\"“*_]{0,3}(?P<name>[^\W\d][\w.\-]{0,63})[`'\"”*_]{0,3}[ \t]{0,2}")
_FENCED = re.compile(r"[ \t]*(?:`{3,}|~{3,})[ \t]*[\w+\-]{0,20}[ \t]*(?:\n|(?=[\[{]))")
_CALL_TAGS = re.compile(
    r"<tool_call>|<\|python_tag\|>|\[TOOL_CALLS\]|functools(?=\[)|<function=(?P<function>[\w.\-]{1,64})>|<invoke name=\"(?P<invoke>[\w.\-]{1,64})\">|<｜tool▁sep｜>"
)
_PARAMETER = re.compile(
    r"<parameter(?:=| name=\")(?P<name>[\w.\-]{1,64})\"?>(?P<value>[^<]*)|<arg_key>(?P<key>[^<]*)</arg_key>\s{0,9}<arg_value>(?P<argument>[^<]*)"
)
_NAME_KEYS = (
    "action",
    "tool",
    "name",
    "toolname",
    "function",
    "functionname",
    "actionname",
    "command",
    "行动",
    "动作",
    "工具",
    "工具名称",
    "行動",
)
_CALL_KEYS = ("action", "tool", "toolname", "actionname", "functionname", "行动", "动作", "工具", "工具名称", "行動")
_INPUT_KEYS = (
    "actioninput", "toolinput", "arguments", "args", "parameters", "params", "input", "actionargs", "kwargs", "query",
    "行动输入", "动作输入", "输入", "参数", "工具输入", "工具参数", "行動輸入",
)  # fmt: skip
_ANSWER_KEYS = ("finalanswer", "answer", "finalresponse", "最终答案", "答案", "回答")
_THOUGHT_KEYS = ("thought", "thoughts", "reasoning", "thinking", "思考", "想法", "推理")


def read_input(text: str, arguments: tuple[str, ...] = ()) -> ActionInput:
    """Read an action's input: named arguments from JSON, `key=value` or "key: value" lines, else the plain text.

    Args:
        text: what stands behind "Action Input:" or between the brackets of a call.
        arguments: the tool's argument names, when known.

    Returns:
        A dict, a list, or the text without its fence, quotes and backticks.
    """
    body = unfence(text).strip()
    if body.startswith('{\\"'):
        body = body.replace('\\"', '"')  # an object that was escaped as a string
    if body[:1] and body[0] in "{[｛［":
        read = _json_input(body)
        if read is not None:
            return read
    if arguments:
        named = _named(body, arguments)
        if named:
            return named
    return unquote(body)


def _json_input(body: str) -> ActionInput | None:
    try:
        value, end, _ = read_json(body)
    except ValueError:
        return None
    if isinstance(value, list) and body[end:].strip(" \n`;.。"):
        return None  # "[1999] the film" is text
    if isinstance(value, (dict, list)) and (value or body[end:].strip() == ""):
        return value
    return None


def _named(body: str, arguments: tuple[str, ...]) -> dict[str, Any] | None:
    head = re.match(r"[`'\"*-]{0,3}[ ]?([\w\-]{1,64})['\"`*]{0,3}[ ]{0,2}[=:：]", body)
    if not head or head[1] not in arguments:
        return None
    lines = [line.strip(" -*\t") for line in body.split("\n") if line.strip()]
    pairs = [re.match(r"['\"`]?([\w\-]{1,64})['\"`*]{0,3}[ ]{0,2}[=:：][ ]{0,2}(.*)", line) for line in lines]
    if len(lines) > 1 and all(pair and pair[1] in arguments for pair in pairs):
        return {pair[1]: _scalar(pair[2].rstrip(",，")) for pair in pairs if pair}
    try:
        positional, named, _, _ = read_arguments(body, 0, "")
    except ValueError:
        return None
    if positional or any(name not in arguments for name in named):
        return {head[1]: _scalar(body[head.end() :])} if len(arguments) == 1 else None
    return named


def _scalar(text: str) -> Any:
    text = text.strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return unquote(text)
    return value


def unfence(text: str) -> str:
    """The content of a code fence that the text begins with (a line of introduction ending in a colon may precede it).

    Args:
        text: an input.

    Returns:
        The fence's content, or the text itself.
    """
    stripped = text.strip()
    first, _, rest = stripped.partition("\n")
    if first.rstrip().endswith((":", "：")) and _FENCED.match(rest):
        stripped = rest
    match = _FENCED.match(stripped)
    if not match:
        return stripped[:-3].rstrip() if stripped.endswith("\n```") else stripped
    mark = stripped.lstrip()[:3]
    end = stripped.find(mark, match.end())
    return stripped[match.end() : None if end < 0 else end]


def unquote(text: str) -> str:
    """Strip quotes or backticks that enclose the whole text.

    Args:
        text: an input or an answer.

    Returns:
        The text between them, or the text itself when a quote stands inside it too.
    """
    text = text.strip()
    for opening, closing in ('""', "''", "``", "“”", "「」", "‘’"):
        if len(text) >= 2 and text[0] == opening and text[-1] == closing:
            inner = text[1:-1]
            if opening == '"' and "\\" in inner:
                try:
                    return str(json.loads(text, strict=False))
                except ValueError:
                    pass
            plain = inner.replace("\\" + closing, "")
            return inner if closing not in plain and opening not in plain else text
    return text


def read_call(text: str, tools: ToolNames) -> Call | None:
    """Read a call at the beginning of a text: `name[input]`, `name(args)`, `name: input`, `name {json}`, JSON, a tag.

    Args:
        text: what stands behind "Action:", or a line that may be a call.
        tools: the known tools.

    Returns:
        The name (the tool's own where it is known) and the input (None when there is none), or None.
    """
    body = unfence(text).strip()
    tagged = read_tagged(body, tools)
    if tagged:
        return tagged
    if body[:1] and body[0] in "{[｛":
        call = _json_call(body, tools)
        if call:
            return call[0]
    return _bracket_call(body, tools)


def read_tagged(text: str, tools: ToolNames) -> Call | None:
    """Read a native call that leaked into the text: `<tool_call>`, `[TOOL_CALLS]`, `<function=…>`, `<invoke …>`.

    Args:
        text: a reply.
        tools: the known tools.

    Returns:
        The first such call, or None.
    """
    match = _CALL_TAGS.search(text)
    if not match:
        return None
    rest = text[match.end() :].lstrip()
    name = match["function"] or match["invoke"]
    if not name and rest[:1] and rest[0] in "{[":
        call = _json_call(rest, tools)
        return call[0] if call else None
    if not name and rest.startswith("<function="):
        return read_tagged(rest, tools)
    if not name:
        head = _NAME.match(rest)
        if not head:
            return None
        name, rest = head["name"], rest[head.end() :].lstrip()
    named = {
        p["name"] or p["key"].strip(): _scalar(p["value"] if p["name"] else p["argument"])
        for p in _PARAMETER.finditer(rest)
    }
    found = tools.find(name) or name
    if named:
        return found, named
    body = rest.split("</", 1)[0] if not rest.startswith(("{", "```")) else rest
    return found, read_input(body, tools.arguments.get(found, ()))


def read_object(data: Any, tools: ToolNames) -> tuple[Call | None, str | None, str] | None:
    """Find the call, the answer and the thought in a JSON object that a model gave as its reply.

    Args:
        data: the object, or an array whose first object counts.
        tools: the known tools.

    Returns:
        (call, answer, thought), or None when the object is no reply of an agent.
    """
    if isinstance(data, list):
        data = data[0] if data else None
    if not isinstance(data, Mapping):
        return None
    keys = {fold(str(key)): value for key, value in data.items()}
    thought = next((str(keys[key]) for key in _THOUGHT_KEYS if isinstance(keys.get(key), str)), "")
    nested = next(
        (
            keys[key]
            for key in ("function", "action", "tool", "command", "toolcall", "toolcalls", "行动")
            if isinstance(keys.get(key), (dict, list)) and keys[key]
        ),
        None,
    )
    if nested is not None:
        inner = read_object(nested, tools)
        if inner:
            return inner[0], inner[1], thought
    name = next((keys[key] for key in _NAME_KEYS if isinstance(keys.get(key), str) and keys[key]), None)
    answer = next((keys[key] for key in _ANSWER_KEYS if keys.get(key) not in (None, "")), None)
    if (
        name is not None
        and _is_call(name, keys, tools)
        and not (answer is not None and fold(name) in ("none", "null", "无"))
    ):
        return _from_keys(name, keys, tools), None, thought
    if answer is not None:
        return None, answer_text(answer), thought
    return _single_key(data, tools, thought)


def _is_call(name: str, keys: Mapping[str, Any], tools: ToolNames) -> bool:
    """An object that merely has a name, {"name": "Bob", "age": 5}, is no call."""
    return tools.find(name) is not None or any(key in keys for key in (*_CALL_KEYS, *_INPUT_KEYS))


def _from_keys(name: str, keys: Mapping[str, Any], tools: ToolNames) -> Call:
    found = tools.find(name) or name
    key = next((key for key in _INPUT_KEYS if key in keys), None)
    value = keys[key] if key else None
    if isinstance(value, str):
        value = read_input(value) if value.lstrip()[:1] == "{" else value
    elif key == "query" or (value is not None and not isinstance(value, (dict, list))):
        value = str(value)
    return found, value


def _single_key(data: Mapping[str, Any], tools: ToolNames, thought: str) -> tuple[Call | None, str | None, str] | None:
    """`{"search": {"q": "x"}}`: the tool's name as the only key."""
    if len(data) == 1:
        (name, value), *_ = data.items()
        found = tools.find(str(name))
        if found:
            return (found, value if isinstance(value, (dict, list)) else str(value)), None, thought
    return None


def _json_call(body: str, tools: ToolNames) -> tuple[Call, int] | None:
    try:
        value, end, _ = read_json(body)
    except ValueError:
        return None
    read = read_object(value, tools)
    if not read:
        return None
    call, answer, _ = read
    if call is None:
        return ("finish", answer), end
    return call, end


def answer_text(value: Any) -> str:
    """An answer given as data, as a text.

    Args:
        value: the input of "finish" or the value of an answer key.

    Returns:
        The text; an object with one value, or with an answer key, gives that value.
    """
    if isinstance(value, Mapping):
        keys = {fold(str(key)): inner for key, inner in value.items()}
        for key in (*_ANSWER_KEYS, "text", "output", "result", "content", "input", "value"):
            if key in keys:
                return answer_text(keys[key])
        if len(value) == 1:
            return answer_text(next(iter(value.values())))
    if isinstance(value, list) and len(value) == 1:
        return answer_text(value[0])
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _bracket_call(body: str, tools: ToolNames) -> Call | None:
    name, end = _leading_name(body, tools)
    if not name:
        return None
    rest = body[end:]
    opening = rest[:1]
    arguments = tools.arguments.get(name, ())
    if opening in ("(", "（"):
        return name, _parenthesised(rest, arguments)
    if opening and opening in _BRACKETS and opening != "{":
        inner = _inside(rest, opening)
        return name, read_input(inner, arguments)
    if opening == "{":
        return name, read_input(rest, arguments)
    known = name in tools.arguments or fold(name) in FINISH
    if known and opening in (":", "："):
        return name, read_input(rest[1:], arguments)
    if rest.lstrip()[:1] == "{" or (rest[:1] == "\n" and known) or (rest.startswith(("```", "\n```"))):
        return name, read_input(rest, arguments) if rest.strip() else None
    return None


def _leading_name(body: str, tools: ToolNames) -> tuple[str, int]:
    """The longest known tool name that the text begins with, else the identifier there."""
    lowered = body[:80].casefold()
    known = [
        name
        for name in tools.arguments
        if lowered.startswith(name.casefold()) and not re.match(r"\w", body[len(name) : len(name) + 1])
    ]
    if known:
        name = max(known, key=len)
        end = len(name)
        while end < len(body) and body[end] in " \t":
            end += 1
        return name, end
    match = _NAME.match(body)
    return (tools.find(match["name"]) or match["name"], match.end()) if match else ("", 0)


def _parenthesised(rest: str, arguments: tuple[str, ...]) -> ActionInput | None:
    head = rest[1:].lstrip()[:1]
    structured = head and (
        head in "\"'“‘`{["
        or re.match(r"\s*\w{1,64}\s{0,2}=(?!=)", rest[1:])
        or re.match(r"\s*-?[\d.]{1,20}\s*[,)）]", rest[1:])
    )
    if structured:
        try:
            positional, named, _, _ = read_arguments(rest, 1, ")）")
        except ValueError:
            return read_input(_inside(rest, rest[0]), arguments)
        if len(positional) == 1 and not named:
            only = positional[0]
            return only if isinstance(only, (str, dict, list)) else str(only)
        if len(positional) <= len(arguments):
            return {**dict(zip(arguments, positional, strict=False)), **named}
        return positional if not named else {**{str(n): value for n, value in enumerate(positional)}, **named}
    inner = _inside(rest, rest[0])
    return read_input(inner, arguments) if inner.strip() else None


def _inside(rest: str, opening: str) -> str:
    """What stands between an opening bracket and its partner; without a partner, to the last bracket of the line."""
    closing, depth = _BRACKETS[opening], 0
    for at, char in enumerate(rest):
        if char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return rest[1:at]
    line = rest.split("\n", 1)[0]
    end = line.rfind(closing)
    return line[1:] if end < 1 else line[1:end]
