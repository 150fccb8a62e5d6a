"""HTTP/1.1 that no client can hold up: every request's head, every body left unread and every answer has its time, and
who holds many connections without asking anything makes way for who asks.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any, Self, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nacre.server.settings import ServerSettings
from nacre.system.net import is_loopback

SLOWEST = 16 << 10
"""Bytes a second at which a body or an answer must move."""
_FULL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\nretry-after: 1\r\n\r\n"


class PatientProtocol(H11Protocol):
    """One connection. Bodies that the application reads are timed by the guard, which knows when it is reading."""

    patience_s = 30.0
    per_address: int | None = None
    """Connections of one address; None leaves the whole server to loopback, where a proxy is, and others a quarter."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room, or refuse; a connection that says nothing has its time as well."""
        super().connection_made(transport)
        # Above the application a proxy's word may stand for the peer; the door asks who is really there.
        self.app_state = {**self.app_state, "peer": self.client}
        self.address = _address(self.client)
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._since = self.loop.time()
        transport.set_write_buffer_limits(high=0)  # so that it is told of every byte that a client does not take
        if self._crowded() and not self._displace():
            transport.write(_FULL)
            transport.close()
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        for clock in (self._reading, self._writing):
            if clock:
                clock.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The first byte of a request starts its clock, the last stops it."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """A next request may have begun already, and the rest of a body that nobody reads may still be coming."""
        self._since = self.loop.time()
        super().on_response_complete()
        self._watch()

    # ------------------------------------------------------------------------------------------------ what comes

    @property
    def idle(self) -> bool:
        """Whether it is the client's turn: nothing is being answered."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _watch(self) -> None:
        state = self.conn.their_state
        begun = state is h11.IDLE and (self.cycle is None or bool(self.conn.trailing_data[0]))
        unread = state is h11.SEND_BODY and self.cycle.response_complete
        if not self.idle:
            self._since = self.loop.time()
        if begun or unread:
            self._reading = self._reading or self.loop.call_later(self.patience_s, self.transport.abort)
        elif self._reading:
            self._reading.cancel()
            self._reading = None

    # ------------------------------------------------------------------------------------------------ what goes

    def pause_writing(self) -> None:
        """The client does not take what is sent: the clock of the answer starts."""
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._writing = self._writing or self.loop.call_later(self.patience_s, self._check_taken)

    def resume_writing(self) -> None:
        """It took all of it."""
        if self._writing:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def _check_taken(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left > self._unsent - SLOWEST * self.patience_s:
            self.transport.abort()
            return
        self._unsent = left
        self._writing = self.loop.call_later(self.patience_s, self._check_taken)

    # ------------------------------------------------------------------------------------------------ how many

    def _crowded(self) -> list[Self]:
        """The connections of which one must go: those of this address, or all; empty where there is room."""
        most = self.limit_concurrency
        everyone = cast("set[Self]", self.connections)
        mine = [each for each in everyone if each.address == self.address]
        own = self.per_address or (most // 4 if most and not is_loopback(self.address) else most)
        if own is not None and len(mine) > max(1, own):
            return mine
        return list(everyone) if most is not None and len(everyone) >= most else []

    def _displace(self) -> bool:
        """Hang up on the connection that has waited longest without asking, of the address that has most of them."""
        idle = [each for each in self._crowded() if each is not self and each.idle]
        held: dict[str, int] = {}
        for each in idle:
            held[each.address] = held.get(each.address, 0) + 1
        if not idle:
            return False
        last = min(idle, key=lambda each: (-held[each.address], each._since))
        self.connections.discard(last)
        last.transport.abort()
        return True


def run_by(app: Any, server: ServerSettings, **more: Any) -> uvicorn.Server:
    """What runs an application with this protocol."""
    config = uvicorn.Config(
        app,
        http=protocol(server),
        ws="none",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=server.max_connections,
        **more,
    )
    return uvicorn.Server(config)


def protocol(server: ServerSettings) -> type[PatientProtocol]:
    """The protocol as the settings want it."""
    chosen: dict[str, Any] = {"patience_s": server.patience_s, "per_address": server.max_per_address}
    return type("Protocol", (PatientProtocol,), chosen)


def _address(client: tuple[str, int] | None) -> str:
    """What counts as one address: of IPv6 the network of 64 bits that one machine is given; "" for a socket file."""
    try:
        found = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return client[0] if client else ""
    found = getattr(found, "ipv4_mapped", None) or found
    if found.version == 4 or found.is_loopback:
        return str(found)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)).network_address)
