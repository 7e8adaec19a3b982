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
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gridmap.api.graphql import GraphQLEndpoint
from gridmap.api.server import ConnectionLimits
from gridmap.api.streams import StreamLimits
from tests.api import streaming
from tests.api.serving import served
from tests.api.streaming import Watched
from tests.waiting import wait_until

PROTOCOL = Subprotocol("graphql-transport-ws")
PATIENT = ConnectionLimits(head_bytes=8_000, per_address=0)
QUICK = replace(PATIENT, head_seconds=0.3, request_seconds=0.6, unread_seconds=0.3)
"""For what is to be late. On a busy machine all else may be late too."""
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
    with served(app, endpoint.streams, limits=PATIENT) as address:
        yield address


@pytest.fixture(scope="module")
def hurried() -> Iterator[str]:
    """The address of a server that waits for nobody long."""
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


def is_answered(connection: socket.socket) -> bool:
    """Whether a question is answered well on this connection, and not refused."""
    with suppress(ConnectionError):
        connection.sendall(b"GET /graphql?query={hello} HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    return False


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


def test_headers_that_trickle_are_not_waited_for(hurried: str) -> None:
    connection = opened(hurried)
    connection.sendall(b"GET /graphql HTTP/1.1\r\n")
    assert trickled(connection, b"x-a: b\r\n").startswith(b"HTTP/1.1 408 ")


def test_a_client_that_says_nothing_is_not_waited_for(hurried: str) -> None:
    assert read(opened(hurried)).startswith(b"HTTP/1.1 408 ")


def test_blank_lines_between_requests_keep_no_connection_open(hurried: str) -> None:
    def is_refused_after_an_answer() -> bool:
        with opened(hurried) as connection:
            return is_answered(connection) and trickled(connection, b"\r\n").startswith(
                b"HTTP/1.1 408 "
            )

    # The question itself may be late.
    wait_until(is_refused_after_an_answer)


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


def test_the_rest_of_a_body_that_was_refused_keeps_no_connection_open(hurried: str) -> None:
    def is_refused_and_closed() -> bool:
        with opened(hurried) as connection, suppress(ConnectionError):
            connection.sendall(HEAD + b"content-length: 9000000\r\n\r\n")
            return trickled(connection, b" ").startswith(b"HTTP/1.1 413 ")
        return False

    # The head may be late, of which something else is told.
    wait_until(is_refused_and_closed)


def test_who_does_not_read_an_answer_is_left(hurried: str) -> None:
    with opened(hurried, SO_RCVBUF=4_096) as connection:
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


def test_who_reads_gets_all_of_it() -> None:
    app, endpoint = application()
    # Longer than a busy machine may keep this client from reading.
    limits = replace(QUICK, head_seconds=20, unread_seconds=5)
    with served(app, endpoint.streams, limits=limits) as address:
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
        assert is_answered(first)
        with opened(address) as third:
            assert read(third).startswith(b"HTTP/1.1 429 ")
        first.close()

        def is_let_in() -> bool:
            with opened(address) as another:
                return is_answered(another)

        wait_until(is_let_in)


def test_connections_of_a_trusted_proxy_are_not_counted() -> None:
    app, endpoint = application()
    limits = replace(QUICK, per_address=1, head_seconds=20)
    with (
        served(app, endpoint.streams, trusted_proxies="127.0.0.0/8", limits=limits) as address,
        ExitStack() as held,
    ):
        for _ in range(3):
            assert is_answered(held.enter_context(opened(address)))


def test_one_address_has_so_many_streams_of_either_kind(address: str) -> None:
    events = {"accept": "text/event-stream"}
    url = f"{address}/graphql"
    with ExitStack() as held:
        before = Watched.open["held"]
        for _ in range(2):
            held.enter_context(httpx.stream("POST", url, json=NUMBERS, headers=events))
        wait_until(lambda: Watched.open["held"] == before + 2)
        third = connect(url.replace("http", "ws"), subprotocols=[PROTOCOL])
        assert is_acknowledged(held.enter_context(third))
        answer = httpx.post(url, json=NUMBERS, headers=events)
        assert answer.status_code == 429
        assert answer.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert int(answer.headers["retry-after"]) > 0
        with connect(url.replace("http", "ws"), subprotocols=[PROTOCOL]) as another:
            with pytest.raises(ConnectionClosed) as closed:
                another.recv(timeout=60)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
    wait_until(lambda: Watched.open["held"] == before)

    def is_room() -> bool:
        with connect(url.replace("http", "ws"), subprotocols=[PROTOCOL]) as another:
            return is_acknowledged(another)

    # Those that are over make room, once they are seen to be.
    wait_until(is_room)


def is_acknowledged(connection: ClientConnection) -> bool:
    with suppress(ConnectionClosed):
        connection.send(json.dumps({"type": "connection_init"}))
        return bool(json.loads(connection.recv(timeout=60)) == {"type": "connection_ack"})
    return False
