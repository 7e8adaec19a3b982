"""uvicorn, with WebSockets, with limits for connections, and with a word to those who listen before
it stops.

uvicorn waits without end for whoever sends a request byte by byte, or does not read the answer, and
takes headers of any size.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gridmap.api.streams import Streams


@dataclass(frozen=True)
class ConnectionLimits:
    """What one connection may take, and how long it is waited for."""

    head_seconds: float = 20
    """From the opening, or the first byte after an answer, to the end of the headers."""

    head_bytes: int = 32_768
    """Of the first line and the headers. A token takes 8 kB at most."""

    request_seconds: float = 240
    """From the end of the headers to that of the body, whoever reads it. An upload of a photo has
    180 s, all else less."""

    unread_seconds: float = 90
    """In which a client that is slow takes 1 kB of an answer at least. Streams and files are less
    patient."""

    per_address: int = 500
    """At once from one address but those of trusted proxies; 0 is without limit. An office behind
    one address has six for each browser."""


_LEAST_READ = 1_000
"""Bytes; who takes fewer in `unread_seconds` does not read."""


class Server(uvicorn.Server):
    """Serves an application; `streams` are those of its endpoint, and `settings` uvicorn's.

    `trusted_proxies`: addresses and networks, with commas between, that may say for whom they ask.
    """

    def __init__(
        self,
        app: ASGIApp,
        streams: Streams,
        *,
        trusted_proxies: str | None = None,
        limits: ConnectionLimits | None = None,
        **settings: Any,
    ) -> None:
        limits = limits or ConnectionLimits()
        config = uvicorn.Config(
            app,
            # uvicorn calls it as it would the class.
            http=partial(_Http, limits, _Addresses(limits.per_address, trusted_proxies)),  # type: ignore[arg-type]
            ws="websockets-sansio",
            # Messages are small, and a window of zlib for each socket is not.
            ws_per_message_deflate=False,
            # These close sockets whose client is gone without a word.
            ws_ping_interval=20,
            ws_ping_timeout=20,
            access_log=False,
            # What it has to say goes where all else does.
            log_config=None,
            # Nobody is believed by default, not even whoever asks from this machine.
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies or "",
            timeout_graceful_shutdown=5,
            **settings,
        )
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would wait for events as for any answer, and cut sockets off with 1012.
        await self._streams.stop()
        await super().shutdown(sockets)


class _Addresses:
    """How many connections each address has; trusted proxies have theirs for many."""

    def __init__(self, most: int, trusted_proxies: str | None) -> None:
        self._most = most
        self._open: Counter[str] = Counter()
        named = filter(None, map(str.strip, (trusted_proxies or "").split(",")))
        self._uncounted = [ip_network(each, strict=False) for each in named]

    def take(self, address: str) -> bool:
        """Whether there is one more for the address; then it is to be given back."""
        if self._most and self._open[address] >= self._most and not self._is_trusted(address):
            return False
        self._open[address] += 1
        return True

    def give_back(self, address: str) -> None:
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def _is_trusted(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self._uncounted)
        except ValueError:  # of a Unix socket
            return True


class _Part(Enum):
    HEAD = 1
    BODY = 2


class _Http(HttpToolsProtocol):
    """uvicorn's, with an end to waiting.

    It also answers who sends less than they said and nothing more, whom uvicorn leaves unanswered.
    """

    def __init__(
        self, limits: ConnectionLimits, addresses: _Addresses, *terms: Any, **named: Any
    ) -> None:
        super().__init__(*terms, **named)
        self._limits = limits
        self._addresses = addresses
        self._address: str | None = None
        self._request = 0
        self._part: _Part | None = None
        self._head_bytes = 0
        # What is waited for now: which part of which request, or between them.
        self._awaited: tuple[int, _Part | None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if self._addresses.take(address):
            self._address = address
            self._await((0, None))
        else:
            self._refuse(b"429 Too Many Requests", "Too many connections from one address.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        if self._reading:
            self._reading.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        # From now on it is another protocol's, and sockets are counted elsewhere.
        self._leave()
        super().handle_websocket_upgrade()

    def _leave(self) -> None:
        self._await(None)
        if self._address is not None:
            self._addresses.give_back(self._address)
            self._address = None

    # A request that comes

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._address is None or self.transport.is_closing():
            return
        if self._part is _Part.HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                why = f"The headers have more than {self._limits.head_bytes} bytes."
                self._refuse(b"431 Request Header Fields Too Large", why)
                return
        # Bytes between requests stop uvicorn's clock, and need not be a request's.
        is_answered = self.cycle is None or self.cycle.response_complete
        awaits = self._part is not None or is_answered
        self._await((self._request, self._part) if awaits else None)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._request += 1
        self._part = _Part.HEAD
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._part = _Part.BODY

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._part = None

    def eof_received(self) -> bool:  # type: ignore[override]
        """What has come is the body, and whoever sent it may still read an answer.

        Not where the body says itself where it ends, as nobody would see that it did not.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.more_body:
            return False
        if not any(name == b"content-length" for name, _ in cycle.scope["headers"]):
            return False
        cycle.more_body = cycle.keep_alive = False
        cycle.message_event.set()
        return True

    def _await(self, awaited: tuple[int, _Part | None] | None) -> None:
        """Begins to wait for this, if it does not already."""
        if awaited == self._awaited:
            return
        if self._patience:
            self._patience.cancel()
            self._patience = None
        self._awaited = awaited
        if awaited:
            is_body = awaited[1] is _Part.BODY
            seconds = self._limits.request_seconds if is_body else self._limits.head_seconds
            self._patience = self.loop.call_later(seconds, self._end_late)

    def _end_late(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(b"408 Request Timeout", "The request did not arrive in time.")
        else:
            self.transport.abort()

    def _refuse(self, status: bytes, why: str) -> None:
        """Says so in plain text, and closes the connection."""
        self._await(None)
        text = why.encode()
        length = str(len(text)).encode()
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %b\r\nconnection: close\r\n\r\n%b" % (status, length, text)
        )
        self._close()

    # An answer that goes

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading:
            self._reading.cancel()

    def timeout_keep_alive_handler(self) -> None:
        if not self.transport.is_closing():
            self._close()

    def _close(self) -> None:
        """Closes the connection once the client has read all, or does not read."""
        self.transport.close()
        self._wait_for_reader()

    def _wait_for_reader(self, unread: int | None = None) -> None:
        if self._reading:
            self._reading.cancel()
        left = self.transport.get_write_buffer_size()
        if unread is not None and unread - left < _LEAST_READ:
            self.transport.abort()
        elif left:
            wait = self._limits.unread_seconds
            self._reading = self.loop.call_later(wait, self._wait_for_reader, left)
