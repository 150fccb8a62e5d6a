"""robots.txt as RFC 9309 reads it: the longest matching rule of our group decides, "*" and "$" are wildcards."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass
class Robots:
    """What a site allows one agent.

    Args:
        delay_s: seconds between two requests that the site asks for.
    """

    rules: list[tuple[str, bool]] = field(default_factory=list)
    delay_s: float = 0.0
    sitemaps: list[str] = field(default_factory=list)

    def allows(self, url: str) -> bool:
        """Whether a page may be fetched.

        Returns:
            True unless the longest matching rule forbids it.
        """
        parts = urlsplit(url)
        path = unquote(parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        best, allowed = -1, True
        for pattern, allow in self.rules:
            if len(pattern) >= best and _match(pattern, path) and (len(pattern) > best or allow):
                best, allowed = len(pattern), allow
        return allowed


def parse_robots(text: str, agent: str = "nacre") -> Robots:
    """Read a robots.txt.

    Args:
        agent: our product token, small letters.

    Example:
        >>> robots = parse_robots("User-agent: *\\nDisallow: /private/\\nAllow: /private/open")
        >>> robots.allows("https://x.org/private/a"), robots.allows("https://x.org/private/open/b")
        (False, True)
    """
    groups: dict[str, Robots] = {}
    current: list[str] = []
    sitemaps: list[str] = []
    open_group = False
    for line in text[:500_000].splitlines():
        key, _, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if key == "user-agent":
            current = [*current, value.lower()] if open_group else [value.lower()]
            open_group = True
            groups.setdefault(current[-1], Robots())
        elif key in {"allow", "disallow"}:
            open_group = False
            for name in current if value else ():
                groups[name].rules.append((unquote(value), key == "allow"))
        elif key == "crawl-delay":
            open_group = False
            for name in current if re.fullmatch(r"\d+(\.\d+)?", value) else ():
                groups[name].delay_s = float(value)
        elif key == "sitemap" and value:
            sitemaps.append(value)
    mine = groups.get(agent) or groups.get("*") or Robots()
    mine.sitemaps = sitemaps
    return mine


def _match(pattern: str, path: str) -> bool:
    end = pattern.endswith("$")
    pieces = [re.escape(piece) for piece in pattern.removesuffix("$").split("*")]
    return re.match(".*?".join(pieces) + (r"\Z" if end else ""), path, re.S) is not None
