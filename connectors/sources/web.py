"""Web pages and sitemaps, politely: robots.txt is kept, requests are spaced, private addresses are refused."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from html import unescape
from urllib.parse import urlsplit

from nacre.connectors.safe_http import Answer, fetch, gunzip
from nacre.connectors.sources.robots import Robots, parse_robots
from nacre.errors import SourceError
from nacre.ingest.source import Item, Unreachable
from nacre.text.language import tr

_SITEMAPS_DEEP = 3
_LOCATION = re.compile(r"<(?:\w+:)?(url|sitemap)\b[^>]*>(.*?)</(?:\w+:)?\1\s*>", re.S | re.I)
_TAG = re.compile(
    r"<(?:\w+:)?{}\s*>\s*(?:<!\[CDATA\[)?\s*(.*?)\s*(?:\]\]>)?\s*</".replace("{}", "(loc|lastmod)"), re.S | re.I
)


class Web:
    """Pages by their addresses, or all pages of sitemaps.

    Args:
        *urls: pages; one that ends in ".xml" or ".xml.gz" with "sitemap" in its name is a sitemap.
        allow_private: whether addresses in private networks may be fetched; redirects are checked too.
        max_bytes: most bytes of a page.
        headers: sent to the given hosts, such as a token.
    """

    def __init__(
        self,
        *urls: str,
        sitemap: bool = False,
        allow_private: bool = False,
        robots: bool = True,
        max_pages: int = 10_000,
        max_bytes: int = 64 << 20,
        timeout_s: float = 30.0,
        delay_s: float = 0.2,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.urls: Sequence[str] = urls
        self.scope = " ".join(urls)
        self.sitemap = sitemap
        self.allow_private = allow_private
        self.robots = robots
        self.max_pages = max_pages
        self.max_bytes = max_bytes
        self.timeout_s = timeout_s
        self.delay_s = delay_s
        self.headers = dict(headers or {})
        self._rules: dict[str, Robots] = {}
        self._turn: dict[str, float] = {}
        self._lock = threading.Lock()

    def items(self) -> Iterator[Item | Unreachable]:
        """List the pages."""
        count = 0
        for url in self.urls:
            pages = self._pages(url, 0) if self.sitemap or _is_sitemap(url) else iter([(url, "")])
            for page, changed in pages:
                count += 1
                if count > self.max_pages:
                    yield Unreachable(
                        page, tr("more than {max_pages} pages; raise max_pages", max_pages=self.max_pages)
                    )
                elif not self._allowed(page):
                    yield Unreachable(page, tr("robots.txt forbids it"))
                else:
                    yield Item(
                        uri=page,
                        read=partial(self._read, page),
                        mime=_mime_hint(page),
                        stamp=f"lastmod:{changed}" if changed else "",
                    )

    def _read(self, url: str) -> bytes:
        answer = self._page(url)
        kind = answer.headers.get("content-type", "")
        charset = re.search(r"charset=[\"']?([\w.:-]+)", kind, re.I)
        if charset and kind.lower().startswith("text/"):
            # The header outranks what the page says of itself, and nothing else carries it to the parser.
            try:
                return answer.body.decode(charset.group(1)).encode()
            except (UnicodeError, LookupError):
                pass
        return answer.body

    def _page(self, url: str) -> Answer:
        answer = self._get(url)
        if answer.status != 200:
            raise SourceError(tr("{address} answers {status}.", address=url, status=answer.status), uri=url)
        return answer

    def _get(self, url: str) -> Answer:
        """GET with the host's due pause before it."""
        host = urlsplit(url).netloc
        with self._lock:
            rules = self._rules.get(host)
            pause = max(self.delay_s, min(rules.delay_s, 30.0) if rules else 0.0)
            now = time.monotonic()
            wait = max(0.0, self._turn.get(host, 0.0) - now)
            self._turn[host] = now + wait + pause
        time.sleep(wait)
        own = {urlsplit(one).netloc for one in self.urls}
        return fetch(
            url,
            allow_private=self.allow_private,
            max_bytes=self.max_bytes,
            timeout_s=self.timeout_s,
            headers=self.headers if host in own else None,
        )

    def _allowed(self, url: str) -> bool:
        if not self.robots:
            return True
        parts = urlsplit(url)
        if parts.netloc not in self._rules:
            self._rules[parts.netloc] = self._robots(f"{parts.scheme}://{parts.netloc}/robots.txt")
        return self._rules[parts.netloc].allows(url)

    def _robots(self, url: str) -> Robots:
        try:
            answer = self._get(url)
        except SourceError:
            # The page itself will say what is wrong with its host.
            return Robots()
        if answer.status >= 500:
            return Robots(rules=(("/", False),))
        return parse_robots(answer.body.decode("utf-8", "replace")) if answer.status == 200 else Robots()

    def _pages(self, url: str, depth: int) -> Iterator[tuple[str, str]]:
        """(page, lastmod) of a sitemap; a sitemap of sitemaps is followed."""
        answer = self._page(url)
        body = gunzip(answer.body, self.max_bytes, url) if answer.body.startswith(b"\x1f\x8b") else answer.body
        for kind, entry in sitemap_entries(body.decode("utf-8", "replace")):
            if kind == "url":
                yield entry
            elif depth < _SITEMAPS_DEEP:
                yield from self._pages(entry[0], depth + 1)


def sitemap_entries(text: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """The entries of a sitemap, read as text: no XML entity is ever resolved beyond the five that XML defines."""
    if "<" not in text[:1000]:
        for line in text.splitlines():
            if line.strip().startswith(("http://", "https://")):
                yield "url", (line.strip(), "")
        return
    for found in _LOCATION.finditer(text):
        facts = {tag.lower(): unescape(value) for tag, value in _TAG.findall(found.group(2))}
        if facts.get("loc", "").startswith(("http://", "https://")):
            yield found.group(1).lower(), (facts["loc"], facts.get("lastmod", ""))


def _is_sitemap(url: str) -> bool:
    name = urlsplit(url).path.rpartition("/")[2].lower()
    return "sitemap" in name and name.endswith((".xml", ".xml.gz", ".txt"))


def _mime_hint(url: str) -> str:
    """Most pages have no ending, or that of a program; the parser must not take them for plain text."""
    name = urlsplit(url).path.rpartition("/")[2].lower()
    return "" if name.endswith((".txt", ".text", ".log")) else "text/html"
