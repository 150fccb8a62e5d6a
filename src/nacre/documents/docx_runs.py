"""What the runs of a Word paragraph say: raised, lowered, struck and hidden words, formulas, tick boxes, pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from nacre.documents.document import Builder
from nacre.documents.drawings import described
from nacre.documents.formulas import linear
from nacre.documents.lists import pairs, word_list
from nacre.documents.normalise import Piece, marked
from nacre.documents.ooxml import attribute, child, descend, is_on, local, parts

# Removed text, field codes, and the twin of a drawing for old readers.
SKIPPED = frozenset(word_list("docx-skipped"))
"""What is no text of a document, though letters may stand in it."""

_APART = {"p", "tbl", "txbxContent"}  # told on their own
_CHARACTERS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_DRAWN = {"drawing", "pict", "object", "AlternateContent"}
_FONTS = {"symbol", "wingdings", "wingdings-2"}
_TINY = 4  # half points
_BOXES = re.compile("[☐☑☒□■✓✔✗✘]")


class Look(NamedTuple):
    """How a run looks. None is what the style says."""

    hidden: bool | None = None
    struck: bool | None = None
    place: str | None = None
    white: bool | None = None
    shaded: bool | None = None
    tiny: bool | None = None
    font: str | None = None

    def over(self, style: Look) -> Look:
        """This look upon the one of a style."""
        if self == PLAIN:  # nearly always
            return style
        return Look(*(b if a is None else a for a, b in zip(self, style, strict=True)))  # type: ignore[arg-type]

    def unseen(self, dark: bool) -> str:
        """How the words are hidden; empty where they are not."""
        if self.hidden:
            return "hidden text"
        if self.tiny:
            return "tiny text"
        return "white text" if self.white and not self.shaded and not dark else ""


PLAIN = Look()


def look_of(properties: Any | None) -> Look:
    """The look that `w:rPr` gives."""
    found: dict[str, Any] = {}
    for node in parts(properties):
        name, value = local(node), attribute(node)
        if name in {"vanish", "specVanish"}:
            found["hidden"] = is_on(node)
        elif name in {"strike", "dstrike"}:
            found["struck"] = is_on(node) or bool(found.get("struck"))
        elif name == "vertAlign":
            found["place"] = value
        elif name == "color":
            found["white"] = value.upper() == "FFFFFF"
        elif name == "highlight" or (name == "shd" and is_shaded(node)):
            found["shaded"] = value not in {"none", "white"} or name == "shd"
        elif name == "sz":
            found["tiny"] = value.isdecimal() and int(value) <= _TINY
        elif name == "rFonts":
            found["font"] = attribute(node, "ascii") or attribute(node, "hAnsi")
    return Look(**found) if found else PLAIN


def is_shaded(node: Any | None) -> bool:
    """Whether `w:shd` gives a ground that is not white."""
    return attribute(node, "fill").upper() not in {"", "AUTO", "FFFFFF"} or attribute(node) not in {"", "clear", "nil"}


def symbol(code: int, font: str) -> str:
    """The sign that a font of an office program draws for a code; a bullet where that is not known."""
    font = font.lower().replace(" ", "-")
    private = 0xF000 <= code <= 0xF8FF
    if font in _FONTS and (private or code < 0x100):
        if found := pairs(font).get(f"{code & 0xFF:02X}"):
            return found
        if font == "symbol" and 0x20 <= code & 0xFF < 0x7F:
            return chr(code & 0xFF)  # digits and brackets are the common ones
    return "•" if private else "" if 0xD800 <= code < 0xE000 or code > 0x10FFFF else chr(code)


class Runs:
    """Reads paragraphs; what it meets on the way stands in `notes`."""

    def __init__(self, out: Builder, looks: Callable[[str], Look]) -> None:
        self.out, self.looks = out, looks
        self.notes: list[tuple[str, str]] = []  # (kind, id) of footnotes, endnotes and comments
        self.dark = False

    def text(self, paragraph: Any) -> str:
        """The words of one paragraph, without those of text boxes inside it."""
        properties = child(paragraph, "pPr")
        style = PLAIN if properties is None else self.looks(attribute(child(properties, "pStyle")))
        if is_shaded(child(properties, "shd")):
            style = style._replace(shaded=True)
        return marked(self._pieces(paragraph, style))

    def _pieces(self, node: Any, style: Look) -> Iterator[Piece]:
        for part in node:
            name = local(part)
            if name in SKIPPED or name in _APART:
                continue
            if name == "r":
                look = look_of(child(part, "rPr"))
                named = child(part, "rPr", "rStyle")
                if named is not None:
                    look = look.over(self.looks(attribute(named)))
                yield from self._run(part, look.over(style), style)
            elif name == "oMath":
                yield Piece(linear(part))
            elif name == "sdt":
                box = _box(part)
                yield from [Piece(box)] if box else self._pieces(part, style)
            else:
                yield from self._pieces(part, style)

    def _run(self, run: Any, look: Look, style: Look) -> Iterator[Piece]:
        unseen = look.unseen(self.dark)
        for part in run:
            name = local(part)
            if name in {"ruby", "hyperlink", "ins", "moveTo", "smartTag"}:
                yield from self._pieces(part, style)
            elif name.endswith("Reference") and name != "annotationReference":
                self.notes.append((name.removesuffix("Reference"), attribute(part, "id")))
            elif text := self._said(part, name, look.font or ""):
                if unseen:
                    self.out.hide(unseen, text)
                else:
                    yield Piece(text, look.place or "", bool(look.struck))

    def _said(self, part: Any, name: str, font: str) -> str:
        if name == "t":
            text = part.text or ""
            return "".join(symbol(ord(c), font) for c in text) if re.search("[\uf000-\uf0ff]", text) else text
        if name == "sym":
            code = attribute(part, "char")
            return symbol(int(code, 16), attribute(part, "font")) if re.fullmatch(r"[0-9A-Fa-f]{1,5}", code) else ""
        if name == "fldChar":
            return _field(child(part, "ffData"))
        if name in _DRAWN:
            return "".join(f" {text} " for text in map(_alternative, descend(part, SKIPPED | _APART)) if text)
        return _CHARACTERS.get(name, "")


def _box(control: Any) -> str:
    """A tick box as the page shows it, or by its state."""
    box = child(control, "sdtPr", "checkbox")
    if box is None:
        return ""
    shown = "".join(node.text or "" for node in descend(control, SKIPPED) if local(node) == "t")
    return shown if _BOXES.search(shown) else "☑" if is_on(child(box, "checked")) else "☐"


def _field(data: Any | None) -> str:
    """A tick box or the chosen entry of a list in an old form."""
    box, chosen = child(data, "checkBox"), child(data, "ddList")
    if box is not None:
        state = child(box, "checked")
        return "☑" if is_on(child(box, "default") if state is None else state) else "☐"
    entries = [attribute(node) for node in parts(chosen) if local(node) == "listEntry"]
    result = attribute(child(chosen, "result")) or "0"
    return entries[int(result)] if result.isdecimal() and len(result) < 4 and int(result) < len(entries) else ""


def _alternative(node: Any) -> str:
    name = local(node)
    return described(node) if name == "docPr" else attribute(node, "alt") if name in {"shape", "rect"} else ""
