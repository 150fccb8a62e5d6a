"""HTTP for addresses that a stranger may have chosen: no private networks, no rebinding, no endless answers.

A host name is resolved once, every address is checked, and the connection goes to the checked address itself, so a
name that answers differently the second time gains nothing. Each redirect is checked again.
"""

from __future__ import annotations

import http.client
import time
import zlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from nacre.connectors.public_addresses import is_public
from nacre.connectors.timed_http import Link, look_up
from nacre.errors import SourceError
from nacre.text.language import tr

AGENT = "nacre/0.2"
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Answer:
    """What a server gave."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def fetch(
    url: str,
    *,
    allow_private: bool = False,
    max_bytes: int = 64 << 20,
    timeout_s: float = 30.0,
    redirects: int = 5,
    headers: Mapping[str, str] | None = None,
    data: bytes | None = None,
) -> Answer:
    """GET a page, or POST data to it; a redirect of a POST is returned, not followed. `max_bytes` is of the body,
    unpacked; headers are not sent to another host after a redirect.
    """
    deadline = time.monotonic() + timeout_s
    try:
        first = urlsplit(url).netloc
        for _ in range(redirects + 1):
            sent = (headers or {}) if urlsplit(url).netloc == first else {}
            answer = _exchange(url, data, allow_private, max_bytes, deadline, sent)
            target = answer.headers.get("location", "")
            if answer.status not in _REDIRECTS or not target or data is not None:
                return answer
            url = urljoin(url, target)
    except ValueError as error:  # half an IPv6 address, a port that is none, in a redirect too
        raise SourceError(tr("{url} does not answer: {error}", url=url, error=error), uri=url) from error
    raise SourceError(tr("{url} redirects too often", url=url), uri=url)


def _exchange(
    url: str, data: bytes | None, allow_private: bool, max_bytes: int, deadline: float, headers: Mapping[str, str]
) -> Answer:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise SourceError(tr("{url} is no http or https address without a login", url=url), uri=url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = _allowed(parts.hostname, port, allow_private, deadline)
    target = urlunsplit(("", "", _ascii(parts.path) or "/", _ascii(parts.query), ""))
    sent = {"User-Agent": AGENT, "Accept-Encoding": "gzip", **headers}
    secure = parts.scheme == "https"
    try:
        name = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
        with closing(Link(name, port, secure=secure, deadline=deadline, most=max_bytes, addresses=addresses)) as link:
            link.request("GET" if data is None else "POST", target, body=data, headers=sent)
            response = link.getresponse()
            body = _body(response, max_bytes, url)
            return Answer(url, response.status, {name.lower(): value for name, value in response.getheaders()}, body)
    except (OSError, http.client.HTTPException, ValueError, zlib.error) as error:
        raise SourceError(tr("{url} does not answer: {error}", url=url, error=error), uri=url) from error


def _allowed(host: str, port: int, allow_private: bool, deadline: float) -> list[str]:
    """The addresses of a host, all of them allowed."""
    try:
        addresses = look_up(host, port, deadline)
    except OSError as error:
        raise SourceError(tr("{host} is not known: {error}", host=host, error=error), uri=host) from error
    bad = [address for address in addresses if not is_public(address)]
    if bad and not allow_private:
        told = tr(
            "{host} is at {bad}, which is not a public address; allow_private=True (nacre sync "
            "--allow-private) permits it",
            host=host,
            bad=bad[0],
        )
        raise SourceError(told, uri=host)
    return addresses


def _ascii(text: str) -> str:
    return quote(text, safe="/%:@!$&'()*+,;=~?-._")


def _body(response: http.client.HTTPResponse, max_bytes: int, url: str) -> bytes:
    packed = response.getheader("content-encoding", "").strip().lower() in {"gzip", "x-gzip"}
    unpacker = zlib.decompressobj(31) if packed else None
    body = bytearray()
    while True:
        piece = response.read1(1 << 16)
        if not piece:
            return bytes(body)
        if unpacker is not None:
            piece = unpacker.decompress(piece, max_bytes - len(body) + 1)
        body += piece
        if len(body) > max_bytes:
            raise SourceError(tr("{url} gives more than {max_bytes} MiB", url=url, max_bytes=max_bytes >> 20), uri=url)


def gunzip(data: bytes, max_bytes: int, uri: str) -> bytes:
    """Unpack a gzip file, but not a bomb."""
    unpacker = zlib.decompressobj(31)
    try:
        out = unpacker.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise SourceError(tr("{uri}: damaged gzip file", uri=uri), uri=uri) from error
    if len(out) > max_bytes:
        raise SourceError(tr("{url} gives more than {max_bytes} MiB", url=uri, max_bytes=max_bytes >> 20), uri=uri)
    return out
