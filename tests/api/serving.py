"""A real server for tests, on a port that the system chooses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from starlette.types import ASGIApp

from gridmap.api.server import ConnectionLimits, Server
from gridmap.api.streams import StreamLimits, Streams


@contextmanager
def served(
    app: ASGIApp,
    streams: Streams | None = None,
    *,
    lifespan: Literal["on", "off"] = "off",
    trusted_proxies: str | None = None,
    limits: ConnectionLimits | None = None,
) -> Iterator[str]:
    """Serves the application until the block ends, and then stops the streams that are open; gives
    its address, as in http://127.0.0.1:49152.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    streams = streams or Streams(StreamLimits())
    server = Server(
        app,
        streams,
        trusted_proxies=trusted_proxies,
        limits=limits,
        lifespan=lifespan,
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "The server ended before it began to serve."
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
