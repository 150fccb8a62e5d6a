"""Reading a web page: main text only, bounded in size and time, never from a private network."""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from nacre.connectors.safe_http import fetch
from nacre.documents import ParserPool
from nacre.errors import ParseError, ToolError
from nacre.text.language import tr

PART = 3500


@dataclass(frozen=True)
class ReadPage:
    """A part of a page's text, by its number from 1."""

    title: str
    url: str
    text: str
    part: int
    parts: int


class PageReader:
    """Fetches pages and documents (HTML, PDF, Word, …) of so many bytes and seconds at most, and gives their text in
    parts of so many characters. Addresses in private networks are refused, also behind redirects and by names that
    resolve to them. Documents are parsed in a worker process with limits of its own, for as many seconds again.
    """

    def __init__(
        self, *, max_bytes: int = 8 << 20, timeout_s: float = 20.0, part: int = PART, allow_private: bool = False
    ) -> None:
        self.max_bytes = max_bytes
        self.timeout_s = timeout_s
        self.part = part
        self.allow_private = allow_private
        self._pool: ParserPool | None = None
        self._lock = threading.Lock()

    def read(self, url: str, part: int = 1) -> ReadPage:
        """Read a part of a page, counted from 1; a bare "example.org/page" is taken as https."""
        address = url.strip().strip("<>\"'")
        address = address if "://" in address else f"https://{address}"
        answer = fetch(
            address,
            allow_private=self.allow_private,
            max_bytes=self.max_bytes,
            timeout_s=self.timeout_s,
            headers={"Accept": "text/html,*/*;q=0.8"},
        )
        if answer.status != 200:
            raise ToolError(tr("{address} answers {status}.", address=address, status=answer.status), tool="read_page")
        mime = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        name = urlsplit(answer.url).path.rpartition("/")[2] or "page.html"
        try:
            document = self._parser().parse(answer.body, name=name, mime=mime or None)
        except ParseError as error:
            told = tr("{address} has no readable text: {message_}", address=address, message_=error.message)
            raise ToolError(told, tool="read_page") from error
        parts = max(1, -(-len(document.text) // self.part))
        if not 1 <= part <= parts:
            told = tr("{address} has {parts} parts; there is no part {part}.", address=address, parts=parts, part=part)
            raise ToolError(told, tool="read_page")
        text = document.text[(part - 1) * self.part : part * self.part]
        return ReadPage(document.title, answer.url, text, part, parts)

    def _parser(self) -> ParserPool:
        with self._lock:
            if self._pool is None:
                self._pool = ParserPool(workers=1, timeout_s=self.timeout_s)
                atexit.register(self._pool.close)
            return self._pool

    def close(self) -> None:
        """End the parser's process."""
        with self._lock:
            if self._pool is not None:
                atexit.unregister(self._pool.close)
                self._pool.close()
                self._pool = None
