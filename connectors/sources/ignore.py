"""Ignore files: `.nacreignore` in any folder, with the rules of `.gitignore`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

NAME = ".nacreignore"
# What editors, office programs and build tools leave beside documents.
DEFAULTS = (
    "~$*",
    "*.tmp",
    "*.swp",
    "*.pyc",
    "*.o",
    "*.so",
    "*.woff",
    "*.woff2",
    "*.ttf",
    "*.eot",
    "*.ico",
    "Thumbs.db",
    "desktop.ini",
    "node_modules/",
    "__pycache__/",
)


@dataclass(frozen=True)
class Rule:
    """One line of an ignore file: a pattern over paths below the folder it stands in."""

    pattern: re.Pattern[str]
    wanted: bool
    folders_only: bool


def rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """Read an ignore file.

    Args:
        lines: its lines; later rules win, "!" takes a path back in.

    Example:
        >>> found = rules(["*.log", "!keep.log", "/drafts/"])
        >>> ignored(found, "a/x.log", False), ignored(found, "keep.log", False), ignored(found, "drafts", True)
        (True, False, True)
    """
    return tuple(rule for line in lines if (rule := _rule(line)))


def _rule(line: str) -> Rule | None:
    line = line.rstrip("\r\n")
    line = line if line.endswith("\\ ") else line.rstrip(" ")
    if not line or line.startswith("#"):
        return None
    wanted = line.startswith("!")
    line = line[1:] if wanted else line
    folders_only = line.endswith("/")
    line = line.rstrip("/").removeprefix("\\")
    # A slash inside ties the pattern to the folder of the file; without one it holds at any depth.
    prefix = "" if "/" in line else "(?:.*/)?"
    return Rule(re.compile(prefix + _regex(line.lstrip("/")) + r"\Z", re.S), wanted, folders_only)


def _regex(pattern: str) -> str:
    out, place = [], 0
    while place < len(pattern):
        if pattern.startswith("**/", place):
            out.append("(?:.*/)?")
            place += 3
        elif pattern[place:] in {"/**", "**"} and (place == 0 or pattern[place] == "/"):
            out.append("/.+" if pattern[place] == "/" else ".+")
            break
        elif pattern[place] == "*":
            out.append("[^/]*")
            place += 1
        elif pattern[place] == "?":
            out.append("[^/]")
            place += 1
        elif pattern[place] == "[" and (end := pattern.find("]", place + 2)) > 0:
            body = pattern[place + 1 : end].replace("\\", "\\\\")
            out.append("[" + ("^" + body[1:] if body[0] in "!^" else body) + "]")
            place = end + 1
        else:
            out.append(re.escape(pattern[place]))
            place += 1
    return "".join(out)


def ignored(found: Iterable[Rule], path: str, folder: bool) -> bool:
    """Whether a path is left out."""
    return verdict(found, path, folder) is True


def verdict(found: Iterable[Rule], path: str, folder: bool) -> bool | None:
    """Like `ignored`, but undecided when no rule fits, so that an outer file may decide."""
    last: bool | None = None
    for rule in found:
        if (folder or not rule.folders_only) and rule.pattern.match(path):
            last = not rule.wanted
    return last
