"""The messages of the code and their Chinese catalogue.

    python scripts/messages.py            bring new messages into the catalogue, take gone ones out, compile it
    python scripts/messages.py --check    what is missing or stale, a line each; exit 1 if anything is

Read by syntax, not by tokens: messages inside f-strings count too, which the extractors of gettext do not see.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
CATALOGUE = ROOT / "src/nacre/locale/zh/LC_MESSAGES/nacre.po"
HEADER = "# The Chinese messages of Nacre. New ones are brought in by `make messages`."


def messages() -> Iterator[tuple[str, str, set[str]]]:
    """(place, text, names of the values) of each `tr("…", name=…)` and `N_("…")`; the text is "" where it is no
    literal.
    """
    for folder in ("src/nacre", "connectors", "prompts", "eval"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tr", "N_"):
                    text, place = node.args[0], f"{file.relative_to(ROOT)}:{node.lineno}"
                    if isinstance(text, ast.Constant):
                        yield place, str(text.value), {keyword.arg or "**" for keyword in node.keywords}
                    elif isinstance(text, (ast.JoinedStr, ast.BinOp)):
                        yield place, "", set()


def chinese() -> dict[str, str]:
    """The catalogue: English to Chinese."""
    with CATALOGUE.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def update() -> None:
    """Write and compile the catalogue of what the code says now."""
    known = chinese()
    catalogue = Catalog("zh", header_comment=HEADER, fuzzy=False, project="nacre", version=" ")
    for text in sorted({text for _, text, _ in messages() if text}):
        catalogue.add(text, known.get(text, ""), flags=["python-brace-format"] if slots(text) else [])
    with CATALOGUE.open("wb") as file:
        write_po(file, catalogue, width=0, omit_header=False)
    kept = [
        line for line in CATALOGUE.read_text("utf-8").splitlines() if "-Date: " not in line
    ]  # no line changes by itself
    CATALOGUE.write_text("\n".join(kept) + "\n", "utf-8")
    compile_catalogue()


def compile_catalogue() -> None:
    """Make what the program reads."""
    with CATALOGUE.open("rb") as source, CATALOGUE.with_suffix(".mo").open("wb") as target:
        write_mo(target, read_po(source))


def slots(text: str) -> set[str]:
    """The names in braces; braces of JSON and the like are none."""
    try:
        return {name for _, name, _, _ in Formatter().parse(text) if name and name.isidentifier()}
    except ValueError:
        return set()


def complaints() -> Iterator[str]:
    """What is missing, stale, or does not fit together."""
    known, seen = chinese(), set()
    for place, text, given in messages():
        seen.add(text)
        if not text:
            yield f"{place}: a message is one literal; values go into {{slots}}"
        elif not known.get(text):
            yield f"{place}: no Chinese for {text!r}: make messages, then fill in {CATALOGUE.relative_to(ROOT)}"
        elif given and "**" not in given and slots(text) | slots(known[text]) != given:
            yield f"{place}: slots {slots(text)} and {slots(known[text])}, values {given}"
    yield from (f"nothing says {text!r} any more: make messages" for text in known if text not in seen)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        update()
    if found := list(complaints()):
        sys.exit("\n".join(found))
