"""`.nacreignore` files, with the rules of `.gitignore`, by hand: on `*a*a*a…b` the expressions of pathspec hang.

Whoever may write into a folder writes this file. Nothing is tried twice here but the last wildcard.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NAME = ".nacreignore"
# What editors, office programs and build tools leave beside documents.
_LEFT = (
    "~$* *.tmp *.swp *.pyc *.o *.so *.woff *.woff2 *.ttf *.eot *.ico Thumbs.db desktop.ini node_modules/ __pycache__/"
)
DEFAULTS = tuple(_LEFT.split())
Glob = tuple[re.Pattern[str] | None, ...]
"""A pattern for each name of a path; None stands for any number of names."""
_NO_NAME = re.compile(r"(?!)")


@dataclass(frozen=True)
class Rule:
    """One line of an ignore file: a pattern over paths below the folder it stands in."""

    glob: Glob
    wanted: bool
    folders_only: bool


def rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """Read an ignore file; later rules win, "!" takes a path back in.

    Example:
        >>> found = rules(["*.log", "!keep.log", "/drafts/"])
        >>> [verdict(found, "a/x.log", False), verdict(found, "keep.log", False), verdict(found, "drafts", True)]
        [True, False, True]
    """
    return tuple(rule for line in lines if (rule := _rule(line)))


def _rule(line: str) -> Rule | None:
    line = line.rstrip("\r\n")
    line = line if line.endswith("\\ ") else line.rstrip(" ")
    if not line or line.startswith("#"):
        return None
    wanted = line.startswith("!")
    line = line.removeprefix("!")
    folders_only = line.endswith("/")
    line = line.rstrip("/")
    # A slash inside ties the pattern to the folder of the file; without one it holds at any depth.
    names = line.lstrip("/").split("/") if "/" in line else ["**", line]
    if names[-1] == "**":
        names.append("*")  # what is inside, not the folder itself
    return Rule(tuple(None if name == "**" else _pattern(name) for name in names), wanted, folders_only)


def _pattern(name: str) -> re.Pattern[str]:
    name = name.replace("[^", "[!")
    name = re.sub(r"\\(.)", lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], name)
    return re.compile(fnmatch.translate(name))


def verdict(found: Iterable[Rule], path: str, folder: bool) -> bool | None:
    """What the rules of one ignore file say of a path below its folder, the last that fits: True to leave it out, False
    to take it in, None where none fits, so that an outer file may decide.
    """
    names = path.split("/")
    last: bool | None = None
    for rule in found:
        if (folder or not rule.folders_only) and _fits(rule.glob, names):
            last = not rule.wanted
    return last


def _fits(glob: Glob, names: Sequence[str]) -> bool:
    place = here = 0
    star = resume = -1
    while here < len(names):
        wanted = glob[place] if place < len(glob) else _NO_NAME
        if wanted is None:
            star, resume, place = place, here, place + 1
        elif wanted.match(names[here]):
            place, here = place + 1, here + 1
        elif star >= 0:  # the last None takes one name more; an earlier one never needs to
            resume += 1
            place, here = star + 1, resume
        else:
            return False
    return all(wanted is None for wanted in glob[place:])
