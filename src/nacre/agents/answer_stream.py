"""The final answer of a reply, read while the reply is still being written.

What has been shown cannot be taken back, so a text is given out only when it is certain: behind "Final Answer:" (or
"最终答案：") at the beginning of a line, in a reply of which everything before that is a thought. What such a reply
says later, a tool call among it, no longer counts. Replies of any other form are left to `parse_react`, when they are
whole. Whether a reply is read whole or in pieces, and in which pieces, makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from langchain_core.messages import AIMessageChunk

from nacre.agents.scanner import SPECIAL, Label, Scanner, Text, is_open, label_at, line_labels, unmark
from nacre.agents.trajectory import Step
from nacre.agents.vocabulary import WORDS, Kind
from nacre.text.hygiene import clean_text
from nacre.text.markers import CitationMarkers, as_nacre_provider
from nacre.text.reasoning import THINK_PAIRS, split_reasoning
from nacre.text.vocabulary import one_of

_ANSWER = re.compile(one_of(WORDS["labels"]["answer"]), re.IGNORECASE)
_NAME = r"[^\W\d]+(?: [^\W\d]+)?"
_CERTAIN = re.compile(rf"[ \t]{{0,8}}(?:{_NAME} ?[:：]|\*\*{_NAME}(?:[:：]\*\*|\*\* ?[:：]))\s*")
# Where these begin an answer, its end decides how it is read: quotes around all of it, a fence, a tag.
_WRAPPED = tuple("\"'`“‘「<")
_MARK = r"</?data key=\"[0-9a-f]{0,32}\">"  # of the frame around an observation
_FRAME = re.compile(rf"{_MARK}\n?")
_TAG = r"</[A-Za-z_]{1,20}>"
_END_TAGS = re.compile(rf"(?:\s*{_TAG})+\s*\Z")
# At the end of what there is so far: what may still be stripped or replaced, and what may become that.
_STRIPPED = re.compile(rf"(?:{_TAG}|{SPECIAL.pattern}|{_MARK}|(?<=\n)(?:```|~~~))\Z")
_BEGUN = re.compile(r"(?:<[^<>\n]{0,48}|\[/?[INST]{0,4}|(?<=\n)[`~]{1,2})\Z")
_LONGEST_TOKEN = 56
_TURNS = (Kind.THOUGHT, Kind.OBSERVATION, Kind.REASONING)


class AnswerReader:
    """Reads one reply."""

    def __init__(self, *, last: bool = False) -> None:
        self.thought = ""
        self.answer: str | None = None
        self._last = last
        self._scanner = Scanner()
        self._carry = ""  # a carriage return that a line feed may follow
        self._state: Literal["before", "begin", "answer", "left"] = "before"
        self._pieces: list[str] = []  # what stands before the answer
        self._lead = ""  # what stands behind its label, where something else may turn out to stand
        self._ready = ""  # decided, but its end may still be stripped
        self._held: str | None = None  # from a question that the model may be asking itself

    def push(self, text: str) -> str:
        """Take the next piece of the reply; what of the answer is certain now comes back, perhaps ""."""
        return self._read(text, final=False)

    def close(self) -> str:
        """The reply has ended: the rest of the answer. `answer` holds all of it, None where the form is another."""
        return self._read("", final=True)

    def _read(self, text: str, *, final: bool) -> str:
        if self._state == "left" and not self._ready:
            return ""
        text = (self._carry + clean_text(text)).replace("\r\n", "\n").replace("\xa0", " ")
        self._carry = "\r" if text.endswith("\r") and not final else ""
        for event in self._scanner.push(text.removesuffix(self._carry), final=final):
            if self._state == "before":
                self._find(event)
            elif self._state == "begin":
                self._begin(event)
            elif self._state == "answer":
                self._continue(event)
        if self._state == "begin" and final:
            self._begin(Text("\n"))
        out = self._release(final)
        if out or self.answer is not None:
            self.answer = (self.answer or "") + out
        return out

    def _find(self, event: Label | Text) -> None:
        """Look for the first label that is no thought's and does not stand in private reasoning: an answer's?"""
        if isinstance(event, Label) and event.kind is not Kind.THOUGHT and event.strong:
            before = "".join(self._pieces)
            if not any(before.count(opening) > before.count(closing) for opening, closing in THINK_PAIRS):
                answers = event.kind is Kind.ANSWER and _CERTAIN.fullmatch(event.text)
                thought = _thought(before) if answers else None
                self._state, self.thought = ("left" if thought is None else "begin"), thought or ""
        self._pieces.append(event.text)

    def _begin(self, event: Label | Text) -> None:
        """The beginning of the answer, unless something else turns out to stand there."""
        self._lead = (self._lead + event.text).lstrip()
        line, broken, _ = self._lead.partition("\n")
        if not line:
            return
        label = label_at(line, 0, len(line))
        if line.startswith(_WRAPPED) or (label and (label.strong or label.kind in (Kind.QUESTION, Kind.REASONING))):
            self._state = "left"
        elif broken or not is_open(line):
            self._state, self._ready = "answer", self._lead

    def _continue(self, event: Label | Text) -> None:
        """Take more of the answer, up to a turn that the model invents."""
        if isinstance(event, Label) and not event.fenced:
            asks = event.kind is Kind.QUESTION
            if (event.kind in _TURNS and (event.strong or event.kind is Kind.REASONING)) or (asks and self._last):
                self._state, self._held = "left", None
                return
            if asks and self._held is None:
                self._held = ""
        if self._held is None:
            self._ready += event.text
        else:
            self._held += event.text

    def _release(self, final: bool) -> str:
        """What can no longer be stripped from the end of the answer."""
        if final and self._held:
            self._ready, self._held = self._ready + self._held, None
        ended = final or self._state == "left"
        at = len(self._ready) if ended else _open_end(self._ready)
        text, self._ready = self._ready[:at], self._ready[at:]
        text = SPECIAL.sub("\n", _FRAME.sub("", text))
        if self.answer is None:
            text = text.lstrip()
        if ended:
            text = _END_TAGS.sub("", text).rstrip()
            if text.endswith("\n```") and ((self.answer or "") + text).count("```") % 2:
                text = text[:-4].rstrip()
        return text


class LiveAnswer:
    """Shows the final answer of an agent's reply as it is written (a `ChunkFilter`), and nothing else of the reply."""

    def __init__(self, reader: AnswerReader, numbers: Sequence[int] | None) -> None:
        self._reader = reader
        self._markers = None if numbers is None else CitationMarkers(numbers)
        self._blind = False

    def push(self, chunk: AIMessageChunk) -> Sequence[AIMessageChunk]:
        """Take a chunk in."""
        self._blind = self._blind or not isinstance(chunk.content, str)
        if self._blind:
            return []
        text = self._reader.push(str(chunk.content))
        return self._shown(text if self._markers is None else self._markers.push(text), chunk)

    def close(self) -> Sequence[AIMessageChunk]:
        """The stream has ended."""
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
    """Read a whole reply as it is read while it streams."""
    if not _ANSWER.search(clean_text(text).replace("\xa0", " ")):
        return None
    reader = AnswerReader(last=last)
    reader.push(text)
    reader.close()
    return Step(thought=reader.thought, answer=reader.answer) if reader.answer else None


def hides_reasoning(text: str) -> bool:
    """Whether a reply closes private reasoning that it never opened: then none of its beginning can be trusted."""
    return any(closing in text and opening not in text.split(closing, 1)[0] for opening, closing in THINK_PAIRS)


def _thought(before: str) -> str | None:
    """What stands before the answer's label, without its own labels; None where it is more than labelled thoughts."""
    said = split_reasoning(before)[0].strip()
    if not said:
        return ""
    labels = line_labels(said)
    if said[0] in "{[`~" or unmark(said) != said or "<tool_call>" in said or not labels or labels[0].start:
        return None
    if not all(label.kind is Kind.THOUGHT and label.strong for label in labels):
        return None
    ends = [*(label.start for label in labels[1:]), len(said)]
    return "\n".join(said[label.body : end].strip() for label, end in zip(labels, ends, strict=True))


def _open_end(text: str) -> int:
    """Where the part begins that may still be stripped or replaced when more comes."""
    begun = _BEGUN.search(text, max(0, len(text) - _LONGEST_TOKEN))
    at = begun.start() if begun else len(text)
    while True:
        at = len(text[:at].rstrip())
        token = _STRIPPED.search(text, max(0, at - _LONGEST_TOKEN), at)
        if token is None:
            return at
        at = token.start()
