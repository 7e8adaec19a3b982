"""uvicorn, with WebSockets, and with a word to those who listen before it stops."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gridmap.api.streams import Streams


class Server(uvicorn.Server):
    """Serves an application; `streams` are those of its endpoint, and `settings` uvicorn's.

    `trusted_proxies`: addresses and networks, with commas between, that may say for whom they ask.
    """

    def __init__(
        self, app: ASGIApp, streams: Streams, *, trusted_proxies: str | None = None, **settings: Any
    ) -> None:
        config = uvicorn.Config(
            app,
            http=_Http,
            ws="websockets-sansio",
            # Messages are small, and a window of zlib for each socket is not.
            ws_per_message_deflate=False,
            # These close sockets whose client is gone without a word.
            ws_ping_interval=20,
            ws_ping_timeout=20,
            access_log=False,
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


class _Http(HttpToolsProtocol):
    """uvicorn's, which leaves unanswered who sends less than they said and nothing more."""

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
