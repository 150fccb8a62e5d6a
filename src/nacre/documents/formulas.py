"""Formulas in one line of plain text, from Office (OMML) and from the web (MathML): (a)/(b), x^2, √(y), ∑_(i=1)^n i."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from nacre.documents.ooxml import attribute, child, local, parts

_DEEP = 100
_LARGE = {*"∑∏∐∫∬∭∮⋃⋂⨁", "lim", "max", "min", "sup", "inf"}
_SIMPLE = re.compile(r"[-+−]?(?:\w+(?:\.\d+)?|\W)")
_FENCED = re.compile(r"\([^()]*\)")
_ACCENTS = {"\u0302": "^", "^": "^", "\u0305": "¯", "¯": "¯", "\u20d7": "→", "→": "→", "\u0307": "˙", "˙": "˙"}
_QUIET = {"rPr", "ctrlPr", "annotation", "annotation-xml", "mphantom", "maligngroup", "malignmark"}


def fenced(text: str) -> str:
    """In brackets, unless it is one sign, one number or one word, or has them already."""
    return text if not text or _SIMPLE.fullmatch(text) or _FENCED.fullmatch(text) else f"({text})"


def linear(node: Any, depth: int = 0) -> str:
    """A formula in one line."""
    if depth > _DEEP:
        return ""
    name = local(node)
    if name in _QUIET or name.endswith("Pr"):
        return ""
    made = _OFFICE.get(name) or _WEB.get(name)
    if made is not None:
        return made(node, depth + 1)
    if name in {"t", "mi", "mn", "mo", "mtext", "ms"}:
        return " ".join("".join(node.itertext()).split()) if name != "t" else node.text or ""
    return _inside(node, depth + 1)


def _inside(node: Any | None, depth: int) -> str:
    return "".join(linear(part, depth) for part in parts(node))


def _part(node: Any, name: str, depth: int) -> str:
    return _inside(child(node, name), depth).strip()


def _scripted(base: str, below: str, above: str) -> str:
    return base + (f"_{fenced(below)}" if below else "") + (f"^{fenced(above)}" if above else "")


def _fraction(over: str, under: str) -> str:
    return f"{fenced(over)}/{fenced(under)}"


def _root(degree: str, inside: str) -> str:
    sign = {"": "√", "2": "√", "3": "∛", "4": "∜"}.get(degree)
    return f"{sign}{fenced(inside)}" if sign else f"root({degree}, {inside})"


def _matrix(rows: Iterable[Any], depth: int) -> str:
    return f"[{'; '.join(', '.join(_inside(cell, depth) for cell in row) for row in rows)}]"


# ------------------------------------------------------------------------------------------------ office (OMML)


def _office_large(node: Any, depth: int) -> str:
    own = child(node, "naryPr", "chr")
    shown = "∫" if own is None else attribute(own)
    sign = _scripted(shown, _part(node, "sub", depth), _part(node, "sup", depth))
    return f"{sign} {_part(node, 'e', depth)}".strip()


def _office_fenced(node: Any, depth: int) -> str:
    def mark(name: str, usual: str) -> str:
        found = child(node, "dPr", name)
        return usual if found is None else attribute(found)

    inside = [_inside(part, depth) for part in node if local(part) == "e"]
    return mark("begChr", "(") + mark("sepChr", "|").join(inside) + mark("endChr", ")")


def _office_accent(node: Any, depth: int) -> str:
    sign = child(node, f"{local(node)}Pr", "chr")
    mark = ("^" if local(node) == "acc" else "¯") if sign is None else attribute(sign)
    return f"{fenced(_part(node, 'e', depth))}{_ACCENTS.get(mark, mark)}"


def _office_fraction(node: Any, depth: int) -> str:
    kind = attribute(child(node, "fPr", "type"))
    over, under = _part(node, "num", depth), _part(node, "den", depth)
    return f"({over} ¦ {under})" if kind == "noBar" else _fraction(over, under)


_OFFICE: dict[str, Callable[[Any, int], str]] = {
    "f": _office_fraction,
    "sSup": lambda n, d: _scripted(_part(n, "e", d), "", _part(n, "sup", d)),
    "sSub": lambda n, d: _scripted(_part(n, "e", d), _part(n, "sub", d), ""),
    "sSubSup": lambda n, d: _scripted(_part(n, "e", d), _part(n, "sub", d), _part(n, "sup", d)),
    "sPre": lambda n, d: _scripted("", _part(n, "sub", d), _part(n, "sup", d)) + _part(n, "e", d),
    "rad": lambda n, d: _root(_part(n, "deg", d), _part(n, "e", d)),
    "nary": _office_large,
    "d": _office_fenced,
    "m": lambda n, d: _matrix((row for row in n if local(row) == "mr"), d),
    "acc": _office_accent,
    "bar": _office_accent,
    "eqArr": lambda n, d: "; ".join(_inside(part, d) for part in n if local(part) == "e"),
    "limLow": lambda n, d: _scripted(_part(n, "e", d), _part(n, "lim", d), ""),
    "limUpp": lambda n, d: _scripted(_part(n, "e", d), "", _part(n, "lim", d)),
    "func": lambda n, d: f"{_part(n, 'fName', d)} {_part(n, 'e', d)}",
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ web (MathML)


def _children(node: Any) -> list[Any]:
    return [part for part in node if local(part)]


def _web_scripted(node: Any, depth: int) -> str:
    parts = [linear(part, depth).strip() for part in _children(node)] + ["", "", ""]
    name = local(node)
    if name in {"msup", "mover"}:
        base, above = parts[:2]
        accented = name == "mover" and above in _ACCENTS
        return f"{fenced(base)}{_ACCENTS[above]}" if accented else _scripted(base, "", above)
    below, above = (parts[1], "") if name in {"msub", "munder"} else (parts[1], parts[2])
    return _scripted(parts[0], below, above) + (" " if parts[0] in _LARGE else "")


def _web_pair(node: Any, depth: int) -> str:
    first, second, *_ = [*(linear(part, depth).strip() for part in _children(node)), "", ""]
    return _fraction(first, second) if local(node) == "mfrac" else _root(second, first)


def _web_fenced(node: Any, depth: int) -> str:
    parts = (linear(part, depth) for part in _children(node))
    return attribute(node, "open") or "(" + ", ".join(parts) + (attribute(node, "close") or ")")


_WEB: dict[str, Callable[[Any, int], str]] = {
    **dict.fromkeys(("msup", "msub", "msubsup", "mover", "munder", "munderover"), _web_scripted),
    **dict.fromkeys(("mfrac", "mroot"), _web_pair),
    "msqrt": lambda n, d: _root("", _inside(n, d)),
    "mtable": lambda n, d: _matrix(map(_children, _children(n)), d),
    "mfenced": _web_fenced,
    "mspace": lambda n, d: " ",
}  # fmt: skip
