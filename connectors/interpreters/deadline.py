"""One deadline for a whole exchange over HTTP: the timeout of a socket begins anew with every byte."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def cut_off(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Connect, and end the connection when the time is over, however little at a time the other side sends.

    Args:
        connection: not connected yet; closed at the end.
        seconds: for everything that happens in the block.
    """
    try:
        connection.connect()
        timer = threading.Timer(seconds, _shut, (connection.sock,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
    finally:
        connection.close()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS's own, which would wait for the other side
