"""Subtitles (SRT, WebVTT): the words in running text under headings that say the time, for that is their place."""

from __future__ import annotations

import re
from html import unescape

from nacre.documents.document import Builder
from nacre.documents.limits import Task
from nacre.documents.normalise import clean, join_lines

_TIMES = re.compile(
    r"^[ \t]*((?:\d{1,4}:)?\d{1,2}:\d{2})[.,]\d{1,3}[ \t]*-->[ \t]*(?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d.*$", re.M
)
_MARKUP = re.compile(r"</?[a-zA-Z][^<>\n]*>|</?\d[^<>\n]*>|\{\\[^}\n]*\}")
_SPEAKER = re.compile(r"<v(?:\.[^ >]*)? +([^>\n]+)>")
_SECTION = 60  # seconds that stand under one time


def parse(text: str, out: Builder, task: Task) -> None:
    """Read subtitles; identifiers, style, notes and settings of cues are left out."""
    text = clean(text)
    out.title = out.title or task.name.rpartition(".")[0]  # no words of it are a title
    marks = list(_TIMES.finditer(text))
    lines: list[str] = []
    began: int | None = None
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        end = len(text) if after is None else after.start()
        words = _words(text[mark.end() : end])
        seconds = _seconds(mark.group(1))
        # A new time between sentences, or where one goes on and on.
        late = 3 * _SECTION if began is None else seconds - began
        ended = bool(lines) and lines[-1].endswith(tuple(".?!。？！…"))
        if late >= (_SECTION if ended else 3 * _SECTION):
            out.add("paragraph", join_lines(lines))
            lines, began = [], seconds
            out.add("heading", f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}", 1)
        if words and words != lines[-1:]:
            lines += words
    out.add("paragraph", join_lines(lines))


def _words(block: str) -> list[str]:
    """The lines of one cue: up to the first empty line, behind which the next one's number stands."""
    said = block.lstrip("\n").partition("\n\n")[0] if block.startswith("\n") else ""
    said = _MARKUP.sub("", _SPEAKER.sub(r"\1: ", said))
    return [line.strip() for line in unescape(said).split("\n") if line.strip()]


def _seconds(time: str) -> int:
    total = 0
    for part in time.split(":"):
        total = total * 60 + int(part)
    return total
