"""Private reasoning that a model writes into its answer, split from it: whole, or piece by piece as it is streamed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAMES = """\
think thinking thought thoughts thought_process reasoning reflection scratchpad inner_thoughts inner_monologue
antThinking seed:think mm:think longcat_think"""
_OTHERS = """\
◁think▷ ◁/think▷ [THINK] [/THINK] <|think|> <|/think|> <|begin_of_thought|> <|end_of_thought|> <|START_THINKING|>
<|END_THINKING|> <|thinking_start|> <|thinking_end|> <|channel>thought <channel|> <|channel|>analysis<|message|>
<|end|>"""
THINK_PAIRS = [(f"<{name}>", f"</{name}>") for name in _NAMES.split()]
THINK_PAIRS += zip(_OTHERS.split()[::2], _OTHERS.split()[1::2], strict=True)
"""How private reasoning begins and ends, by the chat templates that are known."""
_CLOSING_OF = {opening.lower(): closing.lower() for opening, closing in THINK_PAIRS}
_ORPHANS = frozenset(_CLOSING_OF.values()) - {"<|end|>"}  # that one also ends an answer
# Openings that count only where a reply begins: gpt-oss without its control tokens, and Granite.
_BARE = {
    "analysis": "assistantfinal",
    "here is my thought process:": "here is my response:",
    "here's my thought process:": "here's my response:",
}
_NOISE = (
    "<|channel|>commentary<|message|>", "<|end|>",
    "<|start|>assistant", "<|channel|>final<|message|>", "<|return|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>",
)  # fmt: skip
_MARKS = sorted({*_CLOSING_OF, *_CLOSING_OF.values(), *(mark.lower() for mark in _NOISE)}, key=len, reverse=True)
_MARK = re.compile("|".join(map(re.escape, _MARKS)), re.IGNORECASE)
_LONGEST = len(_MARKS[0])
_LEAD = 80
_QUOTES = "`'\"“‘「"
# How a thought begins whose opening tag stood in the prompt already: such a beginning is not shown before it is known.
_BLANKS = 1000
_THOUGHTFUL = (
    "okay,", "okay so", "okay, ", "ok,", "ok so", "alright,", "hmm", "so,", "so the user", "the user ", "we need to",
    "we are given", "we have to", "let me think", "let me analy", "let me see", "let me start", "let's think",
    "let's see", "let's analy", "i need to", "i should", "thinking process", "wait,",
    "嗯", "好的，用户", "好的,用户", "好，用户", "好的，我", "用户", "首先，用户", "首先，我", "我需要", "我现在",
    "让我想", "让我分析",
)  # fmt: skip


def split_reasoning(text: str) -> tuple[str, str]:
    """Part a whole reply into the answer and the private reasoning, also where only its end is marked."""
    if _MARK.search(text) is None and not text.lower().startswith(tuple(_BARE)):
        return text, ""
    splitter = ReasoningSplitter(hold=True)
    pieces = [splitter.push(text), splitter.close()]
    return "".join(said for said, _ in pieces), "".join(thought for _, thought in pieces).strip()


class ReasoningSplitter:
    """Parts a stream. Nothing that may be reasoning is given out as the answer.

    Args:
        hold: this model has been seen to close a thought that it never opened: its answer is what stands behind.
        inside: the prompt has opened a thought already.
    """

    def __init__(self, *, hold: bool = False, inside: bool = False) -> None:
        self._hold: bool | None = True if hold else None
        self._closing = THINK_PAIRS[0][1] if inside else ""
        self._held = ""
        self._line = ""  # what the line that is being written says so far
        self._fences = 0
        self._searched = 0  # characters of what is held that hold no mark
        self._began = self._thought = False
        self.unopened = False
        """Whether a thought was closed that had not been opened."""

    def known(self) -> None:
        """The server tells reasoning apart itself: nothing need be held back for it."""
        self._hold = False

    def push(self, piece: str) -> tuple[str, str]:
        """Take the next piece: what of it is answer, and what reasoning."""
        return self._read(piece, final=False)

    def close(self) -> tuple[str, str]:
        """The reply has ended."""
        return self._read("", final=True)

    def _read(self, piece: str, *, final: bool) -> tuple[str, str]:
        text, self._held = self._held + piece, ""
        said: list[str] = []
        thought: list[str] = []
        at = 0
        if not self._began and not self._closing and not self._thought:
            at = self._bare_beginning(text, final)
        while at < len(text):
            if self._closing:
                at = self._inside(text, at, thought, final)
            else:
                at = self._outside(text, at, said, thought, final)
            if self._held:
                break
        return "".join(said), "".join(thought)

    def _bare_beginning(self, text: str, final: bool) -> int:
        """`analysisThe user asks…assistantfinal42`: harmony without its control tokens."""
        start = text[:_LONGEST].lower()
        for opening, closing in _BARE.items():
            if start.startswith(opening) and (opening[-1] == ":" or text[len(opening) :][:1].isupper()):
                self._closing = closing
                return len(opening)
            if not final and text and opening.startswith(start):
                self._held = text
                return len(text)
        return 0

    def _inside(self, text: str, at: int, thought: list[str], final: bool) -> int:
        self._thought = True
        if end := re.compile(re.escape(self._closing), re.IGNORECASE).search(text, at):
            thought.append(text[at : end.start()])
            self._closing = self._line = ""
            self._searched = 0
            return end.end()
        cut = len(text) if final else len(text) - _overlap(text, _beginnings(self._closing))
        thought.append(text[at:cut])
        self._held = text[cut:]
        return len(text)

    def _outside(self, text: str, at: int, said: list[str], thought: list[str], final: bool) -> int:
        held = not final and self._waits(text[at : at + 200])
        mark = self._next_mark(text, at)
        self._searched = 0
        if mark is not None:
            kind = mark[0].lower()
            if kind in _CLOSING_OF:
                self._say(text[at : mark.start()], said)
                self._closing = _CLOSING_OF[kind]
            elif kind in _ORPHANS:
                self.unopened = True
                if self._began or self._thought:  # what was shown cannot be taken back
                    self._say(text[at : mark.start()], said)
                else:
                    thought.append(text[at : mark.start()].strip())
                    self._thought = True
            else:
                self._say(text[at : mark.start()], said)
            return mark.end()
        cut = at if held else len(text) if final else len(text) - min(_overlap(text, _BEGUN), len(text) - at)
        self._say(text[at:cut], said)
        if not final and not self._began and not text[at:cut].strip():
            cut = max(at, cut - _BLANKS)  # blanks before a thought are no answer, and endless ones are not kept
        self._held = text[cut:]
        self._searched = max(0, len(self._held) - _LONGEST)
        return len(text)

    def _next_mark(self, text: str, at: int) -> re.Match[str] | None:
        """The next mark that is one: not in a code fence, in quotes or in the middle of a sentence."""
        line, fences = self._line, self._fences
        for mark in _MARK.finditer(text, at + self._searched):
            before, at = text[at : mark.start()], mark.start()
            line = (before if "\n" in before else line + before).rpartition("\n")[2].strip()[-_LEAD:]
            fences += before.count("```")
            opens = mark[0].lower() in _CLOSING_OF
            if fences % 2 or line.endswith(tuple(_QUOTES)):
                continue
            if opens and mark[0].startswith("<") and "|" not in mark[0] and line and not line.endswith(_BEFORE):
                continue
            return mark
        return None

    def _waits(self, text: str) -> bool:
        """Whether the text so far may be a thought of which only the end is marked."""
        if self._hold is not None:
            return self._hold and not (self._began or self._thought)
        start = text.lstrip().lower()
        if self._began or self._thought or not start:
            return False
        if any(start.startswith(word) for word in _THOUGHTFUL):
            return True
        return any(word.startswith(start) for word in _THOUGHTFUL)

    def _say(self, text: str, said: list[str]) -> None:
        if not self._began:
            if not text.strip():  # blanks before a thought, and behind it
                return
            text = text.lstrip() if self._thought else text
            self._began = True
        self._fences += text.count("```")
        self._line = text.rpartition("\n")[2][-_LEAD:] if "\n" in text else (self._line + text)[-_LEAD:]
        said.append(text)


def _beginnings(*marks: str) -> frozenset[str]:
    return frozenset(mark[:size] for mark in marks for size in range(1, len(mark) + 1))


_BEGUN = _beginnings(*_MARKS, "```")
_BEFORE = (":", "：", ">", "。", ".", "!", "！")


def _overlap(text: str, beginnings: frozenset[str]) -> int:
    """The length of the longest end of a text that begins a mark."""
    tail = text[-_LONGEST:].lower()
    return next((size for size in range(len(tail), 0, -1) if tail[-size:] in beginnings), 0)


def reasoning_field(message: Mapping[str, Any]) -> str:
    """The reasoning that a server gives beside the content, by whatever name."""
    for name in ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thinking_content"):
        if text := _texts(message.get(name)):
            return text
    return _texts(message.get("reasoning_details")) or _texts(message.get("thinking_blocks"))


def without_reasoning_parts(content: Any) -> tuple[Any, str]:
    """A content of parts without those that are reasoning, and what these say; a content of texts alone is one text."""
    if not isinstance(content, list):
        return content, ""
    hidden = [part for part in content if isinstance(part, Mapping) and part.get("type") in _REASONING_PARTS]
    shown = [part for part in content if part not in hidden]
    if all(isinstance(part, str) or (isinstance(part, Mapping) and part.get("type") == "text") for part in shown):
        return "".join(_texts(part) for part in shown), "".join(map(_texts, hidden))
    return shown, "".join(map(_texts, hidden))


_REASONING_PARTS = ("thinking", "reasoning", "reasoning_content", "reasoning.text", "redacted_thinking")


def _texts(value: Any, depth: int = 0) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth < 4:
        return "".join(_texts(part, depth + 1) for part in value)
    if isinstance(value, Mapping) and depth < 4:
        keys = ("text", "thinking", "summary", "content", "reasoning", "reasoning_content")
        return next(filter(None, (_texts(value.get(key), depth + 1) for key in keys)), "")
    return ""
