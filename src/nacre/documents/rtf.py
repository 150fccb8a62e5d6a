"""RTF: paragraphs, headings, lists, tables, notes and comments; what is deleted or hidden is no text."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace

from nacre.documents.document import BlockKind, Builder
from nacre.documents.grid import TableRow, add_rows
from nacre.documents.limits import Task
from nacre.documents.lists import pairs, word_list
from nacre.documents.normalise import joined_strikes, told

_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<sign>.)"
    rb"|(?P<open>\{)|(?P<close>\})|[\r\n]+|(?P<text>[^\\{}\r\n]+)|.",
    re.S,
)
_CHARSETS = {int(key): said for key, said in pairs("rtf-charsets").items()}
_SIGNS = pairs("rtf-signs") | {"tab": "\t", "line": "\n", "softline": "\n", "emspace": " ", "enspace": " "}
_SKIPPED = frozenset(word_list("rtf-skipped"))
# Groups that begin with \* and are read all the same.
_STARRED = {"ud", "shppict", "shptxt", "annotation", "atnauthor", "atnid", "footnote"}
_ABOUT = {"title", "author", "subject", "keywords", "doccomm", "company"}
_PLACES = pairs("rtf-places") | {name: name for name in (*_ABOUT, "footnote", "annotation", "atnauthor")}
_HEADING = re.compile(r"\s*(?:heading|标题|titre|überschrift)\s*(\d)", re.I)
_COLUMNS = 256
_DEEP = 500


@dataclass
class _State:
    """What a group changes and its end brings back."""

    codec: str = "cp1252"
    skip: int = 1  # characters behind \u that say the same for old readers
    place: str = ""  # "skip", "fonts", "styles", "colors", "footnote", "annotation", "listtext", or of `_ABOUT`
    hidden: bool = False
    look: str = ""


def parse(data: bytes, out: Builder, task: Task) -> None:
    """Read RTF."""
    reader = _Reader(out)
    reader.run(data)
    reader.paragraph()
    reader.end_table()
    out.title = out.title or out.metadata.get("title", "")


class _Reader:
    """Goes through the file once; words wait in `said` until a paragraph or a cell ends."""

    def __init__(self, out: Builder) -> None:
        self.out = out
        self.state = _State()
        self.stack: list[_State] = []
        self.said: list[str] = []
        self.raw = bytearray()
        self.unsaid = self.half = 0
        self.fonts: dict[int, str] = {}
        self.styles: dict[int, int] = {}
        self.font = self.style = self.level = 0
        self.shaded = self.dark_row = False  # white words on a dark ground are seen
        self.colors = [""]
        self.veiled = ""
        self.listed = self.in_table = False
        self.cells: list[str] = []
        self.rows: list[TableRow] = []
        self.merged: list[str] = []  # how the cells of a row are merged, and their ends
        self.apart: dict[str, list[str]] = {}
        self.notes: list[tuple[BlockKind, str]] = []

    def run(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            found = _TOKEN.match(data, at)
            assert found  # the last branch takes any byte
            at = found.end()
            if found.group("word"):
                number = int(found.group("number")) if found.group("number") else None
                word = found.group("word").decode().lower()
                if word == "bin":
                    at += max(0, number or 0)
                self.word(word, number, data[max(0, found.start() - 2) : found.start()].endswith(b"\\*"))
            elif found.group("hex") or found.group("text"):
                self.bytes(bytes([int(found.group("hex"), 16)]) if found.group("hex") else found.group("text"))
            elif found.group("sign"):
                sign = found.group("sign").decode("latin-1")
                self.text({"~": "\u00a0", "_": "-", "-": "", "*": "", ":": ""}.get(sign, sign))
            elif found.group("open") and len(self.stack) < _DEEP:
                self.settle()
                self.stack.append(self.state)
                self.state = replace(self.state)
            elif found.group("close") and self.stack:
                self.settle()
                self.close()
        self.settle()

    def close(self) -> None:
        ended, self.state = self.state, self.stack.pop()
        if ended.hidden and not self.state.hidden:
            self.unveil()
        if ended.place == self.state.place or ended.place not in self.apart:
            return
        text = "".join(self.apart.pop(ended.place)).strip()
        if ended.place in _ABOUT and not text.strip("? "):
            return  # what the charset could not say; the same follows in Unicode
        if ended.place in _ABOUT:
            self.out.metadata.setdefault({"doccomm": "description"}.get(ended.place, ended.place), text)
        elif ended.place == "atnauthor":
            self.out.metadata.setdefault("_reviewer", text)
        elif ended.place in {"footnote", "annotation"} and text:
            self.notes.append(("note" if ended.place == "footnote" else "comment", text))
        elif ended.place == "listtext" and self.state.place == "":
            self.listed = True
            self.said.append(f"{text} " if any(map(str.isalnum, text)) else "")

    # ------------------------------------------------------------------------------------------------ words

    def bytes(self, raw: bytes) -> None:
        if self.unsaid:
            taken = min(self.unsaid, len(raw))
            self.unsaid -= taken
            raw = raw[taken:]
        self.raw += raw

    def settle(self) -> None:
        """Decode the bytes so far, in the charset of their font."""
        if self.raw:
            text = bytes(self.raw).decode(self.state.codec, "replace")
            self.raw.clear()
            self.text(text)

    def text(self, text: str) -> None:
        self.settle()
        state = self.state
        if state.place in {"skip", "colors"} or not text:
            if state.place == "colors":
                self.colors += [""] * text.count(";")
            return
        if state.place in {"fonts", "styles"}:
            if state.place == "styles" and (heading := _HEADING.match(text)):
                self.styles[self.style] = int(heading[1])
        elif state.hidden:
            self.veiled += text
        elif state.place:
            self.apart.setdefault(state.place, []).append(text)
        elif state.look:
            self.said.append(told(text, state.look, "".join(self.said[-3:])))
        else:
            self.said.append(text)

    def unveil(self) -> None:
        """Tell the hidden words so far, in one."""
        if self.veiled:
            self.out.hide("hidden text", self.veiled)
            self.veiled = ""

    # ------------------------------------------------------------------------------------------------ commands

    def word(self, word: str, number: int | None, starred: bool) -> None:
        self.settle()
        if self.state.place == "skip":
            return
        if (starred and word not in _STARRED) or word in _SKIPPED:
            self.state.place = "skip"
        elif word in _PLACES:
            self.state.place = _PLACES[word]
            self.apart.setdefault(self.state.place, [])
        elif word == "u":
            self.unicode(number or 0)
        elif word in _SIGNS:
            self.text(_SIGNS[word])
        elif word in {"par", "sect", "page"}:
            self.paragraph() if not self.state.place else self.text("\n")
        elif word in {"cell", "row", "nestcell", "nestrow", "trowd", "cellx", "clvmrg", "clmrg"}:
            self.table(word)
        else:
            self.format(word, number)

    def format(self, word: str, number: int | None) -> None:
        state, on = self.state, number != 0
        if word == "ansicpg" and number:
            state.codec = self.codec(f"cp{number}")
            for one in self.stack:
                one.codec = state.codec
        elif word == "f":
            self.font = number or 0
            state.codec = self.fonts.get(self.font, state.codec)
        elif word == "fcharset":
            self.fonts[self.font] = _CHARSETS.get(number or 0, "cp1252")
            state.codec = self.fonts[self.font]
        elif word == "uc":
            state.skip = max(0, min(number or 0, 10))
        elif word in {"s", "outlinelevel"}:
            if state.place == "styles":
                self.style = number or 0 if word == "s" else self.style
                if word == "outlinelevel":
                    self.styles[self.style] = (number or 0) + 1
            elif word == "s":
                self.level = self.styles.get(number or 0, 0)
            else:
                self.level = (number or 0) + 1 if (number or 0) < 9 else 0
        elif word == "pard":
            self.level, self.listed, self.in_table, self.shaded = 0, False, False, False
        elif word == "intbl":
            self.in_table, self.shaded = True, self.shaded or self.dark_row
        elif word == "plain":
            state.hidden, state.look = False, ""
        elif word in {"v", "deleted", "htmlrtf"}:
            state.hidden = on and word == "v"
            state.place = "skip" if on and word != "v" else state.place
        elif word in {"red", "green", "blue"} and state.place == "colors":
            self.colors[-1] += f"{number},"
        elif word in {"clcbpat", "cbpat", "chcbpat", "highlight"}:
            self.dark_row = self.dark_row or word == "clcbpat"
            self.shaded = True
        elif word == "cf" and state.place == "":
            white = 0 < (number or 0) < len(self.colors) and self.colors[number or 0] == "255,255,255,"
            state.hidden = white and not self.shaded
        elif word == "fs" and state.place == "":
            state.hidden = number is not None and number < 4
        elif word in {"super", "sub", "strike", "striked", "nosupersub"}:
            look = {"striked": "strike"}.get(word, word)
            state.look = look if on and word != "nosupersub" else ""

    def codec(self, name: str) -> str:
        try:
            return {"cp936": "gb18030", "cp950": "big5hkscs"}.get(name, codecs.lookup(name).name)
        except LookupError:
            return "utf-8" if name == "cp65001" else "cp1252"

    def unicode(self, number: int) -> None:
        """A character by its number; what follows says it for readers that know no Unicode."""
        code = number & 0xFFFF
        self.unsaid = 0
        if 0xD800 <= code < 0xDC00:
            self.half = code
        elif 0xDC00 <= code < 0xE000 and self.half:
            self.text(chr(0x10000 + ((self.half - 0xD800) << 10) + code - 0xDC00))
            self.half = 0
        elif not 0xD800 <= code < 0xE000:
            self.text(chr(code))
        self.unsaid = self.state.skip

    # ------------------------------------------------------------------------------------------------ blocks

    def words(self) -> str:
        self.settle()
        self.unveil()
        text, self.said = joined_strikes("".join(self.said)).strip(" "), []
        return text

    def paragraph(self) -> None:
        if self.in_table:
            self.said.append("\n")
            return
        text = self.words()
        if text.strip():
            self.end_table()
        if self.level:
            self.out.add("heading", " ".join(text.split()), min(self.level, 9))
        else:
            self.out.add("list" if self.listed else "paragraph", text, int(self.listed))
        self.tell_notes()
        self.listed = False

    def tell_notes(self) -> None:
        notes, self.notes = self.notes, []
        for kind, text in notes:
            who = self.out.metadata.pop("_reviewer", "") if kind == "comment" else ""
            self.out.add(kind, f"{who}: {text}" if who else text)

    def table(self, word: str) -> None:
        if word in {"cell", "nestcell"}:
            self.cells.append(self.words().strip())
        elif word == "trowd":
            self.merged = []
            self.dark_row = self.shaded = False
        elif word in {"clvmrg", "clmrg", "cellx"}:
            if len(self.merged) < 2 * _COLUMNS:
                self.merged.append("" if word == "cellx" else word)
        elif self.cells:
            self.row()

    def row(self) -> None:
        """End a row; a cell that continues another one says what that one says."""
        flags, at = [""] * len(self.cells), 0
        for mark in self.merged:
            if not mark:
                at += 1
            elif at < len(flags):
                flags[at] = mark
        above = self.rows[-1][0] if self.rows else []
        for n, flag in enumerate(flags):
            if flag == "clvmrg" and n < len(above):
                self.cells[n] = above[n]
            elif flag == "clmrg" and n:
                self.cells[n] = self.cells[n - 1]
        self.rows.append((self.cells, "clmrg" in flags))
        self.cells = []
        self.in_table = self.shaded = False

    def end_table(self) -> None:
        rows, self.cells, self.rows, self.merged = self.rows, [], [], []
        if rows:
            add_rows(self.out, rows)
            self.tell_notes()
