"""robots.txt as RFC 9309 reads it, by hand: this is linear, protego takes minutes over 500 kB of agents above rules.

The longest matching rule of our group decides, "*" and "$" are wildcards. The site writes this file: one group is kept,
where protego gives each rule to each agent of a group, and a rule is matched without going back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

_MOST = 500_000  # characters; RFC 9309 asks for 500 kibibytes at least


@dataclass(frozen=True)
class Robots:
    """What a site allows us: (path pattern, allowed) with the longest first, and the seconds that it wants between two
    requests.
    """

    rules: tuple[tuple[str, bool], ...] = ()
    delay_s: float = 0.0

    def allows(self, url: str) -> bool:
        """Whether a page may be fetched."""
        parts = urlsplit(url)
        path = unquote(parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return next((allowed for pattern, allowed in self.rules if _matches(pattern, path)), True)


def parse_robots(text: str, agent: str = "nacre") -> Robots:
    """The rules of our own group (`agent`: small letters), else of the group for all.

    Example:
        >>> robots = parse_robots("User-agent: *\\nDisallow: /private/\\nAllow: /private/open")
        >>> robots.allows("https://x.org/private/a"), robots.allows("https://x.org/private/open/b")
        (False, True)
    """
    lines = [line.partition("#")[0].partition(":") for line in text[:_MOST].splitlines()]
    fields = [(key.strip().lower(), value.strip()) for key, _, value in lines]
    ours = agent if any(key == "user-agent" and value.lower() == agent for key, value in fields) else "*"
    rules: list[tuple[str, bool]] = []
    delay_s = 0.0
    mine = naming = False
    for key, value in fields:
        if key == "user-agent":
            mine = (mine and naming) or value.lower() == ours
            naming = True
        elif key in ("allow", "disallow", "crawl-delay"):
            naming = False
            if mine and key == "crawl-delay" and re.fullmatch(r"\d+(\.\d+)?", value):
                delay_s = float(value)
            elif mine and value and key != "crawl-delay":
                rules.append((unquote(value), key == "allow"))
    return Robots(tuple(sorted(rules, key=lambda rule: (-len(rule[0]), not rule[1]))), delay_s)


def _matches(pattern: str, path: str) -> bool:
    first, *rest = (pattern[:-1] if pattern.endswith("$") else pattern + "*").split("*")
    if not rest:
        return path == first
    if not path.startswith(first):
        return False
    *middle, last = rest
    place = len(first)
    for piece in middle:  # the leftmost place is always right: what follows only needs room
        place = path.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return len(path) - len(last) >= place and path.endswith(last)
