"""The final answer of a reply, read while the reply is still being written.

What has been shown cannot be taken back, so a text is given out only when it is certain: behind "Final Answer:" (or
"最终答案：") at the beginning of a line, in a reply of which everything before that is a thought. What such a reply says
later, a tool call among it, no longer counts. Replies of any other form are left to `parse_react`, when they are whole.
Whether a reply is read whole or in pieces, and in which pieces, makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from langchain_core.messages import AIMessageChunk

from nacre.agents.labels import LABELS, STRONG, Kind, label_at, line_labels, unmark
from nacre.agents.protocol import THINK_PAIRS, strip_reasoning
from nacre.agents.trajectory import Step
from nacre.hygiene import clean_text
from nacre.markers import DeadMarkers, as_nacre_provider

_NAMES = "|".join(
    [
        "final[ _]?answer",
        "final[ _]?response",
        *(name for name, kind in STRONG.items() if kind is Kind.ANSWER and not name.isascii()),
    ]
)
_MARKER = re.compile(
    rf"(?:\A|(?<=\n))[ \t]{{0,8}}(?:(?:{_NAMES})[ ]?[:：]|\*\*(?:{_NAMES})(?:[:：]\*\*|\*\*[ ]?[:：]))", re.IGNORECASE
)
# Where these begin an answer, its end decides how it is read: quotes around all of it, a fence, a tag.
_WRAPPED = tuple("\"'`“‘「<")
_TOKEN = re.compile(r"<\|[a-z_]{1,20}\|>|</s>|<s>|\[/?INST\]|<｜end▁of▁sentence｜>")
_FRAME = re.compile(r"</?data key=\"[0-9a-f]{0,32}\">\n?")
_TAG = r"</[A-Za-z_]{1,20}>"
_END_TAGS = re.compile(rf"(?:\s*{_TAG})+\s*\Z")
# At the end of what there is so far: what may still be stripped or replaced, and what may become that.
_STRIPPED = re.compile(rf"(?:{_TAG}|{_TOKEN.pattern}|</?data key=\"[0-9a-f]{{0,32}}\">|(?<=\n)(?:```|~~~))\Z")
_BEGUN = re.compile(r"(?:<[^<>\n]{0,48}|\[/?[INST]{0,4}|(?<=\n)[`~]{1,2})\Z")
_LONGEST_TOKEN = 56
_BEFORE_LABEL = re.compile(r"[ \t\u3000>*_#`~•·\-\[【<（(\"'“「\d.)、]*")
_STARTERS = ("step", "round", "turn", "步骤", "步驟", "第")
_QUESTIONS = tuple(name for name, kind in LABELS.items() if kind is Kind.QUESTION)
_CUTS = tuple(name for name, kind in STRONG.items() if kind in (Kind.THOUGHT, Kind.OBSERVATION))
_FENCES = ("```", "~~~")
_LONGEST_START = 60

Line = Literal["open", "text", "cut", "question"]


class AnswerReader:
    """Reads one reply.

    Args:
        last: the reply is the forced answer at a limit: a next question that the model asks itself ends it at once.
    """

    def __init__(self, *, last: bool = False) -> None:
        self.thought = ""
        self.answer: str | None = None
        self._last = last
        self._state: Literal["before", "begin", "answer", "left"] = "before"
        self._text = ""  # what is not decided yet
        self._ready = ""  # decided, but its end may still be stripped
        self._held: str | None = None  # from a question that the model may be asking itself
        self._searched = 0
        self._fresh, self._fenced = True, False

    def push(self, text: str) -> str:
        """Take the next piece of the reply.

        Args:
            text: as it came.

        Returns:
            What of the answer is certain now, perhaps "".
        """
        return self._read(text, final=False)

    def close(self) -> str:
        """The reply has ended.

        Returns:
            The rest of the answer. `answer` holds all of it, None where the reply is not of the certain form.
        """
        return self._read("", final=True)

    def _read(self, text: str, *, final: bool) -> str:
        self._text = (self._text + clean_text(text)).replace("\r\n", "\n").replace("\xa0", " ")
        if self._state == "before":
            self._find()
        if self._state == "begin":
            self._begin(final)
        if self._state == "answer":
            self._lines(final)
        out = self._release(final)
        if out or self.answer is not None:
            self.answer = (self.answer or "") + out
        return out

    # --- before the answer --------------------------------------------------------------------------------------------

    def _find(self) -> None:
        """Look for the first label of an answer that does not stand in private reasoning."""
        for label in _MARKER.finditer(self._text, self._searched):
            before = self._text[: label.start()]
            if any(before.count(opening) > before.count(closing) for opening, closing in THINK_PAIRS):
                continue
            self._state = "begin" if _is_thought(before) else "left"
            self.thought, self._text = strip_reasoning(before), self._text[label.end() :]
            return
        self._searched = self._text.rfind("\n") + 1

    def _begin(self, final: bool) -> None:
        """The beginning of the answer, where something else may turn out to stand."""
        text = self._text.lstrip()
        kind = (
            "left"
            if text.startswith(_WRAPPED)
            else _start(text.partition("\n")[0], tuple(STRONG), whole=final or "\n" in text)
        )
        if kind == "text" and text:
            self._state, self._text = "answer", text
        elif kind != "open" or final:
            self._state = "left"

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _lines(self, final: bool) -> None:
        """Move what is decided from `_text` to `_ready`, line by line."""
        text, at = self._text, 0
        while at < len(text):
            end = text.find("\n", at) + 1 or len(text)
            line = text[at:end]
            if self._fresh:
                kind = self._kind(line, whole=final or line.endswith("\n"))
                if kind == "open":
                    break
                if kind == "cut" or (kind == "question" and self._last):
                    self._state, self._held, at = "left", None, len(text)
                    break
                if kind == "question" and self._held is None:
                    self._held = ""
            if not final and line.endswith("\r"):  # a line feed may follow
                line = line[:-1]
            self._take(line)
            at += len(line)
            self._fresh = line.endswith("\n")
            if not self._fresh:
                break
        self._text = text[at:]

    def _kind(self, line: str, *, whole: bool) -> Line:
        """What a line is; one that opens or closes a fence is text, and so is everything inside."""
        start = line.lstrip(" \t")
        if start[:3] in _FENCES:
            self._fenced = not self._fenced
            return "text"
        if not whole and len(start) < 3 and any(mark.startswith(start) for mark in _FENCES):
            return "open"
        return "text" if self._fenced else _start(line, _CUTS, whole=whole)

    def _take(self, text: str) -> None:
        if self._held is None:
            self._ready += text
        else:
            self._held += text

    def _release(self, final: bool) -> str:
        """What can no longer be stripped from the end of the answer."""
        if final and self._held:
            self._ready, self._held = self._ready + self._held, None
        ended = final or self._state == "left"
        at = len(self._ready) if ended else _open_end(self._ready)
        text, self._ready = self._ready[:at], self._ready[at:]
        text = _TOKEN.sub("\n", _FRAME.sub("", text))
        if self.answer is None:
            text = text.lstrip()
        if ended:
            text = _END_TAGS.sub("", text).rstrip()
            if text.endswith("\n```") and ((self.answer or "") + text).count("```") % 2:
                text = text[:-4].rstrip()
        return text


class LiveAnswer:
    """Shows the final answer of an agent's reply as it is written (a `ChunkFilter`). Nothing else of the reply is shown.

    Args:
        reader: reads the reply.
        numbers: those of the sources that may be cited; None where there are no sources.
    """

    def __init__(self, reader: AnswerReader, numbers: Sequence[int] | None) -> None:
        self._reader = reader
        self._markers = None if numbers is None else DeadMarkers(numbers)
        self._blind = False

    def push(self, chunk: AIMessageChunk) -> Sequence[AIMessageChunk]:
        """Take a chunk in.

        Args:
            chunk: of the model.

        Returns:
            A chunk with answer text, where there is some; content in blocks is not shown before it is whole.
        """
        self._blind = self._blind or not isinstance(chunk.content, str)
        if self._blind:
            return []
        text = self._reader.push(str(chunk.content))
        return self._shown(text if self._markers is None else self._markers.push(text), chunk)

    def close(self) -> Sequence[AIMessageChunk]:
        """The stream has ended.

        Returns:
            The rest of the answer.
        """
        if self._blind:
            return []
        text = self._reader.close()
        return self._shown(text if self._markers is None else self._markers.push(text) + self._markers.close(), None)

    def _shown(self, text: str, chunk: AIMessageChunk | None) -> list[AIMessageChunk]:
        if not text:
            return []
        metadata = {} if chunk is None else chunk.response_metadata
        if self._markers is not None:
            metadata = as_nacre_provider(metadata)
        return [AIMessageChunk(content=text, response_metadata=metadata, id=None if chunk is None else chunk.id)]


def certain_answer(text: str, *, last: bool = False) -> Step | None:
    """Read a whole reply as it is read while it streams.

    Args:
        text: the reply.
        last: see `AnswerReader`.

    Returns:
        A step with the answer; None where `parse_react` has to read the reply.
    """
    reader = AnswerReader(last=last)
    reader.push(text)
    reader.close()
    return Step(thought=_said(reader.thought), answer=reader.answer) if reader.answer else None


def hides_reasoning(text: str) -> bool:
    """Whether a reply closes private reasoning that it never opened: then none of its beginning can be trusted.

    Args:
        text: a reply.

    Returns:
        True for a model whose chat template writes the opening tag.
    """
    return any(closing in text and opening not in text.split(closing, 1)[0] for opening, closing in THINK_PAIRS)


def _is_thought(before: str) -> bool:
    """Whether what stands before the label is nothing, or labelled thoughts only."""
    rest = strip_reasoning(before).strip()
    if not rest:
        return True
    if rest[0] in "{[`~" or unmark(rest) != rest or "<tool_call>" in rest:
        return False
    labels = line_labels(rest)
    return (
        bool(labels) and labels[0].start == 0 and all(label.kind is Kind.THOUGHT and label.strong for label in labels)
    )


def _said(thought: str) -> str:
    """A thought without its labels."""
    text = thought.strip()
    labels = line_labels(text)
    ends = [*(label.start for label in labels[1:]), len(text)]
    bodies = [text[label.body : end].strip() for label, end in zip(labels, ends, strict=True)] if labels else []
    return "\n".join(bodies) if labels else text


def _start(line: str, names: Sequence[str], *, whole: bool) -> Line:
    """What a line begins with: text, a label of one of these names ("cut"), the model's next question, or "open".

    The decision is made at the first character at which it can be made, so that it does not matter how the text is cut.
    """
    line = line.removesuffix("\n")
    size = next((n for n in range(len(line[:_LONGEST_START]) + 1) if not _may_become_label(line[:n], names)), None)
    if size is None and not whole and len(line) < _LONGEST_START:
        return "open"
    beginning = line if size is None else line[:size]
    if beginning.lstrip().startswith(tuple(opening for opening, _ in THINK_PAIRS)):
        return "cut"
    label = label_at(beginning, 0, len(beginning))
    if label is None:
        return "text"
    if label.kind is Kind.QUESTION:
        return "question"
    return "cut" if any(STRONG.get(name) is label.kind for name in names) and label.strong else "text"


def _may_become_label(line: str, names: Sequence[str]) -> bool:
    start = line[_BEFORE_LABEL.match(line).end() :]  # type: ignore[union-attr]
    key = re.sub(r"[\s_\-]", "", start).lower()
    if line.lstrip()[:1] in ("<", "◁") and len(line.lstrip()) < 24:
        return True
    if any(word.startswith(key) for word in (*names, *_QUESTIONS, *_STARTERS)):
        return True
    if key.startswith(_STARTERS) and len(start) < 24:
        return True
    return any(key.startswith(word) and len(key) <= len(word) + 8 for word in (*names, *_QUESTIONS))


def _open_end(text: str) -> int:
    """Where the part begins that may still be stripped or replaced when more comes."""
    begun = _BEGUN.search(text, max(0, len(text) - _LONGEST_TOKEN))
    at = begun.start() if begun else len(text)
    while True:
        while at and text[at - 1].isspace():
            at -= 1
        token = _STRIPPED.search(text, max(0, at - _LONGEST_TOKEN), at)
        if token is None:
            return at
        at = token.start()
