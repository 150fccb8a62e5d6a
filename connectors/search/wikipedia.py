"""Wikipedia through MediaWiki's JSON interface: the two tools of the ReAct paper, and a search provider."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from nacre.connectors.search.results import ProviderError, SearchProvider, WebResult, ask
from nacre.errors import ToolError
from nacre.text.language import tr

_TAG = re.compile(r"<[^>]{0,400}>")
_SENTENCE = re.compile(r"[^.!?。！？\n]+(?:[.!?。！？]+[\"'”’)）]*)?")
SENTENCES = 5


@dataclass(frozen=True)
class Page:
    """A page of an encyclopedia: its title, address and plain text."""

    title: str
    url: str
    text: str


class Wikipedia(SearchProvider):
    """One language of Wikipedia, or any MediaWiki server with the TextExtracts extension, by the url of its api.php;
    `timeout_s` is for one request.
    """

    cost = "network"

    def __init__(self, language: str = "en", *, url: str | None = None, timeout_s: float = 10.0) -> None:
        self.language = language
        self.name = f"wikipedia-{language}"
        self.url = url or f"https://{language}.wikipedia.org/w/api.php"
        self.timeout_s = timeout_s

    def search(self, query: str, k: int) -> list[WebResult]:
        data = self._get(list="search", srsearch=query, srlimit=k)
        rows = data.get("search", []) if isinstance(data, dict) else []
        found = [(str(row.get("title", "")), str(row.get("snippet", ""))) for row in rows[:k]]
        return [WebResult(title, self._address(title), html.unescape(_TAG.sub("", text))) for title, text in found]

    def page(self, title: str) -> Page | None:
        """Get a page by its title; redirects and Chinese variants are followed."""
        data = self._get(prop="extracts", titles=title, explaintext=1, redirects=1, converttitles=1)
        pages = data.get("pages", {}) if isinstance(data, dict) else {}
        for page in pages.values() if isinstance(pages, dict) else pages:
            text = str(page.get("extract") or "").strip()
            if "missing" not in page and text:
                return Page(str(page.get("title", title)), self._address(str(page.get("title", title))), text)
        return None

    def _get(self, **parameters: Any) -> Any:
        data = ask(self.url, {"action": "query", "format": "json", **parameters}, timeout_s=self.timeout_s)
        if not isinstance(data, dict) or "error" in data:
            said = str(data.get("error"))[:200] if isinstance(data, dict) else "?"
            raise ProviderError(tr("{url} gives an error: {said}", url=self.url, said=said), uri=self.url, status=200)
        return data.get("query", {})

    def _address(self, title: str) -> str:
        return f"https://{self.language}.wikipedia.org/wiki/{quote(title.replace(' ', '_'))}"


class WikipediaReader:
    """Search and lookup as in the paper: a search opens a page, lookups go through the sentences of the open page."""

    def __init__(self, wikipedia: Wikipedia) -> None:
        self.wikipedia = wikipedia
        self._open: Page | None = None
        self._lookups: dict[str, int] = {}
        self._lock = threading.Lock()

    def search(self, entity: str) -> Page:
        """Open the page on an entity: its first five sentences; similar titles instead when there is no such page."""
        page = self.wikipedia.page(entity)
        if page is None:
            similar = [result.title for result in self.wikipedia.search(entity, 5)]
            if not similar:
                told = tr("Could not find {entity!r}, and nothing similar.", entity=entity)
                raise ToolError(told, tool="wikipedia_search")
            names = ", ".join(similar)
            return Page("", "", tr("Could not find {entity!r}. Similar: {names}.", entity=entity, names=names))
        with self._lock:
            self._open, self._lookups = page, {}
        return Page(page.title, page.url, " ".join(list(sentences(page.text))[:SENTENCES]))

    def lookup(self, keyword: str) -> Page:
        """Find the next sentence with a keyword on the open page."""
        with self._lock:
            page, number = self._open, self._lookups.get(keyword.casefold(), 0)
            self._lookups[keyword.casefold()] = number + 1
        if page is None:
            raise ToolError(tr("No page is open. Search for one first."), tool="wikipedia_lookup")
        found = [sentence for sentence in sentences(page.text) if keyword.casefold() in sentence.casefold()]
        if number >= len(found):
            raise ToolError(tr("No more results."), tool="wikipedia_lookup")
        told = tr("(Result {number} / {count}) ", number=number + 1, count=len(found))
        return Page(page.title, page.url, told + found[number])


def sentences(text: str) -> Iterator[str]:
    """Cut a page's text into sentences, headings left out."""
    for line in text.split("\n"):
        if not line.strip().startswith("=="):
            yield from (match[0].strip() for match in _SENTENCE.finditer(line) if match[0].strip())
