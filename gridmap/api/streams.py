"""Answers that go on: what they may take, and how all of them end when the server stops."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from gridmap.errors import TooOften

_RETRY_AFTER_SECONDS = 60

TOKEN_ENDED = "The token has expired; get a new one and subscribe again."


@dataclass(frozen=True)
class StreamLimits:
    """What one stream may hold, and how long it is waited for."""

    operations: int = 20
    """At the same time on one socket. A busy screen needs a handful."""

    per_address: int = 200
    """Sockets and streams of events at the same time from one address, or network of 64 bits in
    IPv6; 0 is without limit. Each takes some 30 kB."""

    init_seconds: float = 10
    """From the opening of a socket to its `connection_init`."""

    send_seconds: float = 15
    """Until a client has read what keeps the next message from being sent. While it has not, its
    subscriptions stand still: at most one answer of each waits in memory."""

    keep_alive_seconds: float = 20
    """Between signs of life. Proxies close what was silent for 60 seconds, most of them."""


class Streams:
    """The streams that are open."""

    def __init__(self, limits: StreamLimits) -> None:
        self.limits = limits
        self._open: dict[object, Callable[[], None]] = {}
        self._of_address: Counter[str] = Counter()
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self._stopped = False

    @contextmanager
    def open(self, address: str, end: Callable[[], None]) -> Iterator[None]:
        """A stream is open within the block, to a client of this address. `end` is to end it soon;
        it is called when the server stops, and at once where it has stopped. `check` comes first.
        """
        self._of_address[address] += 1
        self._open[end] = end
        self._all_closed.clear()
        if self._stopped:
            end()
        try:
            yield
        finally:
            del self._open[end]
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]
            if not self._open:
                self._all_closed.set()

    def check(self, address: str) -> None:
        """Raises TooOften where the address has as many streams as it may."""
        most = self.limits.per_address
        if most and self._of_address[address] >= most:
            raise TooOften(
                f"{most} streams are open from your address; close one, or ask again later.",
                retryAfterSeconds=_RETRY_AFTER_SECONDS,
            )

    async def stop(self, grace_seconds: float = 2) -> None:
        """Ends all streams, and each that opens later. Returns when they have told their clients,
        or after the grace: some clients do not listen.
        """
        self._stopped = True
        for end in list(self._open.values()):
            end()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._all_closed.wait()


async def until(moment: float) -> None:
    """Returns when it is that time, in seconds of the epoch."""
    # In pieces: the clock may be set, and no timer is meant for years.
    while (left := moment - time.time()) > 0:
        await asyncio.sleep(min(left, 600))
