"""What the parsers find in 203 real documents, and what hostile ones cost: `python bench/parsing.py [--json]
[--misses]`.

The manifest beside the documents says what a correct parser must find. Text is compared without white space and in
NFKC.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hostile_documents import documents
from parsing_peers import compare, side_by_side

from nacre.documents import ParsedDocument, ParserPool, Table
from nacre.errors import ParseError

SHARED = Path(os.environ.get("NACRE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
FAMILIES = {
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "gb18030": "gb",
    "gbk": "gb",
    "big5hkscs": "big5",
    "big5": "big5",
    "cp949": "korean",
    "euc-kr": "korean",
    "utf-16": "utf-16",
}


def squeeze(text: str) -> str:
    """NFKC without white space."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def grid(table: Table) -> list[list[str]]:
    """All rows of a table, header first."""
    rows = [[cell.text for cell in row] for row in table.rows]
    return [list(table.header), *rows] if table.header else rows


def meets(want: dict[str, Any], document: ParsedDocument) -> bool:
    """Whether the document meets one expectation of the manifest."""
    return CHECKS[want["type"]](want, document)


def page_text(want: dict[str, Any], document: ParsedDocument) -> str:
    if "page" not in want:
        return squeeze(document.text)
    blocks = [block for block in document.blocks if block.page == want["page"]]
    first = min((block.start for block in blocks), default=0)
    after = [block.start for block in document.blocks if (block.page or 0) > want["page"]]
    # Running heads stand between the blocks of two pages; they belong to either.
    before = [block.end for block in document.blocks if (block.page or 0) < want["page"]]
    return (
        squeeze(document.text[max(before, default=0) if before else 0 : min(after, default=len(document.text))])
        if blocks
        else squeeze(document.text[first:first])
    )


def same_row(want: list[str], row: list[str], above: Sequence[str] = ()) -> bool:
    """The same filled cells in the same order; a merged cell stands in each of its places here, and once there."""
    wanted = list(filter(None, map(squeeze, want)))
    cells = list(map(squeeze, row))
    over = list(map(squeeze, above))
    own = [c for n, c in enumerate(cells) if n == 0 or c != cells[n - 1]]
    fresh = [c for n, c in enumerate(cells) if n >= len(over) or c != over[n]]
    return any(wanted == list(filter(None, found)) for found in (cells, own, fresh))


def table_row(want: dict[str, Any], document: ParsedDocument) -> bool:
    return any(
        same_row(want["row"], row, above)
        for table in document.tables
        if table.page in {None, want.get("page", table.page)}
        for rows in (grid(table), [line.split("\t") for line in document.text[table.start : table.end].split("\n")])
        for above, row in zip([[], *rows], rows, strict=False)
    )


def row_words(want: dict[str, Any], document: ParsedDocument) -> bool:
    lines = [squeeze(line) for line in document.text.splitlines()]
    return any(re.search(".*".join(re.escape(squeeze(word)) for word in want["row"]), line) for line in lines)


def cell_values(want: dict[str, Any], document: ParsedDocument) -> bool:
    cells = {squeeze(cell) for table in document.tables for row in grid(table) for cell in row}
    return all(squeeze(value) in cells for value in want["values"])


def same_value(stored: str, shown: str) -> bool:
    """Whether a cell shows what is stored in it: the same text, or the number in its format, "(1,234)" for -1234."""
    if squeeze(stored) == squeeze(shown):
        return True
    found = re.fullmatch(r"(\(?)(-?)[^\d(.-]*([\d,]*\.?\d+)(%?)[^\d]*", squeeze(shown))
    try:
        number = float(stored)
    except ValueError:
        return False
    if found is None:
        return False
    value = float(found[3].replace(",", "")) * (0.01 if found[4] else 1) * (-1 if found[1] or found[2] else 1)
    return abs(value - number) <= 0.5 * 10.0 ** -len(found[3].partition(".")[2])


def sheet_cell(want: dict[str, Any], document: ParsedDocument) -> bool:
    letters, digits = re.fullmatch(r"([A-Z]+)(\d+)", want["cell"]).groups()  # type: ignore[union-attr]
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    for table in document.tables:
        line, place = int(digits) - table.row, column - table.column
        if table.sheet == want["sheet"] and 0 <= line < len(table.rows) and 0 <= place < len(table.rows[line]):
            if same_value(want["value"], table.rows[line][place].text):
                return True
        elif (
            table.sheet == want["sheet"]
            and line < 0
            and any(squeeze(want["value"]) in squeeze(name) for name in table.header)
        ):
            return True
    return any(
        block.sheet == want["sheet"] and same_value(want["value"], document.text[block.start : block.end])
        for block in document.blocks
    )


def csv_rows(document: ParsedDocument) -> list[list[str]]:
    rows = [row for table in document.tables for row in grid(table)]
    titles = [[document.text[block.start : block.end]] for block in document.blocks if block.kind == "paragraph"]
    return titles + rows


def csv_shape(want: dict[str, Any], document: ParsedDocument) -> bool:
    rows = csv_rows(document)
    first = [cell for cell in want["first_row"] if cell] if len(rows[0]) == 1 else want["first_row"]
    return (
        document.metadata["delimiter"] == want["delimiter"]
        and len(rows) == want["rows"]
        and same_row(first, rows[0][: len(first)])
    )


def csv_row(want: dict[str, Any], document: ParsedDocument) -> bool:
    row = csv_rows(document)[want["index"]]
    return same_row(want["row"], row[: len(want["row"])])


def heading(want: dict[str, Any], document: ParsedDocument) -> bool:
    return any(
        squeeze(document.text[block.start : block.end]) == squeeze(want["text"])
        for block in document.blocks
        if block.kind == "heading"
    )


def order(want: dict[str, Any], document: ParsedDocument) -> bool:
    text = squeeze(document.text)
    return 0 <= text.find(squeeze(want["first"])) < text.find(squeeze(want["then"]))


def encoding(want: dict[str, Any], document: ParsedDocument) -> bool:
    return FAMILIES.get(document.encoding, document.encoding) in {
        FAMILIES.get(name, name) for name in want["value"].split(" / ")
    }


def contains(want: dict[str, Any], document: ParsedDocument) -> bool:
    text = page_text(want, document)
    # Struck words are marked: ~~50~~.
    return squeeze(want["text"]) in text or squeeze(want["text"]) in text.replace("~~", "")


CHECKS: dict[str, Any] = {
    "contains": contains,
    "contains_markdown": contains,
    "attachment_contains": contains,
    "not_contains": lambda want, document: squeeze(want["text"]) not in squeeze(document.text),
    "title": lambda want, document: squeeze(want["text"]) == squeeze(document.title),
    "heading": heading,
    "table_row": table_row,
    "table_row_words": row_words,
    "table_cell_values": cell_values,
    "cell": sheet_cell,
    "sheets": lambda want, document: list(document.sheets) == want["value"],
    "page_count": lambda want, document: document.pages == want["value"],
    "slide_count": lambda want, document: document.pages == want["value"],
    "header": lambda want, document: squeeze(document.metadata.get(want["name"], "")) == squeeze(want["value"]),
    "attachments": lambda want, document: list(document.attachments) == want["names"],
    "csv": csv_shape,
    "csv_row": csv_row,
    "encoding": encoding,
    "no_replacement_chars": lambda want, document: "\ufffd" not in document.text,
    "no_crash": lambda want, document: True,
    "needs_ocr": lambda want, document: any("OCR" in warning for warning in document.warnings),
    "reading_order": order,
}


def check(
    row: dict[str, Any], pool: ParserPool, folder: Path
) -> tuple[list[tuple[dict[str, Any], bool, str]], float, str]:
    """Parse one document and hold it against its expectations.

    Returns:
        (expectation, met, reason) for each, the seconds of processor time, and the reason of a failure.
    """
    data = (folder / row["file"]).read_bytes()
    start = pool.used_seconds()
    document, reason = None, ""
    try:
        document = pool.parse(data, name=row["file"])
    except ParseError as error:
        reason = error.message
    seconds = pool.used_seconds() - start
    results = []
    for want in row["expect"]:
        if want["type"] in {"clean_error", "needs_ocr", "empty"} and document is None:
            met = bool(reason)
            if met and "then" in want:
                opened = pool.parse(data, name=row["file"], password=want["password"])
                met = all(meets(then, opened) for then in want["then"])
        else:
            met = document is not None and want["type"] != "clean_error" and meets(want, document)
        results.append((want, met, reason))
    return results, seconds, reason


def attack(name: str, data: bytes) -> tuple[str, bool, float, int, str]:
    """One hostile document: met when it is read or refused within 10 s of processor time, those for starting its
    worker among them; the kernel keeps that below 1 GiB.
    """
    start = spent()
    with ParserPool(workers=1) as own:
        own.parse(b"warm", name="warm.txt")
        try:
            own.parse(data, name=name)
            reason = ""
        except ParseError as error:
            reason = error.message
        peak = own.peak_bytes() >> 20
    seconds = spent() - start
    print(f"{name}: {seconds:.2f} s", file=sys.stderr, flush=True)
    return f"made/{name}", seconds <= 10, seconds, peak, reason


def spent() -> float:
    """Processor time of the workers that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Run the manifest, print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--misses", action="store_true", help="list every expectation that is not met")
    args = options.parse_args()
    folder = SHARED / "data" / "docs"
    if not (folder / "manifest.jsonl").exists():
        print(f"no manifest under {folder}: set NACRE_SHARED", file=sys.stderr)
        return 2
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    counts: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0.0])
    misses, nasty = [], []
    with ParserPool(workers=1) as pool:
        for row in rows:
            if row["kind"] == "nasty":
                # A worker of its own: its peak is this file's.
                with ParserPool(workers=1) as own:
                    results, seconds, reason = check(row, own, folder)
                    nasty.append(
                        (row["file"], all(met for _, met, _ in results), seconds, own.peak_bytes() >> 20, reason)
                    )
                continue
            results, seconds, _ = check(row, pool, folder)
            count = counts[row["format"]]
            count[0] += 1
            count[1] += sum(met for _, met, _ in results)
            count[2] += len(results)
            count[3] += seconds
            misses += [
                {"file": row["file"], "expected": want, "reason": reason} for want, met, reason in results if not met
            ]
        peers = compare(pool)
    report(args, counts, misses, peers, nasty + [attack(name, data) for name, data in documents().items()])
    return 0


def report(
    args: argparse.Namespace,
    counts: dict[str, list[float]],
    misses: list[dict[str, Any]],
    peers: list[dict[str, Any]],
    nasty: list[tuple[Any, ...]],
) -> None:
    met, wanted = sum(c[1] for c in counts.values()), sum(c[2] for c in counts.values())
    if args.json:
        table = {
            kind: {"documents": c[0], "met": c[1], "expected": c[2], "seconds": round(c[3], 3)}
            for kind, c in counts.items()
        }
        rows = [dict(zip(("file", "met", "seconds", "peak_mib", "reason"), row, strict=True)) for row in nasty]
        print(
            json.dumps(
                {
                    "formats": table,
                    "met": met,
                    "expected": wanted,
                    "share": met / wanted,
                    "target": 0.97,
                    "nasty": rows,
                    "misses": misses,
                    "peers": peers,
                },
                ensure_ascii=False,
            )
        )
        return
    print(f"{'format':8} {'documents':>9} {'met':>5} {'of':>5} {'share':>7} {'ms/doc':>7}")
    for kind, (files, good, total, seconds) in sorted(counts.items()):
        print(f"{kind:8} {files:9} {good:5} {total:5} {good / total:7.1%} {1000 * seconds / files:7.1f}")
    print(f"{'all':8} {sum(c[0] for c in counts.values()):9} {met:5} {wanted:5} {met / wanted:7.1%}   target 97.0%\n")
    print(side_by_side(peers) + "\n" if peers else "markitdown is not there: make .bench/.markitdown\n")
    print(f"{'nasty':32} {'met':>4} {'s':>6} {'MiB':>5}  reason   (target: 10 s, 1 GiB; - for a killed worker)")
    for file, good, seconds, peak, reason in nasty:
        print(f"{file:32} {'yes' if good else 'NO':>4} {seconds:6.2f} {peak or '-':>5}  {(reason or '(parsed)')[:110]}")
    if args.misses:
        print()
        for miss in misses:
            print(f"{miss['file']}: {json.dumps(miss['expected'], ensure_ascii=False)[:240]} {miss['reason']}")


if __name__ == "__main__":
    sys.exit(main())
