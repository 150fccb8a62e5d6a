"""The tolerant reader of ReAct replies: Thought / Action / Action Input / Final Answer, in English and Chinese.

It is pure and linear, and it never raises. What it forgives was collected from the issue trackers of other agent
libraries: full-width colons, Chinese keys, bold or numbered labels, fenced or broken JSON, `name(args)` and
`name[args]`, native calls written as text, reasoning blocks, and observations that the model invents by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from nacre.agents.scanner import SPECIAL, Label, inline_labels, line_labels, unmark
from nacre.agents.tool_calls import (
    ToolCall,
    answer_text,
    read_call,
    read_input,
    read_object,
    read_tagged,
    try_json,
    unfence,
    unquote,
)
from nacre.agents.tool_names import ToolNames, fold
from nacre.agents.trajectory import ActionInput, Step
from nacre.agents.vocabulary import FINISH, KEYS, NOTHING, NOTHING_MORE, WORDS, Kind, label_key
from nacre.text.dialects import has_mark
from nacre.text.reasoning import split_reasoning
from nacre.text.vocabulary import one_of
from nacre.validation import expect

_INNER_INPUT = re.compile(
    rf"(?:(?<![A-Za-z])|(?=[^\x00-\x7f]))(?:{one_of(WORDS['inside']['input'])})[*_]{{0,3}}[ ]?[:：][*_]{{0,3}}",
    re.IGNORECASE,
)
_INNER_OBSERVATION = re.compile(
    rf"(?:(?<=\s)|(?<=[。”\"]))[*_]{{0,3}}(?:{one_of(WORDS['inside']['observation'])})[ ]?\d{{0,3}}[*_]{{0,3}}[ ]?[:：]"
)
_SAID_ANSWER = re.compile(
    rf"(?:{one_of(WORDS['inside']['said'], ' ')})[ ]?[:：]?[ ]?(?P<answer>[^\n]{{1,2000}})", re.IGNORECASE
)
_CLOSING_TAG = re.compile(r"(?:\s*</[A-Za-z_]{1,20}>)+\s*$")
MAX_LABELS = 64  # more labels than that before the first readable action is noise
MAX_LINES = 64
_WRAP = "*_` \t\n\r\u3000"


def parse_react(text: str, tools: Iterable[Any] | ToolNames | None = None) -> Step:
    """Read one reply of a model that was asked for Thought / Action / Action Input or Final Answer.

    Args:
        text: the reply. What follows the first action (an invented observation, more turns) is ignored.
        tools: the tools that exist (LangChain tools, OpenAI tool dicts or names); knowing them makes it possible to
            recognise calls without a label, and gives arguments their names.

    Returns:
        A step with an action, or with an answer; a reply without any marker is an answer. A reply that has markers
        but cannot be read has neither: ask the model once more.

    Example:
        >>> parse_react("思考：先搜索\\n行动：search\\n行动输入：{'q': '螺钿',}").action_input
        {'q': '螺钿'}
    """
    expect(text, "text", str)
    names = ToolNames.of(tools)
    body = SPECIAL.sub("\n", split_reasoning(text)[0]).replace("\r\n", "\n").replace("\xa0", " ").strip()
    if not body:
        return Step()
    candidate = unfence(body).strip()  # one JSON object, perhaps fenced, perhaps behind a sentence
    if candidate[:1] in ("{", "[", "｛") and (step := _object_step(try_json(candidate)[0], names)):
        return step
    marked = unmark(body)
    for find_labels in (line_labels, inline_labels):
        labels = find_labels(marked)
        if _is_reply(marked, labels, names):
            step = _from_labels(marked, labels, names)
            if step.readable:
                return step
    return _unlabelled(marked, names)


def _object_step(value: Any, names: ToolNames, thought: str = "") -> Step | None:
    read = read_object(value, names)
    if not read:
        return None
    call, answer, said = read
    return _called(said or thought, call, names) if call else Step(thought=said or thought, answer=answer)


def _is_reply(text: str, labels: list[Label], names: ToolNames) -> bool:
    """Whether the labels make a ReAct reply, or are words of an ordinary text."""
    if any(label.strong for label in labels):
        return True
    kinds = [label.kind for label in labels]
    if Kind.ACTION in kinds:
        action = labels[kinds.index(Kind.ACTION)]
        spelled = text[action.body :].split("\n", 1)[0]
        return (
            Kind.INPUT in kinds
            or names.find(spelled) is not None
            or (bool(names.arguments) and _call(spelled, names) is not None)
        )
    return bool(labels) and labels[0].kind is Kind.ANSWER and not text[: labels[0].start].strip()


def _from_labels(text: str, labels: list[Label], names: ToolNames) -> Step:
    preamble = text[: labels[0].start].strip(_WRAP)
    thoughts: list[str] = []
    for at, label in enumerate(labels[:MAX_LABELS]):
        body = text[label.body : labels[at + 1].start if at + 1 < len(labels) else len(text)]
        if label.kind is Kind.THOUGHT:
            thoughts.append(body.strip(_WRAP))
        elif label.kind is Kind.OBSERVATION and (at > 0 or preamble):
            break  # from here on the model has invented what it was to be told
        elif label.kind is Kind.ANSWER:
            answer = text[label.body : _answer_end(text, labels, at)]
            return Step(thought=_thought(thoughts, preamble), answer=_clean_answer(answer, _opened_bold(text, label)))
        elif label.kind in (Kind.ACTION, Kind.INPUT):
            call = _labelled_call(text, labels, at, names, _thought(thoughts, preamble))
            if call and (call[0] in names.arguments or fold(call[0]) not in NOTHING):
                return _called(_thought(thoughts, preamble), call, names)
    thought = _thought(thoughts, preamble)
    said = list(_SAID_ANSWER.finditer(thought))  # a thought that ends in "the final answer is …"
    return Step(thought=thought, answer=_clean_answer(said[-1]["answer"]).rstrip("。.") if said else None)


def _thought(thoughts: list[str], preamble: str) -> str:
    return "\n".join(thought for thought in thoughts if thought) or preamble


def _labelled_call(text: str, labels: list[Label], at: int, names: ToolNames, thought: str) -> ToolCall | None:
    body = _body(text, labels, at)
    if labels[at].kind is Kind.INPUT:
        return _input_alone(body, names, thought)
    parts = _INNER_INPUT.split(body, maxsplit=1)
    if len(parts) == 2:
        return _name_and_input(parts[0], _one_input(parts[1]), names)
    if at + 1 < len(labels) and labels[at + 1].kind is Kind.INPUT:
        labels = _without_arguments(text, labels, at + 1, names.arguments.get(names.find(body.strip()) or "", ()))
        return _name_and_input(body, _one_input(_body(text, labels, at + 1), text[labels[at + 1].body :]), names)
    return _call(body, names)


def _without_arguments(text: str, labels: list[Label], at: int, arguments: tuple[str, ...]) -> list[Label]:
    """The labels without those that are names of arguments in lines behind "Action Input:", such as "query: bolt"."""
    keys = {label_key(name) for name in arguments}
    end = at + 1
    while end < len(labels) and not labels[end].strong and label_key(labels[end].text.strip(" \t*_`>-:：=")) in keys:
        end += 1
    if end == at + 1 or text[labels[at].body : labels[at + 1].start].strip(_WRAP):
        return labels
    return labels[: at + 1] + labels[end:]


def _body(text: str, labels: list[Label], at: int) -> str:
    """What stands between a label and the next one, without a closing tag or the end of a bold line."""
    end = labels[at + 1].start if at + 1 < len(labels) else len(text)
    body = _CLOSING_TAG.sub("", text[labels[at].body : end])
    if _opened_bold(text, labels[at]) and body.rstrip().endswith("**"):
        body = body.rstrip()[:-2]
    return body


def _one_input(text: str, beyond: str = "") -> str:
    """The input of one action: up to an observation that begins in mid-line, beyond a label inside a JSON string."""
    stripped = text.lstrip()
    if stripped[:1] in ("{", "["):
        for candidate in (stripped, beyond.lstrip()):
            _, end, closed = try_json(candidate)
            if closed and (stripped[0] == "{" or not candidate[end:].strip(" \n\t`")):  # "[Oslo] mayor" is a text
                return candidate[:end]
        return text
    if stripped.startswith(("```", "~~~")):
        return text
    return _CLOSING_TAG.sub("", _INNER_OBSERVATION.split(text, maxsplit=1)[0])


def _name_and_input(spelled: str, given: str, names: ToolNames) -> ToolCall | None:
    """`Action: …` followed by `Action Input: …`."""
    call = _call(spelled, names)
    if call is None:
        return None
    name, inside = call
    read = read_input(given, names.arguments.get(name, ()))
    if isinstance(read, dict) and names.find(str(read.get("action", ""))) == name and "action_input" in read:
        return name, read["action_input"]
    if inside not in (None, "", {}) and read in ("", {}):
        return name, inside
    return name, read


def _input_alone(body: str, names: ToolNames, thought: str) -> ToolCall | None:
    """An input without an action: the tool may be named in the input itself or in the thought, or be the only one."""
    call = read_call(body, names)
    if call and (call[0] in names.arguments or fold(call[0]) in FINISH):
        return call
    only = next(iter(names.arguments)) if len(names.arguments) == 1 else names.mentioned(thought)
    return (only, read_input(_one_input(body), names.arguments[only])) if only else None


def _call(body: str, names: ToolNames) -> ToolCall | None:
    """What stands behind "Action:"."""
    body = _INNER_OBSERVATION.split(body, maxsplit=1)[0].strip(" \t\n\r\u3000*")
    if not body.strip(_WRAP):
        return None
    if call := read_call(body, names):
        return call
    first, _, rest = body.strip(_WRAP).partition("\n")
    if exact := names.find(first):
        return exact, read_input(rest, names.arguments[exact]) if rest.strip() else None
    return read_call(first.strip("<[【 "), names) or _loose_call(first.strip(), rest, names)


def _loose_call(first: str, rest: str, names: ToolNames) -> ToolCall | None:
    """`search the web for …`, `use the search tool`, `Google Search`."""
    head, _, tail = first.partition(" ")
    known = names.find(head)
    if known and tail.strip():
        return known, read_input(tail.strip(" :：-"), names.arguments[known])
    before, _, behind = first.replace("：", ":").rpartition(":")
    if fold(before) in FINISH:
        return before, behind.strip()
    if mentioned := names.find(behind) or names.mentioned(first):
        return mentioned, _behind_mention(first, rest, mentioned)
    plain = first.strip("`'\"*<>[]【】“”. 。：:…")
    if fold(plain) in NOTHING or fold(plain) in FINISH:
        return plain, (read_input(rest) if rest.strip() else None)
    if fold(head) in NOTHING or fold(plain).startswith(NOTHING_MORE):
        return "none", None
    return (plain, read_input(rest) if rest.strip() else None) if plain else None


def _behind_mention(first: str, rest: str, name: str) -> ActionInput | None:
    """The input of a call told as a sentence: what is quoted or stands behind a colon, else the following lines."""
    tail = first[first.casefold().find(name.casefold()) + len(name) :]
    if quoted := re.search(r"[\"“「'‘]([^\"”」\n]{1,500})[\"”」'’]", tail):
        return quoted[1]
    for mark in (":", "："):
        if mark in tail and tail.split(mark, 1)[1].strip():
            return unquote(tail.split(mark, 1)[1])
    return read_input(rest) if rest.strip() else None


def _called(thought: str, call: ToolCall, names: ToolNames) -> Step:
    name, given = call
    if name not in names.arguments:
        key = fold(name)
        if key in FINISH and given is not None:
            return Step(thought=thought, answer=_clean_answer(answer_text(given)))
        if key in FINISH or key in NOTHING:
            return Step(thought=thought)
    return Step(thought=thought, action=name, action_input="" if given is None else given)


def _answer_end(text: str, labels: list[Label], at: int) -> int:
    """An answer ends where the model goes on to invent another turn."""
    question: Label | None = None
    for label in labels[at + 1 :]:
        if label.kind in (Kind.OBSERVATION, Kind.THOUGHT) and label.strong:
            return question.start if question else label.start
        if label.kind is Kind.QUESTION and question is None:
            question = label  # an invented next question, if a thought follows it
    return len(text)


def _opened_bold(text: str, label: Label) -> bool:
    return text[label.start : label.body].count("**") % 2 == 1


def _clean_answer(answer: str, opened_bold: bool = False) -> str:
    answer = _CLOSING_TAG.sub("", answer).strip()
    if opened_bold and answer.endswith("**"):
        answer = answer[:-2]
    if answer.endswith("\n```") and answer.count("```") % 2:
        answer = answer[:-3]
    return unquote(answer.strip())


def _unlabelled(text: str, names: ToolNames) -> Step:
    """A reply without labels: a call that leaked into the text, a line that is a call, else an answer."""
    labels = line_labels(text)
    if tagged := read_tagged(text, names):
        return _called("", tagged, names)
    if embedded := _embedded_object(text, names):
        return embedded
    lines = [line.strip(_WRAP + ">-") for line in text.split("\n") if line.strip()]
    for at, line in enumerate(lines[:MAX_LINES]):
        if call := _line_call(line, "\n".join(lines[at + 1 :]), names, alone=len(lines) == 1):
            return _called("\n".join(lines[:at]), call, names)
    if any(label.strong for label in (*labels, *inline_labels(text))):
        thought = next((text[label.body :].split("\n", 1)[0] for label in labels if label.kind is Kind.THOUGHT), "")
        return Step(thought=thought.strip(_WRAP))
    return Step() if has_mark(text) else Step(answer=text.strip())  # a call that cannot be read is no answer


def _embedded_object(text: str, names: ToolNames) -> Step | None:
    """`Sure, here is the action: {"action": …}`: the first objects that begin a line or follow a colon or a fence."""
    for match in list(re.finditer(r"(?:^|[:：\n]|json)[ \t\n]{0,8}(?=\{)", text))[:8]:
        value, _, _ = try_json(text, match.end())
        keys = {fold(str(key)) for key in value} if isinstance(value, dict) else set()
        if keys.intersection(KEYS["reply"]):
            step = _object_step(value, names, text[: match.start()].strip(_WRAP))
            if step and (step.answer is not None or step.action in names.arguments or not names.arguments):
                return step
    return None


def _line_call(line: str, rest: str, names: ToolNames, *, alone: bool) -> ToolCall | None:
    """`search[…]` or `search("…")` on a line of its own; unknown names count only as the whole reply in brackets."""
    call = read_call(line, names)
    if call and (
        call[0] in names.arguments or (fold(call[0]) in FINISH and line.rstrip().endswith(("]", ")", "）", "】", "}")))
    ):
        return call
    known = names.find(line) if len(line) < 80 else None
    if known and rest.lstrip()[:1] in ("{", "`"):  # GLM-4 writes the name on one line and the arguments on the next
        return known, read_input(rest, names.arguments[known])
    if alone and not names.arguments and call and re.match(r"[A-Za-z_]\w{0,40}\[[^\]]", line) and line.endswith("]"):
        return call
    return None
