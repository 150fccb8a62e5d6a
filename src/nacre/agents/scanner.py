"""The one reader of the lines that agents' replies are made of, whole or while they come.

A line that begins with a label (Thought, Action, Action Input, Observation, Final Answer, in either language) is told
from one of text as soon as its first characters allow it. Everything is one linear scan with bounded repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nacre.agents.vocabulary import ANY_LABEL, LABELS, STRONG, STRONG_LABEL, WORDS, Kind, label_key
from nacre.text.reasoning import THINK_PAIRS
from nacre.text.vocabulary import one_of

_COUNTS = one_of(WORDS["counts"])
_NUMBER = r"(?:\d{1,4}|[一二三四五六七八九十]{1,3})"
# "  > **3. Thought 2:** ", "### 思考", "【行动】", "第2步 行动："; `open` and `close` tell a label set apart by marks.
_LINE = re.compile(
    rf"""(?P<open>[ \t\u3000>*_\#`~•·\-\[【<（("'“「]{{0,12}})
    (?:(?:{_COUNTS})[ ]?{_NUMBER}[ ]?[步轮]?[ ]?[:：.\-、)]?[ ]{{0,2}}[*_]{{0,3}})?
    (?:\(?\d{{1,4}}[.)、:：][ ]{{0,2}}[*_`\[【<]{{0,4}})?
    (?P<label>{ANY_LABEL})(?![A-Za-z])
    [ ]{{0,2}}(?:[\#(（]?{_NUMBER}[)）]?)?[ ]?
    (?P<close>[*_`\]】>"'”」)）]{{0,6}})[ \t]{{0,3}}(?:(?:是|为|is)[ ]?(?=[:：]))?
    (?P<sep>[:：﹕∶꞉]|->|=>|→|——?(?=\s))?""",
    re.IGNORECASE | re.VERBOSE,
)
# The same with its end open: what may stand before a label, and what behind it before its content begins.
_BEFORE = re.compile(
    rf"(?:[ \t\u3000>*_#`~•·\-\[【<（(\"'“「\d.)、:：一二三四五六七八九十步轮]|{_COUNTS})*", re.IGNORECASE
)
_BEHIND = re.compile(
    rf"(?P<label>{ANY_LABEL})(?![A-Za-z])"
    r"[ \t#(（\d一二三四五六七八九十)）*_`\]】>\"'”」]*(?:is?|是|为)?[ ]?(?P<sep>[:：﹕∶꞉→\-=>—]*)[ *_`~]*",
    re.IGNORECASE,
)
_WORDS = (*LABELS, *map(label_key, WORDS["counts"]))
_BEGUN = frozenset(word[:size] for word in _WORDS for size in range(len(word) + 1))
_LONGEST_START = 60
# In the middle of a line only strong labels written as labels: "… found. Action: search", "……行动：搜索".
_INLINE = re.compile(
    rf"(?P<open>[*_]{{0,3}})(?P<label>{STRONG_LABEL}|{one_of(WORDS['inside']['answer'])})(?![A-Za-z])"
    r"[ ]?\d{0,4}[ ]?[*_]{0,3}[ ]?[:：]",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[ ]?([*_]{1,3}|`(?!`))")
_CALL_AHEAD = re.compile(r"[A-Za-z_][\w.\-]{0,60}[ ]?[\[(（【]")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_HOLD_CONTENT = (Kind.INPUT, Kind.ACTION, Kind.ANSWER)

_THINK_OPENINGS = tuple(opening for opening, _ in THINK_PAIRS)
SPECIAL = re.compile(
    r"<\|(?:im_end|im_start|eot_id|end_of_text|endoftext|end|assistant|eom_id|user|observation)\|>"
    r"|</s>|<s>|\[/?INST\]|<｜end▁of▁sentence｜>"
)


@dataclass(frozen=True, slots=True)
class Label:
    """A label: its kind, whether it is a strong one, where it begins, where its body begins, and as it was written."""

    kind: Kind
    strong: bool
    start: int
    body: int
    text: str
    fenced: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of one line that is no label; `fence` where it opens or closes a code fence."""

    text: str
    fence: bool = False


class Scanner:
    """Parts a text that comes in pieces into labels and text; the texts of all events, joined, are that text."""

    def __init__(self) -> None:
        self._waiting = ""  # the beginning of a line of which it is not known yet what it is
        self._tried = 0
        self._offset = 0
        self._fresh = True
        self._fenced = self._content = False

    def push(self, piece: str, *, final: bool = False) -> Iterator[Label | Text]:
        """Take the next piece and tell what is certain now; of the final one, everything."""
        text, at = self._waiting + piece, 0
        while at < len(text):
            end = text.find("\n", at) + 1 or len(text)
            if self._fresh:
                known = end if final or text[end - 1] == "\n" else self._known(text, at)
                if known is None:
                    break
                start = self._start(text, at, known)
                at, self._fresh = at + len(start.text), False
                if start.text or isinstance(start, Label):
                    yield start
            if at < end:
                yield Text(text[at:end])
            at, self._fresh = end, text[end - 1] == "\n"
        self._waiting = text[at:]
        self._offset += at

    def _known(self, text: str, at: int) -> int | None:
        """The end of the shortest beginning of an unfinished line that tells what the line is."""
        for size in range(self._tried + 1, min(len(text) - at, _LONGEST_START) + 1):
            if size == _LONGEST_START or not is_open(text[at : at + size]):
                self._tried = 0
                return at + size
            self._tried = size
        return None

    def _start(self, text: str, at: int, end: int) -> Label | Text:
        """What a line begins with. A fence behind an input or an answer wraps content, any other the reply."""
        fence = _FENCE.match(text, at, end)
        if fence and self._fenced:
            self._fenced = False
            return Text(fence[0], fence=True)
        label = label_at(text, at, end, self._offset, fenced=self._fenced)
        if label is None:
            self._fenced = self._fenced or bool(fence and self._content)
            return Text(fence[0] if fence else "", fence=fence is not None)
        if not self._fenced:
            self._content = label.kind in _HOLD_CONTENT
            self._fenced = text.startswith(("```", "~~~"), label.body - self._offset)
        return label


def is_open(line: str) -> bool:
    """Whether the beginning of a line may still become a label or a tag, or a label whose content has not begun."""
    start = line.lstrip()
    if any(opening.startswith(start) for opening in _THINK_OPENINGS):
        return True
    rest = _BEFORE.sub("", line, count=1)
    while label_key(rest) not in _BEGUN:
        label = _BEHIND.match(rest)
        if label is None:
            return False
        if label.end() == len(rest):
            return True
        if not label["sep"]:  # "Action search[…]" is known by its bracket
            return STRONG.get(label_key(label["label"])) is Kind.ACTION
        rest = _BEFORE.sub("", rest[label.end() :], count=1)
    return True


def label_at(text: str, at: int, end: int, offset: int = 0, *, fenced: bool = False) -> Label | None:
    """The label with which the line from `at` to `end` begins; `offset` is where `text` stands in the whole."""
    if text[at:end].lstrip().startswith(_THINK_OPENINGS):
        return Label(Kind.REASONING, False, at + offset, at + offset, "", fenced)
    match = _LINE.match(text, at, end)
    if not match:
        return None
    key = label_key(match["label"])
    again = _LINE.match(text, match.end(), end) if match["sep"] else None
    if again and again["sep"] and label_key(again["label"]) == key:
        match = again  # "Action: Action: search"
    strong = key in STRONG
    rest = text[match.end() : min(end, match.end() + 80)]
    marked = "#" in match["open"] or any(mark in match["close"] for mark in "*]】>")
    called = LABELS[key] is Kind.ACTION and _CALL_AHEAD.match(rest.lstrip())
    if not (match["sep"] or (strong and (marked or called or not rest.strip()))):
        return None
    body = _behind_marks(text, match)
    return Label(LABELS[key], strong, at + offset, body + offset, text[at:body], fenced)


def _behind_marks(text: str, match: re.Match[str]) -> int:
    """Where the body begins: behind the bold or code marks that were opened before the label."""
    marks = _MARKS.match(text, match.end())
    return marks.end() if marks and marks[1][0] in match["open"] else match.end()


def line_labels(text: str) -> list[Label]:
    """Labels that stand at the beginning of a line, outside the code fences of inputs and answers."""
    labels: list[Label] = []
    for event in Scanner().push(text, final=True):
        if isinstance(event, Label):
            labels += [event] if event.kind is not Kind.REASONING else []
        elif event.fence:  # what stands in a fence counts only where the fence is never closed
            while labels and labels[-1].fenced:
                labels.pop()
    return labels


def inline_labels(text: str) -> list[Label]:
    """Strong labels with a colon, wherever they stand."""
    found = []
    for match in _INLINE.finditer(text):
        key = label_key(match["label"])
        before = text[match.start() - 1 : match.start()]
        if key.isascii():
            # "…搜索Action：searchAction Input：": a capital tells a label from the word before it.
            is_label = match["label"][0].isupper() and not (before.isascii() and (before.isupper() or before == "_"))
        else:
            is_label = not before.isalnum() or before.isascii()
        if is_label:
            found.append(Label(LABELS[key], key in STRONG, match.start(), _behind_marks(text, match), match[0]))
    return found


_TAG = one_of(WORDS["tags"])
_TAGS = re.compile(
    rf"<(?P<slash>/?)(?P<tag>{_TAG})>|【(?P<mark>{_TAG})】[ ]?[:：]?"
    r"|\[(?P<square>Thought|Action|Action Input|Observation|Final Answer)\][ ]?[:：]?"
    r"|✿(?P<flower>FUNCTION|ARGS|RESULT|RETURN)✿[ ]?[:：]?",
    re.IGNORECASE,
)
_FLOWERS = {"function": "Action", "args": "Action Input", "result": "Observation", "return": "Final Answer"}


def unmark(text: str) -> str:
    """Write labels given as tags, brackets or special tokens as lines: `<action>x</action>` -> "Action: x"."""

    def line(match: re.Match[str]) -> str:
        if match["slash"]:
            return "\n"
        name = match["tag"] or match["mark"] or match["square"] or _FLOWERS[match["flower"].lower()]
        return f"\n{name}: "

    return _TAGS.sub(line, text)
