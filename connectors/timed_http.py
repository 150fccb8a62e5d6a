"""One HTTP exchange under one deadline, by hand: `http.client` and httpx limit each read, not the whole.

The name's look-up, connecting, TLS, sending, headers and body all count. A server that sends a byte now and then would
hold the others for as long as it likes; here every read and write gets what is left, and what comes is counted.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from nacre.errors import UsageError
from nacre.text.language import tr

_LONGEST_NAME = 253  # characters of a host name (RFC 1035)
_HEADER_BYTES = 1 << 18
_SPARE_BYTES = 1 << 20
_LOOKUPS = threading.BoundedSemaphore(32)


def left(deadline: float) -> float:
    """Seconds until a moment of `time.monotonic`; raises `TimeoutError` when it has come."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("too slow")
    return seconds


def look_up(host: str, port: int, deadline: float) -> list[str]:
    """The IP addresses of a host. The system's resolver cannot be broken off: it is waited for, and left behind."""
    if len(host) > _LONGEST_NAME:
        raise OSError("the host name is too long")
    found: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)
        finally:
            _LOOKUPS.release()
            done.set()

    if not _LOOKUPS.acquire(timeout=left(deadline)):
        raise TimeoutError("too slow")
    threading.Thread(target=ask, daemon=True, name="nacre-lookup").start()
    if not done.wait(left(deadline)):
        raise TimeoutError("too slow")
    if isinstance(found[0], Exception):
        raise OSError(str(found[0])) from found[0]
    return list(dict.fromkeys(str(entry[4][0]) for entry in found[0]))


class _Timed(socket.socket):
    """A socket each of whose reads and writes may take what is left."""

    deadline: float
    most: int  # bytes that may still come

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(left(self.deadline))
        count = super().recv_into(*args, **kwargs)
        self.most -= count
        if self.most < 0:
            raise OSError("it sends too much")
        return count

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(left(self.deadline))
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(left(self.deadline))
        super().sendall(*args, **kwargs)


class _TimedTLS(_Timed, ssl.SSLSocket):
    """The same under TLS, where `sendall` is many `send`s."""


class Link(http.client.HTTPConnection):
    """A connection for one exchange. The host is for its header and the certificate, and looked up where no addresses
    are given; `most` is the bytes of an answer's body.
    """

    def __init__(
        self, host: str, port: int | None, *, secure: bool, deadline: float, most: int, addresses: Sequence[str] = ()
    ) -> None:
        self.default_port = 443 if secure else 80  # the base class leaves this one out of the Host header
        super().__init__(host, port or self.default_port)
        self.addresses, self.secure, self.deadline, self.most = addresses, secure, deadline, most

    def connect(self) -> None:
        """Connect to the first address that answers."""
        plain = self._connected(self.addresses or look_up(self.host, self.port, self.deadline))
        timed = _Timed(plain.family, plain.type, plain.proto, plain.detach())
        timed.settimeout(left(self.deadline))
        if self.secure:
            context = ssl.create_default_context()
            context.sslsocket_class = _TimedTLS
            try:
                secured = context.wrap_socket(timed, server_hostname=self.host)  # its time limit is the handshake's
            except BaseException:
                timed.close()
                raise
            assert isinstance(secured, _Timed)
            timed = secured
        timed.deadline, timed.most = self.deadline, _HEADER_BYTES
        self.sock = timed

    def _connected(self, addresses: Sequence[str]) -> socket.socket:
        problem: OSError | None = None
        for address in addresses:
            try:
                return socket.create_connection((address, self.port), left(self.deadline))
            except OSError as error:
                problem = error
        raise problem or OSError("no address")

    def getresponse(self) -> http.client.HTTPResponse:
        """The head of the answer; from here on bytes of its body are counted."""
        timed = self.sock  # the base class lets go of it where the answer ends the connection
        response = super().getresponse()
        if isinstance(timed, _Timed):
            timed.most = 2 * self.most + _SPARE_BYTES  # chunks have heads of their own
        return response


def exchange(
    method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, timeout_s: float, most: int
) -> tuple[int, bytes]:
    """One request to a server that its owner has chosen, whose address is not checked; `most` bytes of its answer are
    read.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    link = Link(str(parts.hostname), parts.port, secure=secure, deadline=time.monotonic() + timeout_s, most=most)
    try:
        link.request(method, urlunsplit(("", "", parts.path or "/", parts.query, "")), body, dict(headers))
        response = link.getresponse()
        return response.status, response.read(most)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    finally:
        link.close()


def server_uri(uri: str, port: int) -> str:
    """The address of a server without its last slash; `port` is only for the example in the message."""
    try:
        parts = urlsplit(uri)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    except ValueError:  # a port that is none, half an IPv6 address
        pass
    raise UsageError(tr("{uri!r} is no address of a server; one looks like http://host:{port}", uri=uri, port=port))
