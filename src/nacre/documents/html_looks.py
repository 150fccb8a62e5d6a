"""How the elements of a page look, as far as it says so itself: what nobody sees, what is struck, raised or lowered.

Style sheets inside the page count, those that it only names do not; where they may colour the ground, white text is
taken for visible.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from nacre.documents.lists import pairs

# Possessive, and begun at one place of a run only: a sheet costs what its length asks, whatever it says.
_RULE = re.compile(r"(?<![^{}@;])([^{}@;]++)\{([^{}]*+)\}")
_AT_RULE = re.compile(r"@(\w{1,40}+)([^{};]{0,1000}+)(?:;|\{((?:[^{}]*+\{[^{}]*+\})*+[^{}]*+)\})")
_TELLING = re.compile(
    r"list-style|"
    r"display|visibility|opacity|font-size|(?<![\w-])color|background|text-indent|clip|line-through|overflow",
    re.I,
)
_SELECTOR = re.compile(r"[\w\s.#>+~*,\-\[\]=\"']{1,200}")
_RULES, _SHEET, _DECLARED = 300, 1 << 18, 4000
_LENGTH = re.compile(r"(-?\d{0,6}(?:\.\d{0,6})?)\s*(px|pt|em|rem|%|vw|vh|)")
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "rem": 16.0, "vw": 10.0, "vh": 10.0}
_NAMED = pairs("css-colors")
_WHITE = (255, 255, 255)
_MARK = re.compile(r"[\w-]+|[\"']")
_MARKERS = pairs("css-markers")
_TINY = 2.0  # pixels
_ALIKE = 12  # of 255: how near two colours are that nobody tells apart
_FAR = -900.0  # pixels to the left of a page or above it
_STRUCK = {"del", "s", "strike"}
_PLACES = {"sup": "superscript", "sub": "subscript"}

Color = tuple[int, int, int]


class Look(NamedTuple):
    """How an element looks. `gone` hides all that it holds, `hidden` its own words."""

    gone: str = ""
    hidden: bool = False
    struck: bool = False
    place: str = ""
    ink: Color | None = None
    ground: Color | None = _WHITE  # None: not known
    size: float = 16.0
    marker: str = ""  # of the items of a list: a format of numbers, "none", or what its element says

    def unseen(self) -> str:
        """How its own words are hidden; empty where they are not."""
        if self.gone or self.hidden:
            return self.gone or "hidden element"
        if self.size <= _TINY:
            return "tiny text"
        if self.ink is None or self.ground is None:  # nearly always
            return ""
        near = all(abs(a - b) <= _ALIKE for a, b in zip(self.ink, self.ground, strict=True))
        return "white text" if near else ""


class Looks:
    """The looks of one page."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.rules: dict[int, str] = {}
        sheets = [node.text() or "" for node in tree.css("style")]
        rules = [rule for sheet in sheets for rule in _rules(sheet[:_SHEET])]
        # Sheets that are not here, or too long, may colour the ground of whatever has a class.
        linked = [(node.attributes.get("rel") or "").lower() for node in tree.css("link[rel]")]
        self.foreign = len(rules) > _RULES or any("stylesheet" in rel for rel in linked)
        for selector, declared in rules[:_RULES]:
            try:
                found = tree.css(selector)
            except ValueError:
                continue
            for node in found:
                self.rules[node.mem_id] = f"{self.rules.get(node.mem_id, '')};{declared}"

    def of(self, node: Any, tag: str, look: Look) -> Look:
        """The look of an element inside one of the look that is given."""
        attributes = node.attributes
        if look.marker and tag in {"ol", "ul", "menu"}:
            look = look._replace(marker="")
        if tag in _STRUCK:
            look = look._replace(struck=True)
        elif tag in _PLACES:
            look = look._replace(place=self.raised(node) if tag == "sup" else _PLACES[tag])
        ruled = self.rules.get(node.mem_id, "") if self.rules else ""
        if not attributes and not ruled:
            return look
        if "hidden" in attributes:
            return look._replace(gone="hidden element")
        if self.foreign and look.ground is not None and ("class" in attributes or "id" in attributes):
            look = look._replace(ground=None)
        if "bgcolor" in attributes:
            look = look._replace(ground=_color(attributes["bgcolor"] or ""))
        if tag == "font" and "color" in attributes:
            look = look._replace(ink=_color(attributes["color"] or ""))
        if not ruled and "style" not in attributes:
            return look
        return _styled(look, f"{ruled};{attributes.get('style') or ''}"[:_DECLARED])

    def raised(self, node: Any) -> str:
        """Whether a superscript is the mark of a note: a link within the page, or what a note of it begins with."""
        links = [node.parent, *node.css("a[href]")]
        if any(link is not None and (link.attributes.get("href") or "").startswith("#") for link in links):
            return "mark"
        return "maybe mark" if _said(node) in self.notes else "superscript"

    @cached_property
    def notes(self) -> set[str]:
        """The marks that notes of the page begin with: superscripts at the beginning of a block."""
        first = (node for node in self.tree.css("sup")[:_RULES] if not _before(node))
        return {said for said in map(_said, first) if re.fullmatch(r"\d{1,2}|[a-z]|[ivx]{1,4}", said)}


def _said(node: Any) -> str:
    return (node.text() or "").strip()


def _before(node: Any) -> bool:
    """Whether something stands before an element within its own."""
    while (node := node.prev) is not None:
        if node.tag != "-text" or node.text_content.strip():
            return True
    return False


def unseen_by_style(style: str) -> str:
    """How a `style` attribute hides its element on a white page; empty where it does not."""
    return _styled(Look(), style[:_DECLARED]).unseen()


def _rules(sheet: str) -> list[tuple[str, str]]:
    """Rules that may hide or strike, in order; of those for some screens only, the ones that show."""
    sheet = re.sub(r"/\*.*?(?:\*/|\Z)", "", sheet, flags=re.S)
    shown: list[tuple[str, str]] = []

    def special(found: re.Match[str]) -> str:
        if found[1].lower() == "media" and "print" not in found[2].lower():
            inner = _RULE.findall(found[3] or "")
            shown.extend((s, d) for s, d in inner if re.search(r"display\s*:\s*(?!none)|visibility\s*:\s*visible", d))
        return ""

    sheet = _AT_RULE.sub(special, sheet)
    telling = [(s, d) for s, d in _RULE.findall(sheet) if _TELLING.search(d)]
    return [(s.strip(), d) for s, d in telling + shown if _SELECTOR.fullmatch(s.strip())]


def _declared(style: str) -> dict[str, str]:
    found = {}
    for part in style.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            found[name.strip().lower()] = value.replace("!important", "").strip().lower()
    return found


@lru_cache(maxsize=1024)
def _styled(look: Look, style: str) -> Look:
    """A look with the declarations of a style upon it; pages say the same again and again."""
    declared = _declared(style)
    changes: dict[str, Any] = {}
    if "visibility" in declared:
        changes["hidden"] = declared["visibility"] in {"hidden", "collapse"}
    if size := declared.get("font-size"):
        changes["size"] = _length(size, look.size)
    for name in ("background", "background-color"):
        if value := declared.get(name):
            changes["ground"] = look.ground if value in {"transparent", "none", "inherit"} else _color(value)
    if color := declared.get("color"):
        ground = changes.get("ground", look.ground)
        changes["ink"] = ground if _is_transparent(color) else _color(color) if color != "inherit" else look.ink
    if "line-through" in declared.get("text-decoration", "") + declared.get("text-decoration-line", ""):
        changes["struck"] = True
    if declared.get("vertical-align") in {"super", "sub"}:
        changes["place"] = "superscript" if declared["vertical-align"] == "super" else "subscript"
    if marks := declared.get("list-style-type") or declared.get("list-style"):
        changes["marker"] = next((_MARKERS[word] for word in _MARK.findall(marks) if word in _MARKERS), look.marker)
    changes["gone"] = look.gone or _gone(declared, look.size)
    return look._replace(**changes)


def _gone(declared: dict[str, str], size: float) -> str:
    if declared.get("display") == "none" or re.fullmatch(r"0{0,9}\.?0{0,9}%?", declared.get("opacity", "1")):
        return "hidden element"
    if re.match(r"rect\(\s*[01](?:px)?[\s,]+[01]", declared.get("clip", "")):
        return "hidden element"
    if re.match(r"inset\(\s*(?:50|100)%", declared.get("clip-path", "")):
        return "hidden element"
    apart = declared.get("position") in {"absolute", "fixed"}
    places = ("left", "top", "right", "text-indent", "margin-left") if apart else ("text-indent",)
    if any(_length(declared.get(place, ""), size, usual=0.0) <= _FAR for place in places):
        return "text off the page"
    flat = any(_length(declared.get(side, ""), size, usual=9.0) <= 1 for side in ("height", "width"))
    return "hidden element" if flat and "hidden" in declared.get("overflow", "") else ""


def _length(value: str, em: float, usual: float = 16.0) -> float:
    found = _LENGTH.fullmatch(value.strip())
    if found is None or found[1] in {"", "-", ".", "-."}:
        return usual
    number = float(found[1])
    return number * em if found[2] == "em" else number * em / 100 if found[2] == "%" else number * _PIXELS[found[2]]


def _is_transparent(value: str) -> bool:
    return value == "transparent" or bool(re.fullmatch(r"(?:rgba|hsla)\(.*[,/]\s?0{0,9}\.?0{0,9}%?\s?\)", value))


def _color(value: str) -> Color | None:
    """A colour as red, green and blue; None for one that is not understood."""
    value = value.strip().lower()
    value = _NAMED.get(value, value)
    if found := re.fullmatch(r"#?([0-9a-f]{3}|[0-9a-f]{6})(?:[0-9a-f]{2})?", value):
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := re.match(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})", value):
        return int(found[1]), int(found[2]), int(found[3])
    return None
