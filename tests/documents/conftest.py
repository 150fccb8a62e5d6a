"""Builders of small documents, written by other programs than the parsers under test, or by hand where none writes such
a file.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from nacre.documents import ParsedDocument, ParserPool


@pytest.fixture(scope="module")
def pool() -> Iterator[ParserPool]:
    """One warm worker."""
    with ParserPool(workers=1) as workers:
        yield workers


@pytest.fixture
def holds_together() -> Callable[[ParsedDocument], None]:
    """What every parsed document promises about its spans."""

    def check(document: ParsedDocument) -> None:
        end = 0
        for block in document.blocks:
            assert end <= block.start < block.end <= len(document.text), block
            assert document.text[block.start : block.end].strip(), block
            end = block.end
        for table in document.tables:
            spans = {(block.start, block.end) for block in document.blocks if block.kind == "table"}
            assert (table.start, table.end) in spans
            assert len({len(row) for row in table.rows} | ({len(table.header)} if table.header else set())) <= 1
            for row in table.rows:
                for cell in row:
                    assert document.text[cell.start : cell.end] == cell.text
                    assert table.start <= cell.start <= cell.end <= table.end

    return check


@pytest.fixture
def zipped() -> Callable[[Mapping[str, str | bytes]], bytes]:
    """A ZIP of the given parts."""

    def build(parts: Mapping[str, str | bytes]) -> bytes:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
            for name, content in parts.items():
                package.writestr(name, content)
        return target.getvalue()

    return build


@pytest.fixture
def compound() -> Callable[..., bytes]:
    """A writer of compound files (OLE), as old office programs and Outlook write them."""
    return _compound


def _compound(*names: str, **contents: bytes) -> bytes:
    """A compound file with streams of these paths; all contents lie in its stream of small pieces, 64 bytes each."""
    streams = dict.fromkeys(names, b"") | contents
    entries: list[list[Any]] = [["Root Entry", 5, [], b""]]
    folders = {"": entries[0]}
    for path, content in streams.items():
        above, _, name = path.rpartition("/")
        if above not in folders:
            folders[above] = [above, 1, [], b""]
            entries[0][2].append(len(entries))
            entries.append(folders[above])
        folders[above][2].append(len(entries))
        entries.append([name, 2, [], content])
    right = {one: after for entry in entries for one, after in zip(entry[2], [*entry[2][1:], -1], strict=False)}
    small, small_table, folder = b"", [], b""
    for number, (name, kind, children, content) in enumerate(entries):
        pieces = -(-len(content) // 64)
        start = len(small_table) if pieces else -2
        small_table += [*range(len(small_table) + 1, len(small_table) + pieces), -2] if pieces else []
        small += content.ljust(64 * pieces, b"\0")
        wide = name.encode("utf-16-le") + b"\0\0"
        tree = struct.pack("<HBBiii", len(wide), kind, 1, -1, right.get(number, -1), children[0] if children else -1)
        folder += wide.ljust(64, b"\0") + tree + b"\0" * 36 + struct.pack("<iQ", start, len(content))
    parts = [_sectors(folder), _sectors(struct.pack(f"<{len(small_table)}i", *small_table), b"\xff"), _sectors(small)]
    starts, table = [], [-3]
    for part in parts:
        count = len(part) // 512
        starts.append(len(table) if count else -2)
        table += [*range(len(table) + 1, len(table) + count), -2] if count else []
    folder = parts[0][:116] + struct.pack("<iQ", starts[2], len(small)) + parts[0][128:]
    head = bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 16 + struct.pack("<HHHHH6x", 62, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIiIiI", 0, 1, starts[0], 0, 4096, starts[1], len(parts[1]) // 512, -2, 0)
    head += struct.pack("<109i", 0, *[-1] * 108)
    return head + _sectors(struct.pack(f"<{len(table)}i", *table), b"\xff") + folder + parts[1] + parts[2]


def _sectors(data: bytes, fill: bytes = b"\0") -> bytes:
    return data.ljust(-(-len(data) // 512) * 512, fill)


_CHINESE = (
    "<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UCS2-H/DescendantFonts["
    "<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/DW 1000/FontDescriptor<</Type/FontDescriptor"
    "/FontName/STSong-Light/Flags 4/FontBBox[0 -200 1000 900]/ItalicAngle 0/Ascent 880/Descent -120/StemV 93>>"
    "/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 2>>>>]>>"
)


class Pdf:
    """The least PDF that can hold text, rules and pages: enough to say exactly what stands where."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def page(
        self,
        texts: Sequence[tuple[float, float, float, str]] = (),
        rules: Sequence[tuple[float, float, float, float]] = (),
        bold: bool = False,
    ) -> Pdf:
        """Add a page: texts are (x, y, size, words), rules (x0, y0, x1, y1); origin at the bottom left, points."""
        parts = [f"{x0} {y0} m {x1} {y1} l S" for x0, y0, x1, y1 in rules]
        for x, y, size, words in texts:
            escaped = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            shown = f"({escaped})" if words.isascii() else f"<{words.encode('utf-16-be').hex()}>"
            font = ("B" if bold else "F") if words.isascii() else "Z"
            parts.append(f"BT /{font} {size} Tf 1 0 0 1 {x} {y} Tm {shown} Tj ET")
        self.pages.append("\n".join(parts))
        return self

    def grid(
        self,
        x: Sequence[float],
        y: Sequence[float],
        rows: Sequence[Sequence[str]],
        texts: Sequence[tuple[float, float, float, str]] = (),
    ) -> Pdf:
        """Add a page with a ruled table; x from left to right, y from the top down."""
        rules = [(x[0], at, x[-1], at) for at in y] + [(at, y[-1], at, y[0]) for at in x]
        words = [(x[c] + 4, y[r + 1] + 5, 10, cell) for r, row in enumerate(rows) for c, cell in enumerate(row) if cell]
        return self.page([*texts, *words], rules)

    def bytes(self, info: str = "") -> bytes:
        """The file."""
        count = len(self.pages)
        objects = [b"<</Type/Catalog/Pages 2 0 R>>"]
        kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(count))
        objects.append(f"<</Type/Pages/Kids[{kids}]/Count {count}>>".encode())
        objects.append(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
        objects.append(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>")
        for n, content in enumerate(self.pages):
            fonts = f"/Resources<</Font<</F 3 0 R/B 4 0 R/Z {_CHINESE}>>>>"
            objects.append(
                f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]{fonts}/Contents {6 + 2 * n} 0 R>>".encode()
            )
            objects.append(f"<</Length {len(content)}>>stream\n{content}\nendstream".encode())
        objects.append(f"<<{info}>>".encode())
        out, places = b"%PDF-1.4\n", []
        for number, body in enumerate(objects, 1):
            places.append(len(out))
            out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
        table = b"".join(f"{place:010} 00000 n \n".encode() for place in places)
        end = f"trailer<</Root 1 0 R/Info {len(objects)} 0 R/Size {len(objects) + 1}>>\nstartxref\n{len(out)}\n%%EOF".encode()
        return out + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode() + table + end


@pytest.fixture
def pdf() -> Pdf:
    """An empty PDF to add pages to."""
    return Pdf()
