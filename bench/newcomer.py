"""What somebody new gets from a mixed folder: `python bench/newcomer.py [--show] [--kind KIND]`.

Forty small files in both languages and sixty questions of all kinds, written before the answers were worked on, and not
changed since. Right: the answer holds what was asked for and not the neighbouring row; what no file holds is refused or
marked as the closest passage; of a conversation the last answer counts.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

import nacre
from nacre.text.messages import nacre_of, text_of

HERE = Path(__file__).parent / "newcomer"
_KEEPERS = "Berta Holm", "Carl Moser", "Dora Ilves", "Emil Saar", "Frieda Katz"


def write(folder: Path) -> None:
    """The files; a table with tabs becomes a Word or Excel file where its name ends so."""
    for part in (HERE / "documents.txt").read_text("utf-8").split("=== ")[1:]:
        name, _, text = part.partition("\n")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [line.split("\t") for line in text.splitlines()]
        if path.suffix == ".docx":
            _docx(path, rows)
        elif path.suffix == ".xlsx":
            _xlsx(path, rows)
        else:
            path.write_text(text or "\n\n".join(_chapters()), "utf-8")


def _chapters() -> Iterator[str]:
    for n in range(1, 201):
        told = [f"In that year {_KEEPERS[n % 5]} kept the book of the harbour, and {40 + n * 7 % 90} ships came in."]
        told += ["The code word of the chapter was heliotrope."] if n == 87 else []
        told += ["Anselm Fuchs repaired the clock tower before the winter."] if n == 143 else []
        yield f"Chapter {n}\n\n{' '.join(told)} Wine cost {n % 9 + 2} pence and salt {n % 5 + 1} pence."


def _docx(path: Path, rows: Sequence[Sequence[str]]) -> None:
    import docx

    document, cells = docx.Document(), [row for row in rows if len(row) > 1]
    for at, row in enumerate(rows):
        if len(row) == 1 and row[0]:
            document.add_paragraph(row[0])
        elif len(row) > 1 and len(rows[at - 1]) == 1:
            table = document.add_table(len(cells), len(row))
            for line, texts in zip(table.rows, cells, strict=True):
                for cell, text in zip(line.cells, texts, strict=True):
                    cell.text = text
    document.save(str(path))


def _xlsx(path: Path, rows: Sequence[Sequence[str]]) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


def asked(model: Any, turns: Sequence[str]) -> AIMessage:
    """The last answer of a conversation."""
    said: list[BaseMessage] = []
    for turn in turns:
        reply = model.invoke([*said, HumanMessage(turn)])
        said += [HumanMessage(turn), AIMessage(text_of(reply))]
    return reply


def right(row: dict[str, Any], reply: AIMessage) -> bool:
    """Whether an answer is what was asked for."""
    own, text = nacre_of(reply), text_of(reply)
    if row["kind"] == "absent":
        return bool(own.get("abstained") or own.get("closest"))
    return (
        not own.get("abstained")
        and all(re.search(pattern, text) for pattern in row["right"])
        and not any(re.search(pattern, text) for pattern in row.get("wrong", ()))
    )


def main() -> None:
    """Ask, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="every wrong answer")
    parser.add_argument("--kind", help="only these questions")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = yaml.safe_load((HERE / "questions.yaml").read_text("utf-8"))
    rows = [row for row in rows if given.kind in (None, row["kind"])]
    results: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "files")
        write(folder)
        with nacre.KnowledgeBase.open(Path(temporary, "kb")) as base:
            base.sync(str(folder))
            model = nacre.build({"model": "quote", "layers": ["rag"]}, kb=base)
            for row in rows:
                turns = [row["ask"]] if isinstance(row["ask"], str) else row["ask"]
                reply = asked(model, turns)
                results.setdefault(row["kind"], []).append(right(row, reply))
                if given.show and not results[row["kind"]][-1]:
                    closest = "closest " * bool(nacre_of(reply).get("closest"))
                    print(f"{row['kind']:<11}{turns}\n    {closest}{text_of(reply)!r}")
    for kind, marks in results.items():
        print(f"{kind:<11}{sum(marks):>3} of {len(marks)}")
    every = [mark for marks in results.values() for mark in marks]
    print(f"{'all':<11}{sum(every):>3} of {len(every)}  {sum(every) / len(every):.2f}")


if __name__ == "__main__":
    main()
