"""TeX and LaTeX: sections, text, lists, tables and code without commands; formulas stay, plain macros are put in."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from itertools import islice

from nacre.documents.document import Builder
from nacre.documents.grid import Merge, Row, add_rows, spread
from nacre.documents.limits import Task
from nacre.documents.lists import pairs
from nacre.documents.normalise import clean, collapse, told
from nacre.documents.numerals import counted

_LEVELS = {name: int(level) for name, level in pairs("tex-levels").items()}
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*?(?:\n[ \t]*|$)")
_VERBATIM = r"verbatim\*?|Verbatim|lstlisting|minted|alltt|comment"
_FORMULAS = "equation|align|gather|multline|eqnarray|displaymath|math|flalign|alignat"
_TABLES = r"tabular[xy*]?|tabular\*|longtable|tabu|array|NiceTabular"
_TOKEN = re.compile(
    rf"\\begin\{{(?P<raw>{_VERBATIM})\}}(?P<code>.*?)\\end\{{(?P=raw)\}}"
    rf"|\\begin\{{(?P<formula>(?:{_FORMULAS})\*?)\}}(?P<said>.*?)\\end\{{(?P=formula)\}}"
    r"|(?P<math>\$\$.*?\$\$|\\\[.*?\\\]|\\\(.*?\\\)|(?<!\\)\$[^$]{1,2000}?(?<!\\)\$)"
    r"|\\verb\*?(?P<bar>[^\w\s])(?P<verb>[^\n]*?)(?P=bar)"
    r"|\\(?P<edge>begin|end)\s*\{(?P<env>[^{}]*)\}"
    r"|\\(?P<accent>[`'^\"~=.]|[uvHcdbkr](?![A-Za-z]))\s*(?:\{(?P<one>\\?[A-Za-z])\}|(?P<two>\\?[A-Za-z]))"
    r"|\\(?P<name>[A-Za-z@]+)\*?[ \t]?|\\(?P<sign>.)|(?P<open>\{)|(?P<close>\})|(?P<gap>\n[ \t]*\n\s*)|(?P<tie>~)"
    r"|(?P<cell>&)|(?P<text>[^\\{}$~&\n]+|.)",
    re.S,
)
_COMBINING = "\u0300\u0301\u0302\u0308\u0303\u0304\u0307\u0306\u030c\u030b\u0327\u0323\u0331\u0328\u030a"
_ACCENTS = dict(zip("`'^\"~=.uvHcdbkr", _COMBINING, strict=True))
_LETTERS = pairs("tex-letters") | {"quad": " ", "qquad": " ", "today": ""}
# Commands whose argument no reader sees, by how many arguments they have.
_UNSEEN = {name: int(count) for name, count in pairs("tex-unseen").items()}
_LOOKS = pairs("tex-looks")
_MACRO = re.compile(r"\\(?:(?:re|provide)?newcommand\*?\s*\{?\s*|def\s*)\\([A-Za-z@]{1,60})\s*\}?\s*(?=\{)")
_LABEL = re.compile(r"\\(?:label\s*\{[^{}]*\}|nonumber|notag)")
_NEVER = re.compile(r"\\iffalse\b.*?\\fi\b", re.S)
_QUOTES = (("``", "“"), ("''", "”"), ("---", "—"), ("--", "–"))
_MACROS, _SAID, _EXPANSIONS = 500, 300, 5000
_DEEP = 2000
_SPANNED = 64  # rows or columns that a cell may span
_ITEMS = (("{}. ", "decimal"), ("({}) ", "lowerLetter"), ("{}. ", "lowerRoman"), ("{}. ", "upperLetter"))


def parse(text: str, out: Builder, task: Task) -> None:
    """Read TeX; macros are not carried out and no file is read in."""
    text = _NEVER.sub("", _COMMENT.sub(r"\1\n", clean(text)))
    head, begin, body = text.partition(r"\begin{document}")
    if begin:
        for name in ("title", "author", "date"):
            found = re.search(rf"\\{name}\s*(?:\[[^\]]*\])?\s*\{{", head)
            if found:
                value = collapse(_Reader(Builder()).plain(_argument(head, found.end() - 1)[0]))
                out.metadata.setdefault(name, value)
        out.title = out.title or out.metadata.get("title", "")
        out.add("meta", out.metadata.get("title", ""))
    reader = _Reader(out)
    reader.macros = _macros(text)
    reader.run((body if begin else text).partition(r"\end{document}")[0])
    reader.flush()


def _macros(text: str) -> dict[str, str]:
    """What short macros without arguments stand for, by name."""
    found = {one[1]: _argument(text, one.end())[0] for one in islice(_MACRO.finditer(text), _MACROS)}
    return {name: said for name, said in found.items() if len(said) <= _SAID and "#" not in said}


def _argument(text: str, at: int) -> tuple[str, int]:
    """What stands in the braces that open at a place, and where it ends."""
    depth = 0
    for found in re.compile(r"\\.|[{}]", re.S).finditer(text, at):
        depth += (found.group() == "{") - (found.group() == "}")
        if not depth:
            return text[at + 1 : found.start()], found.end()
    return text[at + 1 :], len(text)


def _typed(text: str) -> str:
    """Text with the quotation marks and dashes that TeX sets."""
    for written, set_as in _QUOTES:
        text = text.replace(written, set_as)
    return text


def _skip_options(text: str, at: int) -> int:
    found = re.compile(r"\s{0,3}\[[^\]]{0,500}\]").match(text, at)
    return found.end() if found else at


class _Reader:
    """Goes through the tokens; words wait in `said` until a block ends."""

    def __init__(self, out: Builder, depth: int = 0) -> None:
        self.out, self.depth = out, depth
        self.said: list[str] = []
        self.lists, self.quotes, self.item = 0, 0, False
        self.rows: list[list[str]] | None = None
        self.ranges: deque[Merge] = deque()  # cells of the table that are merged
        self.notes: list[str] = []
        self.wide = 1  # columns of the cell that is being read
        self.macros: dict[str, str] = {}
        self.left = [_EXPANSIONS]  # macros that may still be put in, here and in all arguments
        self.counts: list[int | None] = []  # of the lists around; None without numbers

    def plain(self, text: str) -> str:
        """The words of an argument."""
        if self.depth > _DEEP // 100:
            return ""
        inner = _Reader(Builder(), self.depth + 1)
        inner.macros, inner.left = self.macros, self.left
        inner.run(text)
        self.notes += inner.notes
        return "".join(inner.said)

    def run(self, text: str) -> None:
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            assert found  # the last branch takes any character
            at = self.token(found, text)

    def token(self, found: re.Match[str], text: str) -> int:
        kind, at = found.lastgroup or "", found.end()
        if found.group("raw"):
            self.flush()
            self.out.add("code", "" if found.group("raw") == "comment" else found.group("code"))
        elif found.group("formula"):
            self.said.append(f" ${collapse(_LABEL.sub('', found.group('said')))}$ ")
        elif found.group("edge"):
            return self.edge(found.group("edge") == "begin", found.group("env").strip(), text, at)
        elif found.group("accent"):
            letter = (found.group("one") or found.group("two")).removeprefix("\\")
            self.said.append(unicodedata.normalize("NFC", letter + _ACCENTS[found.group("accent")]))
        elif found.group("name"):
            return self.command(found.group("name"), text, at)
        elif found.group("sign"):
            self.sign(found.group("sign"))
        elif kind == "cell" and self.rows is not None:
            self.cell()
        elif kind in {"math", "text"} or found.group("bar"):
            self.said.append(found.group("verb") or (_typed(found.group()) if kind == "text" else found.group()))
        elif kind == "gap" and self.rows is None:
            self.flush()
        elif kind in {"tie", "gap", "cell"}:
            self.said.append(" ")
        return at

    def sign(self, sign: str) -> None:
        if sign == "\\" and self.rows is not None:
            self.cell()
            self.rows.append([])
        else:
            shown = {"\\": "\n", ",": " ", ";": " ", " ": " ", "-": "", "/": "", "@": "", "!": ""}
            self.said.append(shown.get(sign, sign))

    def cell(self) -> None:
        if self.rows is not None:
            self.rows = self.rows or [[]]
            self.rows[-1] += [collapse("".join(self.said)), *[""] * (self.wide - 1)]
            self.said, self.wide = [], 1

    def edge(self, begins: bool, env: str, text: str, at: int) -> int:
        if re.fullmatch(_TABLES, env):
            self.flush() if begins else self.end_table()
            if begins:
                self.rows, self.ranges = [[]], deque()
                at = _skip_options(text, at)
                for _ in range(2 if env in {"tabularx", "tabular*"} else 1):
                    at = _argument(text, at)[1] if text[at : at + 1] == "{" else at
            return at
        if self.rows is None:
            self.flush()
        if env in {"itemize", "enumerate", "description", "compactitem"}:
            self.lists += 1 if begins else -1
            self.counts = [*self.counts, 0 if env == "enumerate" else None] if begins else self.counts[:-1]
            self.item = False
        elif env in {"quote", "quotation", "verse"}:
            self.quotes += 1 if begins else -1
        return _skip_options(text, at) if begins else at

    def end_table(self) -> None:
        self.cell()
        lines = enumerate(self.rows or [], start=1)
        found = (Row(at, {n: cell for n, cell in enumerate(line) if cell}) for at, line in lines if any(line))
        self.rows = None
        add_rows(self.out, ((row.texts(), across) for row, across in spread(found, self.ranges)))

    def merged(self, name: str, text: str, at: int) -> int:
        """A cell over several columns or rows; the columns beside it that it covers are filled when the table ends."""
        asked, at = _argument(text, _skip_options(text, at))
        times = min(_SPANNED, max(1, int(asked))) if re.fullmatch(r"\d{1,4}", asked.strip()) else 1
        at = _skip_options(text, at)
        # The second argument is the shape of the column or the width; a star stands for its natural one.
        at = at + 1 if text[at : at + 1] in {"*", "="} else _argument(text, at)[1] if text[at : at + 1] == "{" else at
        if self.rows is not None:
            rows = self.rows = self.rows or [[]]
            top, left = len(rows), len(rows[-1]) + 1
            across = name == "multicolumn"
            bottom, right = (top, left + times - 1) if across else (top + times - 1, left)
            self.ranges.append(Merge(top, left, bottom, right))
            self.wide = times if across else self.wide
        return _skip_options(text, at)

    def command(self, name: str, text: str, at: int) -> int:
        if name in _LEVELS or name in {"footnote", "caption", "thanks"}:
            at = _skip_options(text, at)
            if text[at : at + 1] != "{":
                return at
            argument, at = _argument(text, at)
            if name == "footnote" or name == "thanks":
                self.notes.append(self.plain(argument))
            elif self.rows is None:
                self.flush()
                kind, level = ("paragraph", 0) if name == "caption" else ("heading", _LEVELS[name])
                self.out.add(kind, collapse(self.plain(argument)), level)  # type: ignore[arg-type]
            return at
        if name == "item":
            self.flush()
            self.item = True
            option = _skip_options(text, at)
            self.said.append(text[at:option].strip(" []") + " " if option > at else self.number())
            return option
        if name in {"multicolumn", "multirow"} and text[at : at + 1] in {"{", "["}:
            return self.merged(name, text, at)
        if name in self.macros and self.left[0] > 0:
            self.left[0] -= 1
            self.said.append(self.plain(self.macros[name]))
            return at + 2 if text[at : at + 2] == "{}" else at
        if name in _LOOKS and text[at : at + 1] == "{":
            argument, at = _argument(text, at)
            self.said.append(told(self.plain(argument), _LOOKS[name], "".join(self.said[-3:])))
            return at
        if name in {"par", "newline", "newpage", "clearpage", "maketitle", "tableofcontents"}:
            if self.rows is None:
                self.flush()
        elif name in _LETTERS:
            self.said.append(_LETTERS[name])
        elif name in _UNSEEN:
            for _ in range(_UNSEEN[name]):
                at = _skip_options(text, _skip_options(text, at))
                at = _argument(text, at)[1] if text[at : at + 1] == "{" else at
        else:
            at = _skip_options(text, at)
        return at

    def number(self) -> str:
        """The number of an item, with the gap behind it."""
        if not self.counts or self.counts[-1] is None:
            return ""
        self.counts[-1] += 1
        depth = sum(count is not None for count in self.counts)
        shape, form = _ITEMS[min(depth, 4) - 1]
        return shape.format(counted(self.counts[-1], form))

    def flush(self) -> None:
        """End the running block; footnotes come after it."""
        text, self.said = "".join(self.said), []
        text = "\n".join(filter(None, map(collapse, re.split(r"\n(?=\n)|\x0b", text)))) if text.strip() else ""
        if self.lists > 0 and self.item:
            self.out.add("list", text, min(9, self.lists))
        else:
            self.out.add("quote" if self.quotes > 0 else "paragraph", text)
        notes, self.notes = self.notes, []
        for note in notes:
            self.out.add("note", collapse(note))
