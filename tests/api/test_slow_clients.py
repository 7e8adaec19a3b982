"""Clients that are slow, that send too much, or that are too many: each is waited for so long and
no longer, by the real server on real sockets.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gridmap.api.graphql import GraphQLEndpoint
from gridmap.api.server import ConnectionLimits
from gridmap.api.streams import StreamLimits
from tests.api import streaming
from tests.api.serving import served
from tests.api.streaming import Watched, wait_until

PROTOCOL = Subprotocol("graphql-transport-ws")
QUICK = ConnectionLimits(
    head_seconds=0.3, head_bytes=8_000, request_seconds=0.6, unread_seconds=0.3, per_address=0
)
NUMBERS = {"query": 'subscription { numbers(name: "held", last: "wait") { value } }'}
HEAD = b"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


def application() -> tuple[Starlette, GraphQLEndpoint]:
    endpoint = GraphQLEndpoint(
        streaming.schema,
        streaming.context,
        body_seconds=0.3,
        stream_limits=StreamLimits(per_address=3),
        page=None,
    )
    large = Response(b"x" * 30_000_000)
    routes = [
        Route("/graphql", endpoint),
        WebSocketRoute("/graphql", endpoint),
        Route("/large", lambda _: large),
    ]
    return Starlette(routes=routes), endpoint


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    app, endpoint = application()
    with served(app, endpoint.streams, limits=QUICK) as address:
        yield address


def opened(address: str, **options: int) -> socket.socket:
    split = urlsplit(address)
    connection = socket.socket()
    for option, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
    connection.settimeout(20)
    connection.connect((split.hostname, split.port))
    return connection


def trickled(connection: socket.socket, piece: bytes) -> bytes:
    """What is answered to whoever sends this again and again, a piece each 50 ms, to the end."""
    ended = threading.Event()

    def trickle() -> None:
        with suppress(OSError):
            while not ended.wait(0.05):
                connection.sendall(piece)

    sending = threading.Thread(target=trickle)
    sending.start()
    try:
        return read(connection)
    finally:
        ended.set()
        sending.join()


def read(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    answer = b""
    with connection, suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            answer += part
    return answer


def test_headers_that_trickle_are_not_waited_for(address: str) -> None:
    connection = opened(address)
    connection.sendall(b"GET /graphql HTTP/1.1\r\n")
    assert trickled(connection, b"x-a: b\r\n").startswith(b"HTTP/1.1 408 ")


def test_a_client_that_says_nothing_is_not_waited_for(address: str) -> None:
    assert read(opened(address)).startswith(b"HTTP/1.1 408 ")


def test_blank_lines_between_requests_keep_no_connection_open(address: str) -> None:
    connection = opened(address)
    connection.sendall(b"GET /graphql?query={hello} HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    assert trickled(connection, b"\r\n").startswith(b"HTTP/1.1 408 ")


def test_headers_without_end_are_not_kept(address: str) -> None:
    connection = opened(address)
    connection.sendall(b"GET /graphql HTTP/1.1\r\n")
    with suppress(OSError):
        for _ in range(1_000):
            connection.sendall(b"x-a: " + b"b" * 1_000 + b"\r\n")
    assert read(connection).startswith(b"HTTP/1.1 431 ")


def test_a_body_that_trickles_is_refused_with_a_code(address: str) -> None:
    connection = opened(address)
    connection.sendall(HEAD + b"content-length: 90000\r\n\r\n")
    head, _, body = trickled(connection, b" ").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["errors"][0]["extensions"] == {"code": "INVALID"}


def test_the_rest_of_a_body_that_was_refused_keeps_no_connection_open(address: str) -> None:
    connection = opened(address)
    connection.sendall(HEAD + b"content-length: 9000000\r\n\r\n")
    assert trickled(connection, b" ").startswith(b"HTTP/1.1 413 ")


def test_who_does_not_read_an_answer_is_left(address: str) -> None:
    with opened(address, SO_RCVBUF=4_096) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(1_000)
        # The server's own buffers are gone by the time it hears of nothing but silence.
        poll = threading.Event()
        while not poll.wait(0.1):
            try:
                connection.send(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n")
            except OSError:
                break
        assert len(read(connection)) < 30_000_000


def test_who_reads_gets_all_of_it_however_slow_the_rest_is(address: str) -> None:
    assert len(httpx.get(f"{address}/large", timeout=60).content) == 30_000_000


def test_a_body_that_is_packed_is_refused_before_it_is_unpacked(address: str) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    for coding in ("gzip", "GZIP", "br", "deflate", "gzip, identity"):
        headers = {"content-type": "application/json", "content-encoding": coding}
        answer = httpx.post(f"{address}/graphql", content=bomb, headers=headers)
        assert answer.status_code == 415
        assert answer.json()["errors"][0]["extensions"] == {"code": "INVALID"}


def test_one_address_has_so_many_connections_and_others_theirs() -> None:
    app, endpoint = application()
    limits = replace(QUICK, per_address=2, head_seconds=20)
    with served(app, endpoint.streams, limits=limits) as address, ExitStack() as held:
        first, _ = (held.enter_context(opened(address)) for _ in range(2))
        # The server has seen them once one of them is answered.
        ask = b"GET /graphql?query={hello} HTTP/1.1\r\nhost: localhost\r\n\r\n"
        first.sendall(ask)
        assert first.recv(65_536).startswith(b"HTTP/1.1 200 ")
        with opened(address) as third:
            assert read(third).startswith(b"HTTP/1.1 429 ")
        first.close()

        def is_let_in() -> bool:
            with opened(address) as another:
                another.sendall(ask)
                return another.recv(65_536).startswith(b"HTTP/1.1 200 ")

        wait_until(is_let_in)


def test_connections_of_a_trusted_proxy_are_not_counted() -> None:
    app, endpoint = application()
    limits = replace(QUICK, per_address=1, head_seconds=20)
    with (
        served(app, endpoint.streams, trusted_proxies="127.0.0.0/8", limits=limits) as address,
        ExitStack() as held,
    ):
        for _ in range(3):
            connection = held.enter_context(opened(address))
            connection.sendall(b"GET /graphql?query={hello} HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_one_address_has_so_many_streams_of_either_kind(address: str) -> None:
    events = {"accept": "text/event-stream"}
    url = f"{address}/graphql"
    with ExitStack() as held:
        before = Watched.open["held"]
        for _ in range(2):
            held.enter_context(httpx.stream("POST", url, json=NUMBERS, headers=events))
        wait_until(lambda: Watched.open["held"] == before + 2)
        held.enter_context(connect(url.replace("http", "ws"), subprotocols=[PROTOCOL])).ping()
        wait_until(lambda: httpx.post(url, json=NUMBERS, headers=events).status_code == 429)
        answer = httpx.post(url, json=NUMBERS, headers=events)
        assert answer.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert int(answer.headers["retry-after"]) > 0
        with connect(url.replace("http", "ws"), subprotocols=[PROTOCOL]) as another:
            with pytest.raises(ConnectionClosed) as closed:
                another.recv(timeout=10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
    # Those that are over make room.
    wait_until(lambda: Watched.open["held"] == before)
    with connect(url.replace("http", "ws"), subprotocols=[PROTOCOL]) as another:
        another.send(json.dumps({"type": "connection_init"}))
        assert json.loads(another.recv(timeout=10)) == {"type": "connection_ack"}
