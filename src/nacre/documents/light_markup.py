"""Org and AsciiDoc: plain text whose lines say by their first signs what they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

from nacre.documents.document import Builder
from nacre.documents.grid import add_rows
from nacre.documents.limits import Task
from nacre.documents.normalise import clean, lowered, raised
from nacre.documents.numerals import counted


@dataclass(frozen=True)
class _Dialect:
    """How one of them marks its parts; a line is tried against these in this order."""

    heading: re.Pattern[str]
    item: re.Pattern[str]
    row: re.Pattern[str]
    field: re.Pattern[str]
    fence: re.Pattern[str]
    code: frozenset[str]
    dropped: re.Pattern[str]
    inline: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]


_SPANNED = 64  # columns or rows that a cell of AsciiDoc may span
_CELL = re.compile(
    r"(?:(?<!\S)(?:(?P<across>\d{1,4})?(?:\.(?P<down>\d{1,4}))?(?P<sign>[+*]))?[<^>.]{0,4}[aehlmdsv]?)?(?<!\\)\|"
)
_COLUMNS = re.compile(r"^\[.*?\bcols\s*=\s*[\"']?([^\"'\]]{1,200})")
_ITEMS = ("decimal", "lowerLetter", "lowerRoman", "upperLetter", "upperRoman")
_NAMED = re.compile(r"\{([\w-]{1,60})\}")
_ABOUT = {"title", "author", "date", "email", "revdate", "revnumber", "description", "keywords", "subtitle"}
_LINK = r"(?:https?|ftp|mailto|file|id):"
_ORG = _Dialect(
    heading=re.compile(
        r"(\*+) +(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED) +)?(?:\[#\w\] +)?(.+?)(?:[ \t]+:[\w@:]+:)?[ \t]*"
    ),
    item=re.compile(r"([ \t]*)(?:[-+]|(\d+)[.)]|[ \t]\*)[ \t]+(.*)"),
    row=re.compile(r"[ \t]*\|(.*)"),
    field=re.compile(
        r"#\+(?!(?:begin|end|results|name|caption|attr|tblfm|options|startup)\b)([a-z]\w{0,60}):[ \t]*(.*)", re.I
    ),
    fence=re.compile(r"[ \t]*#\+(begin|end)_(\w+).*", re.I),
    code=frozenset({"src", "example"}),
    dropped=re.compile(r"[ \t]*(?:#(?: .*|\+.*|)|:[\w-]+:.*|(?:SCHEDULED|DEADLINE|CLOSED):.*|-{5,})"),
    inline=(
        (re.compile(r"\[\[[^\]\n]*\]\[([^\]\n]*)\]\]"), r"\1"),
        (re.compile(rf"\[\[(?:{_LINK})?([^\]\n]*)\]\]"), r"\1"),
        (re.compile(r"(?<![\w*/=~+])([*/=~])(?=\S)([^\n]{1,200}?\S|\S)\1(?![\w*/=~+])"), r"\2"),
        (re.compile(r"(?<![\w*/=~+])\+(?=\S)([^\n+]{1,200}?)(?<=\S)\+(?![\w*/=~+])"), r"~~\1~~"),
    ),
)
_ADOC = _Dialect(
    heading=re.compile(r"(={1,6}|#{1,6}) +(.+?)(?: +\1)?"),
    item=re.compile(r"[ \t]*(\*{1,5}|-|\.{1,5}|(\d+)\.)[ \t]+(.*)"),
    row=re.compile(r"\|(.*)"),
    field=re.compile(r":([a-z][\w-]{0,60}):[ \t]+(.*)", re.I),
    fence=re.compile(r"(-{4,}|\.{4,}|\|={3,}|={4,}|_{4,}|\*{4,}|\+{4,}|/{4,}|--)[ \t]*"),
    code=frozenset("-."),
    dropped=re.compile(r"//.*|:[!\w][^:\n]*:.*|\[[^\]\n]*\]|(?:include|toc|ifdef|ifndef|endif)::.*|<<<|'''|\+"),
    inline=(
        (re.compile(r"(?:link:|xref:|mailto:|https?://)[^\s\[]*\[([^\]\n]+)\]"), r"\1"),
        (re.compile(r"<<[^,>\n]+,\s*([^>\n]+)>>"), r"\1"),
        (re.compile(r"(?:image|icon)::?[^\s\[]*\[([^\]\n,]*)[^\]\n]*\]"), r"\1"),
        (re.compile(r"footnote:[^\s\[]*\[([^\]\n]+)\]"), r" (\1)"),
        (re.compile(r"\[(?:\.?line-through|strike)\]#{1,2}([^#\n]{1,200})#{1,2}"), r"~~\1~~"),
        (re.compile(r"\[[\w.#%-]{1,80}\]#{1,2}([^#\n]{1,200})#{1,2}"), r"\1"),
        (re.compile(r"\^([^\s^]{1,80})\^"), lambda found: raised(found[1], found.string[: found.start()])),
        (re.compile(r"(?<!~)~([^\s~]{1,80})~(?!~)"), lambda found: lowered(found[1])),
        (re.compile(r"(?<![\w*_`+#])([*_`+]{1,2})(?=\S)([^\n]{1,200}?\S|\S)\1(?![\w*_`+#])"), r"\2"),
    ),
)


def parse(text: str, out: Builder, task: Task) -> None:
    """Read Org or, by its name or its marks, AsciiDoc."""
    dialect = _ORG if is_org(text, task.name) else _ADOC
    _Reader(dialect, out).run(clean(text).split("\n"))


def is_org(text: str, name: str) -> bool:
    """Which of the two a text is: the ending says it where there is one."""
    named = name.lower().endswith((".adoc", ".asciidoc", ".asc"))
    return name.lower().endswith(".org") or (not named and bool(re.search(r"^#\+\w+:", text, re.M | re.I)))


def _columns(said: str) -> int:
    """How many columns `cols` asks for: a number alone is how many, "2*" stands for two."""
    asked = [one.strip() for one in said.split(",")]
    times = (re.match(r"(\d{1,2})\*", one) for one in asked)
    alone = len(asked) == 1 and asked[0].isdecimal()
    return min(_SPANNED, int(asked[0][:3]) if alone else sum(int(many[1]) if many else 1 for many in times))


class _Reader:
    """Goes through the lines once; what belongs together waits until another kind of line comes."""

    def __init__(self, dialect: _Dialect, out: Builder) -> None:
        self.dialect, self.out = dialect, out
        self.lines: list[str] = []
        self.rows: list[tuple[list[str], bool]] = []  # with whether one is merged across
        self.waiting: list[tuple[str, int, int]] = []  # cells of AsciiDoc: (text, columns, rows)
        self.width = 0  # columns of the table
        self.fence = ""
        self.counts: list[int] = []
        self.named: dict[str, str] = {}  # what AsciiDoc puts in for {name}

    def run(self, lines: list[str]) -> None:
        for line in lines:
            if self.fence:
                self.inside(line)
            elif found := self.dialect.fence.fullmatch(line):
                self.open(found)
            else:
                self.line(line)
        self.flush()

    def open(self, found: re.Match[str]) -> None:
        kind = found.group(found.lastindex or 1).lower()
        self.flush()
        if self.dialect is _ORG:
            self.fence = kind if kind in self.dialect.code and found.group(1).lower() == "begin" else ""
        elif kind[0] in "-./|" and kind != "--":
            self.fence = kind

    def inside(self, line: str) -> None:
        """Within a fence: code as it is, the cells of a table, or a comment."""
        found = self.dialect.fence.fullmatch(line)
        if found and (self.dialect is _ORG or found.group(1) == self.fence):
            if self.fence[0] == "|":
                self.flush()
            else:
                self.out.add("code", "" if self.fence[0] == "/" else "\n".join(self.lines))
                self.lines = []
            self.fence = ""
        elif self.fence[0] == "|":
            self.cells(line)
        else:
            self.lines.append(line)

    def cells(self, line: str) -> None:
        """AsciiDoc: cells follow each other, whatever the lines; the first line, or `cols`, says how many a row has."""
        marks = list(_CELL.finditer(line))
        words = self.plain(line[: marks[0].start()] if marks else line)
        if words and self.waiting:
            text, across, down = self.waiting[-1]
            self.waiting[-1] = (f"{text} {words}".strip(), across, down)
        for mark, after in zip_longest(marks, marks[1:]):
            across, down = (min(_SPANNED, int(digits)) if digits else 1 for digits in mark.group("across", "down"))
            text, copies = self.plain(line[mark.end() : after.start() if after else None]), 1
            if mark["sign"] == "*":
                across, copies = 1, across
            self.waiting += [(text, across, down)] * copies
        self.width = self.width or min(_SPANNED, sum(across for _, across, _ in self.waiting))

    def place(self) -> None:
        """Put the waiting cells of a table into rows, those over several rows and columns in each of their places."""
        grid: dict[int, dict[int, str]] = {0: {}}
        grouped: set[int] = set()
        at = 0
        for text, across, down in self.waiting:
            while len(grid[at]) >= self.width or (across >= self.width and grid[at]):
                at += 1
                grid.setdefault(at, {})
            first = next(n for n in range(self.width) if n not in grid[at])
            grouped.update({at} if 1 < across < self.width else ())
            # What has a row to itself is told once.
            said = dict.fromkeys(range(first, min(self.width, first + across)), text if across < self.width else "")
            for row in range(at, at + down):
                grid.setdefault(row, {}).update(said | {first: text})
        filled = [row for row in sorted(grid) if any(grid[row].values())]
        self.rows = [([grid[row].get(n, "") for n in range(self.width)], row in grouped) for row in filled]
        self.waiting, self.width = [], 0

    def line(self, line: str) -> None:
        heading, field = self.dialect.heading.fullmatch(line), self.dialect.field.fullmatch(line)
        item, row = self.dialect.item.fullmatch(line), self.dialect.row.fullmatch(line)
        if heading:
            self.flush()
            self.counts = []
            self.out.add("heading", self.plain(heading.group(2)), min(6, len(heading.group(1))))
        elif field:
            name, value = field.group(1).lower(), field.group(2).strip()
            (self.out.metadata if name in _ABOUT else self.out.fields).setdefault(name, value)
            if self.dialect is _ADOC:
                self.named[name] = value
            if name == "title":
                self.out.title = self.out.title or value
                self.out.add("meta", value)
        elif row:
            cells = row.group(1).rstrip().removesuffix("|").split("|")
            if not re.fullmatch(r"[-+:| ]*", row.group(1)):
                self.rows.append(([self.plain(cell) for cell in cells], False))
        elif item:
            self.flush()
            mark = item.group(1)
            stars = max(0, len(mark) - 1) * (mark[:1] in {"*", "."})
            depth = 1 + (len(mark.expandtabs()) // 2 if self.dialect is _ORG else stars)
            text = re.sub(r"^\[[ xX*-]\] ", lambda box: "☑ " if box.group()[1] in "xX*" else "☐ ", item.group(3))
            self.out.add("list", self.number(mark, item.group(2)) + self.plain(text), min(9, depth))
        elif self.dialect is _ADOC and (columns := _COLUMNS.search(line)):
            self.width = _columns(columns[1])
        elif not line.strip() or self.dialect.dropped.fullmatch(line):
            self.flush()
        else:
            self.flush(rows=True)
            self.counts = []
            self.lines.append(self.plain(line.removeprefix(".") if self.dialect is _ADOC else line))

    def number(self, mark: str, written: str | None) -> str:
        """The number of an item, written or counted (AsciiDoc's dots), with the gap behind it."""
        if mark.startswith("."):
            self.counts = [*self.counts[: len(mark)], *[0] * (len(mark) - len(self.counts))]
            self.counts[-1] += 1
            return f"{counted(self.counts[-1], _ITEMS[len(mark) - 1])}. "
        return f"{written}. " if written else ""

    def plain(self, text: str) -> str:
        text = _NAMED.sub(lambda found: self.named.get(found[1].lower(), found[0]), text) if self.named else text
        for pattern, by in self.dialect.inline:
            text = pattern.sub(by, text)
        return text.strip()

    def flush(self, rows: bool = False) -> None:
        if not rows:
            self.out.add("paragraph", "\n".join(self.lines))
            self.lines = []
        if self.waiting and not rows:
            self.place()
        if self.rows:
            add_rows(self.out, self.rows)
            self.rows = []
