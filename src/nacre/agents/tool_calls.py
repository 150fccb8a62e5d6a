"""Reading an action: a tool's name and its input, in the many forms in which models write a call."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from nacre.agents.tool_names import ToolNames, fold
from nacre.agents.trajectory import ActionInput
from nacre.agents.vocabulary import FINISH, KEYS, NOTHING
from nacre.text.dialects import read_calls
from nacre.text.lenient_json import read_arguments, read_json
from nacre.text.strict_json import to_json

ToolCall = tuple[str, ActionInput | None]

_LONGEST_YAML = 20_000
_BRACKETS = {"[": "]", "(": ")", "（": "）", "【": "】", "{": "}", "［": "］", "「": "」", "《": "》"}
_NAME = re.compile(r"[`'\"“*_]{0,3}(?P<name>[^\W\d][\w.\-]{0,63})[`'\"”*_]{0,3}[ \t]{0,2}")
_FENCED = re.compile(r"[ \t]*(?:`{3,}|~{3,})[ \t]*[\w+\-]{0,20}[ \t]*(?:\n|(?=[\[{]))")
_PYTHONIC = re.compile(r"\[\s{0,9}[^\W\d][\w.\-]{0,63}\(")  # "[search(query='x')]", of Llama 4


def read_input(text: str, arguments: tuple[str, ...] = ()) -> ActionInput:
    """Read an action's input: named arguments from JSON, `key=value` or "key: value" lines, else the plain text."""
    body = unfence(text).strip()
    if body.startswith('{\\"'):
        body = body.replace('\\"', '"')  # an object that was escaped as a string
    if body[:1] and body[0] in "{[｛［" and (read := _json_input(body)) is not None:
        return read
    if arguments and (named := _named(body, arguments)):
        return named
    plain = unquote(body)
    return plain if plain == body or plain[:1] != "{" else _json_input(plain) or plain


def try_json(text: str, start: int = 0) -> tuple[Any, int, bool]:
    """`read_json`, with None as the value where nothing can be read."""
    try:
        return read_json(text, start)
    except ValueError:
        return None, start, False


def _json_input(body: str) -> ActionInput | None:
    value, end, _ = try_json(body)
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
    if len(lines) > 1 and (data := _yaml(body)) and all(name in arguments for name in data):
        return data
    try:
        positional, named, _, _ = read_arguments(body, 0, "")
    except ValueError:
        return None
    if positional or any(name not in arguments for name in named):
        return {head[1]: _scalar(body[head.end() :])} if len(arguments) == 1 else None
    return named


def _yaml(body: str) -> dict[str, Any] | None:
    """Nested lines of YAML; without anchors, from which little text would make much data."""
    if len(body) > _LONGEST_YAML or re.search(r"(?m)(?:^|[\s:\-,\[{])[&*!]\S", body):
        return None
    try:
        data = yaml.load(textwrap.dedent(body), yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return _scalars(data) if isinstance(data, dict) and data else None


def _scalars(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _scalars(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_scalars(item) for item in data]
    return _scalar(data) if isinstance(data, str) else data


def _scalar(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return unquote(text)


def unfence(text: str) -> str:
    """The content of a code fence a text begins with; a line of introduction ending in a colon may precede it."""
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
    """Strip quotes or backticks that enclose the whole text."""
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


def read_call(text: str, tools: ToolNames) -> ToolCall | None:
    """Read a call that begins a text: `name[input]`, `name(args)`, `name: input`, `name {json}`, JSON, a tag."""
    body = unfence(text).strip()
    if tagged := read_tagged(body, tools):
        return tagged
    if body[:1] and body[0] in "{[｛" and (read := read_object(try_json(body)[0], tools)):
        return read[0] or ("finish", read[1])
    if _PYTHONIC.match(body):
        call = _bracket_call(body[1:].lstrip(), tools)
        if call and call[0] in tools.arguments:
            return call
    return _bracket_call(body, tools)


def read_tagged(text: str, tools: ToolNames) -> ToolCall | None:
    """Read the first native call that leaked into the text, in any dialect of `nacre.text.dialects`."""
    if not (calls := read_calls(text)[0]):
        return None
    found, given = tools.find(calls[0].name) or calls[0].name, calls[0].arguments
    return found, read_input(given, tools.arguments.get(found, ())) if isinstance(given, str) else given


def read_object(data: Any, tools: ToolNames) -> tuple[ToolCall | None, str | None, str] | None:
    """The call, the answer and the thought in a JSON object that is a reply; None when it is no reply of an agent."""
    if isinstance(data, list):
        data = data[0] if data else None
    if not isinstance(data, Mapping):
        return None
    keys = {fold(str(key)): value for key, value in data.items()}
    thought = next((keys[key] for key in KEYS["thought"] if isinstance(keys.get(key), str)), "")
    nested = next((keys[key] for key in KEYS["nested"] if isinstance(keys.get(key), dict | list) and keys[key]), None)
    if inner := read_object(nested, tools):
        return inner[0], inner[1], thought
    name = next(
        (keys[key] for key in (*KEYS["call"], *KEYS["name"]) if isinstance(keys.get(key), str) and keys[key]), ""
    )
    answer = next((keys[key] for key in KEYS["answer"] if keys.get(key) not in (None, "")), None)
    # An object that merely has a name, {"name": "Bob", "age": 5}, is no call.
    called = tools.find(name) is not None or any(key in keys for key in (*KEYS["call"], *KEYS["input"]))
    if name and called and not (answer is not None and fold(name) in NOTHING):
        return _from_keys(name, keys, tools), None, thought
    if answer is not None:
        return None, answer_text(answer), thought
    only = tools.find(str(next(iter(data)))) if len(data) == 1 else None
    if only:  # {"search": {"q": "x"}}
        value = next(iter(data.values()))
        return (only, value if isinstance(value, dict | list) else str(value)), None, thought
    return None


def _from_keys(name: str, keys: Mapping[str, Any], tools: ToolNames) -> ToolCall:
    found = tools.find(name) or name
    key = next((key for key in KEYS["input"] if key in keys), None)
    value = keys[key] if key else None
    if isinstance(value, str):
        value = read_input(value) if value.lstrip()[:1] == "{" else value
    elif key == "query" or (value is not None and not isinstance(value, (dict, list))):
        value = str(value)
    return found, value


def answer_text(value: Any) -> str:
    """An answer given as data, as a text."""
    if isinstance(value, Mapping):
        keys = {fold(str(key)): inner for key, inner in value.items()}
        for key in (*KEYS["answer"], *KEYS["text"]):
            if key in keys:
                return answer_text(keys[key])
        if len(value) == 1:
            return answer_text(next(iter(value.values())))
    if isinstance(value, list) and len(value) == 1:
        return answer_text(value[0])
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value, ensure_ascii=False, default=str)


def _bracket_call(body: str, tools: ToolNames) -> ToolCall | None:
    name, end = _leading_name(body, tools)
    if not name:
        return None
    rest = body[end:]
    opening = rest[:1]
    arguments = tools.arguments.get(name, ())
    if opening in ("(", "（"):
        return name, _parenthesised(rest, arguments)
    if opening == "{":
        return name, read_input(rest, arguments)
    if opening and opening in _BRACKETS:
        return name, read_input(_inside(rest, opening), arguments)
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
        return name, len(body) - len(body[len(name) :].lstrip(" \t"))
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
