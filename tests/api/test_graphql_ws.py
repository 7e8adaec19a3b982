"""GraphQL over WebSocket, spoken over a real connection to a real server."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from gridmap.api.streams import StreamLimits
from tests.api.serving import served
from tests.api.streaming import LIFETIMES, MESSAGE_LIMIT, Watched, application, endpoint
from tests.waiting import PATIENCE_SECONDS, wait_until

PROTOCOL = "graphql-transport-ws"
LIMITS = StreamLimits(operations=5)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    ours = endpoint(LIMITS)
    with served(application(ours), ours.streams) as address:
        yield f"{address}/graphql"


@contextmanager
def impatient(time_limit_seconds: float = 30, **limits: float) -> Iterator[str]:
    """The address of a server that does not wait long for one thing; all else may take its time."""
    ours = endpoint(StreamLimits(**limits), time_limit_seconds)  # type: ignore[arg-type]
    with served(application(ours), ours.streams) as address:
        yield f"{address}/graphql"


class Client:
    """One end of a socket, in the words of the protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, type_: str, **members: object) -> None:
        self.connection.send(json.dumps({"type": type_, **members}))

    def subscribe(self, id_: str, query: str, **variables: object) -> None:
        self.say("subscribe", id=id_, payload={"query": query, "variables": variables})

    def hear(self) -> dict[str, Any]:
        text = self.connection.recv(timeout=PATIENCE_SECONDS)
        assert isinstance(text, str)
        message: dict[str, Any] = json.loads(text)
        return message

    def hear_all(self, id_: str) -> list[dict[str, Any]]:
        """What is said of one operation until it ends."""
        heard = [self.hear()]
        while heard[-1]["type"] == "next":
            heard.append(self.hear())
        assert {message["id"] for message in heard} == {id_}
        return heard

    def end(self) -> tuple[int, str]:
        """The code and the reason with which the server closes, after what it still said."""
        try:
            while True:
                self.connection.recv(timeout=PATIENCE_SECONDS)
        except ConnectionClosed:
            assert self.connection.close_code is not None
            return self.connection.close_code, self.connection.close_reason or ""


@contextmanager
def opened(address: str, *protocols: str, **options: Any) -> Iterator[Client]:
    """A socket that is open and nothing more."""
    with connect(
        address.replace("http", "ws"),
        subprotocols=[Subprotocol(name) for name in protocols or (PROTOCOL,)],
        compression=None,
        **options,
    ) as connection:
        yield Client(connection)


@contextmanager
def acknowledged(address: str, payload: object = None, **options: Any) -> Iterator[Client]:
    with opened(address, **options) as client:
        client.say("connection_init", **({} if payload is None else {"payload": payload}))
        assert client.hear() == {"type": "connection_ack"}
        yield client


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with acknowledged(address) as client:
        yield client


def values(heard: list[dict[str, Any]]) -> list[Any]:
    return [message["payload"]["data"]["numbers"] for message in heard[:-1]]


# The protocol


def test_a_subscription_is_answered_event_by_event_until_it_is_complete(client: Client) -> None:
    client.subscribe("a", "subscription ($to: Int!) { numbers(to: $to) { value square } }", to=2)
    assert client.hear_all("a") == [
        {"type": "next", "id": "a", "payload": {"data": {"numbers": {"value": n, "square": n * n}}}}
        for n in (1, 2)
    ] + [{"type": "complete", "id": "a"}]


def test_queries_and_mutations_are_answered_too(client: Client) -> None:
    client.subscribe("a", "{ hello }")
    payload = {"data": {"hello": "Hello, world!"}}
    assert client.hear() == {"type": "next", "id": "a", "payload": payload}
    assert client.hear() == {"type": "complete", "id": "a"}
    client.subscribe("a", 'mutation { note(text: "by socket") }')
    assert "by socket" in client.hear_all("a")[0]["payload"]["data"]["note"]


@pytest.mark.parametrize("offered", ["graphql-ws", "mqtt"])
def test_another_protocol_is_refused(address: str, offered: str) -> None:
    with opened(address, offered) as client:
        assert client.connection.subprotocol is None
        assert client.end() == (4406, "Only the protocol graphql-transport-ws is spoken here.")


def test_the_protocol_is_chosen_from_those_offered(address: str) -> None:
    with opened(address, "graphql-ws", PROTOCOL) as client:
        assert client.connection.subprotocol == PROTOCOL


def test_a_page_of_another_site_may_not_open_a_socket(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    for origin in ("https://elsewhere.example", "null", "http://["):
        with pytest.raises(InvalidStatus) as refused, opened(address, origin=origin):
            pass
        assert refused.value.response.status_code == 403
    with acknowledged(address, origin="http://127.0.0.1:1"):
        pass
    # By anybody's will, as it is, and so no error for the log.
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_ping_is_answered_at_any_time(address: str) -> None:
    with opened(address) as client:
        client.say("ping", payload={"at": 1})
        assert client.hear() == {"type": "pong"}
        client.say("pong")
        client.say("connection_init")
        assert client.hear() == {"type": "connection_ack"}
        client.say("ping")
        assert client.hear() == {"type": "pong"}


def test_who_says_nothing_first_is_not_waited_for() -> None:
    with impatient(init_seconds=0.2) as address, opened(address) as client:
        assert client.end() == (4408, "Connection initialisation timeout.")


def test_the_server_shows_that_it_lives() -> None:
    with impatient(keep_alive_seconds=0.2) as address, opened(address) as client:
        client.say("connection_init")
        heard = [client.hear() for _ in range(3)]
        heard.remove({"type": "connection_ack"})
        assert heard == [{"type": "ping"}] * 2


def test_initialising_again_closes_the_socket(client: Client) -> None:
    client.say("connection_init")
    assert client.end()[0] == 4429


def test_nothing_is_answered_before_initialisation(address: str) -> None:
    with opened(address) as client:
        client.subscribe("a", "{ hello }")
        code, reason = client.end()
        assert (code, reason.partition(":")[0]) == (4401, "Unauthorized")


def test_an_id_that_is_in_use_closes_the_socket(client: Client) -> None:
    client.subscribe("a", 'subscription { numbers(last: "wait", name: "twice") { value } }')
    client.subscribe("a", "{ hello }")
    assert client.end() == (4409, "Subscriber for a already exists.")
    wait_until(lambda: Watched.pulled["twice"] and not Watched.open["twice"])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"type": NaN}', "not JSON"),
        (b'{"type": "ping"}', "text, not binary"),
        ("[]", "an object that has a 'type'"),
        ('{"id": "a"}', "an object that has a 'type'"),
        ('{"type": 1}', "an object that has a 'type'"),
        ('{"type": "start"}', "'start' is not a type"),
        ('{"type": "next", "id": "a", "payload": {}}', "'next' is not a type"),
        ('{"type": "ping", "payload": []}', "'payload' is an array"),
        ('{"type": "complete"}', "has an 'id'"),
        ('{"type": "complete", "id": ""}', "has an 'id'"),
        ('{"type": "subscribe", "payload": {"query": "{hello}"}}', "has an 'id'"),
        ('{"type": "subscribe", "id": 1, "payload": {"query": "{hello}"}}', "has an 'id'"),
        ('{"type": "subscribe", "id": "a"}', "'payload' is null"),
        ('{"type": "subscribe", "id": "a", "payload": {}}', "no 'query'"),
        (
            '{"type": "subscribe", "id": "a", "payload": {"query": "{hello}", "variables": 1}}',
            "'variables' is a number",
        ),
    ],
)
def test_what_is_no_message_of_the_protocol_closes_the_socket_with_what_is_wrong(
    client: Client, message: str | bytes, reason: str
) -> None:
    client.connection.send(message)
    code, told = client.end()
    assert code == 4400
    assert reason in told


def test_a_message_may_be_as_large_as_a_body_and_no_larger(client: Client) -> None:
    empty = json.dumps({"type": "ping", "payload": {"x": ""}})
    fitting = empty.replace('""', '"' + "é" * ((MESSAGE_LIMIT - len(empty)) // 2) + '"')
    client.connection.send(fitting)
    assert client.hear() == {"type": "pong"}
    client.connection.send(fitting + "  ")
    assert client.end()[0] == 1009


# Who asks


@pytest.mark.parametrize("name", ["authorization", "Authorization"])
def test_who_asks_is_said_in_the_payload_of_initialisation(address: str, name: str) -> None:
    query = {"query": "{ viewer }"}
    for headers in ({}, {"authorization": "Bearer header"}):
        with acknowledged(address, {name: "Bearer me"}, additional_headers=headers) as client:
            client.say("subscribe", id="a", payload=query)
            assert client.hear()["payload"] == {"data": {"viewer": "Bearer me"}}
    with acknowledged(address, {}, additional_headers={"authorization": "Bearer it"}) as client:
        client.say("subscribe", id="a", payload=query)
        assert client.hear()["payload"] == {"data": {"viewer": "Bearer it"}}


@pytest.mark.parametrize(
    ("viewer", "code", "reason"),
    [
        ("Bearer stranger", 4403, "Strangers may not ask here: " + "é" * 47),
        ("Bearer forged", 4401, "The token is not ours."),
        ("Bearer early", 1013, "Not yet."),
        ("Bearer bug", 4500, "Something went wrong here."),
        (5, 4400, "'authorization' is a number; it is a string."),
        ("Bearer 梧桐", 0, ""),
    ],
)
def test_who_may_not_ask_is_told_so_as_the_socket_closes(
    address: str, viewer: object, code: int, reason: str
) -> None:
    with opened(address) as client:
        client.say("connection_init", payload={"authorization": viewer})
        if code == 0:
            assert client.hear() == {"type": "connection_ack"}
            return
        given = client.end()
    assert given[0] == code
    assert given[1].startswith(reason)
    assert "hunter2" not in given[1]


def test_who_may_not_ask_any_more_gets_no_further_events(address: str) -> None:
    with acknowledged(address) as client:
        query = 'subscription { numbers(to: 1000000, pause: 0.05, name: "denied") { value } }'
        client.subscribe("a", query)
        assert client.hear()["type"] == "next"
        Watched.denied.set()
        try:
            while (last := client.hear())["type"] == "next":
                pass
        finally:
            Watched.denied.clear()
        assert last == {
            "type": "error",
            "id": "a",
            "payload": [{"message": "Not any more.", "extensions": {"code": "FORBIDDEN"}}],
        }
        wait_until(lambda: not Watched.open["denied"])


def test_a_socket_ends_with_the_token_that_opened_it(address: str) -> None:
    # Nothing happens after the first event that could be told, or refused.
    query = 'subscription { numbers(to: 1, name: "ended", last: "wait") { value } }'

    def is_answered_first(seconds: float) -> bool:
        """Whether the token lasts until the first event."""
        with acknowledged(address) as another, opened(address) as client:
            another.subscribe("a", query)
            assert another.hear()["type"] == "next"
            token = {"authorization": f"Bearer until {time.time() + seconds}"}
            with suppress(ConnectionClosed):
                client.say("connection_init", payload=token)
                client.subscribe("a", query)
                told = [client.hear()["type"], client.hear()["type"]]
                assert told == ["connection_ack", "next"]
                code, reason = client.end()
                assert (code, reason.split(";")[0]) == (4401, "The token has expired")
                wait_until(lambda: Watched.open["ended"] == 1)
                another.say("ping")
                assert another.hear() == {"type": "pong"}
                return True
        return False

    assert any(map(is_answered_first, LIFETIMES))


# Errors


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "PARSE_FAILED"),
        ("{ nowhere }", "VALIDATION_FAILED"),
        ("subscription { numbers { value } viewers }", "VALIDATION_FAILED"),
        ("subscription ($to: Int!) { numbers(to: $to) { value } }", "INVALID"),
        ("query A { hello } subscription B { viewers }", "INVALID"),
        ("{ hello " + " ".join(f"x{i}: hello" for i in range(51)) + "}", "TOO_LARGE"),
        ("subscription { closed }", "FORBIDDEN"),
        ("subscription { broken }", "INTERNAL"),
        ("subscription { unwritable }", "INTERNAL"),
    ],
)
def test_an_operation_that_cannot_run_says_why_and_leaves_the_socket_open(
    client: Client, query: str, code: str
) -> None:
    client.subscribe("a", query)
    error = client.hear()
    assert (error["type"], error["id"]) == ("error", "a")
    assert {one["extensions"]["code"] for one in error["payload"]} == {code}
    assert "hunter2" not in json.dumps(error)
    client.subscribe("a", "{ hello }")
    assert client.hear()["payload"] == {"data": {"hello": "Hello, world!"}}


def test_errors_of_fields_come_with_the_other_data(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.subscribe("a", "{ missing bug hello }")
    payload = client.hear()["payload"]
    assert payload["data"] == {"missing": None, "bug": None, "hello": "Hello, world!"}
    codes = {error["path"][0]: error["extensions"]["code"] for error in payload["errors"]}
    assert codes == {"missing": "NOT_FOUND", "bug": "INTERNAL"}
    assert "hunter2" not in json.dumps(payload)
    assert [record.name for record in caplog.records] == ["gridmap"]


def test_an_event_with_errors_is_followed_by_the_next(client: Client) -> None:
    client.subscribe("a", "subscription { numbers { oddOnly } }")
    heard = client.hear_all("a")
    assert values(heard) == [{"oddOnly": 1}, {"oddOnly": None}, {"oddOnly": 3}]
    assert heard[1]["payload"]["errors"] == [
        {
            "message": "2 is even.",
            "locations": [{"line": 1, "column": 26}],
            "path": ["numbers", "oddOnly"],
            "extensions": {"code": "NOT_FOUND"},
        }
    ]


@pytest.mark.parametrize(("last", "code"), [("bug", "INTERNAL"), ("gone", "UNAVAILABLE")])
def test_events_that_break_off_end_with_an_error(client: Client, last: str, code: str) -> None:
    client.subscribe(
        "a", "subscription ($last: String!) { numbers(last: $last) { value } }", last=last
    )
    heard = client.hear_all("a")
    assert len(values(heard)) == 3
    assert heard[-1]["type"] == "error"
    [error] = heard[-1]["payload"]
    assert error["extensions"] == {"code": code}
    assert "hunter2" not in error["message"]


def test_what_takes_too_long_is_stopped() -> None:
    with impatient(time_limit_seconds=0.2) as address, acknowledged(address) as client:

        def last_of(query: str) -> dict[str, Any]:
            client.subscribe("a", query)
            while (message := client.hear())["type"] == "next":
                pass
            return message

        for query in ("{ slow }", 'subscription { numbers(name: "slow") { slowIfTwo } }'):
            error = last_of(query)
            assert error["type"] == "error"
            assert error["payload"][0]["extensions"] == {"code": "UNAVAILABLE"}
        wait_until(lambda: not Watched.open["slow"])


# Events


def test_each_event_is_answered_in_a_context_of_its_own(client: Client) -> None:
    client.subscribe("a", "subscription { numbers { value batches } }")
    assert values(client.hear_all("a")) == [{"value": n, "batches": "[[7]]"} for n in (1, 2, 3)]


def test_subscriptions_of_one_socket_go_on_beside_each_other(client: Client) -> None:
    # None of them would end while another waits for its turn.
    query = "subscription ($n: String!) { numbers(to: 1000000, pause: 0.002, name: $n) { value } }"
    ids = ["a", "b", "c"]
    for id_ in ids:
        client.subscribe(id_, query, n=id_)
    heard: dict[str, list[int]] = {id_: [] for id_ in ids}
    while min(map(len, heard.values())) < 20:
        message = client.hear()
        heard[message["id"]].append(message["payload"]["data"]["numbers"]["value"])
    for numbers in heard.values():
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_socket_runs_no_more_operations_than_allowed(client: Client) -> None:
    for number in range(LIMITS.operations + 2):
        client.subscribe(str(number), 'subscription { numbers(to: 1, last: "wait") { value } }')
    heard = [client.hear() for _ in range(LIMITS.operations + 2)]
    refused = [message for message in heard if message["type"] == "error"]
    assert [message["id"] for message in refused] == ["5", "6"]
    assert refused[0]["payload"][0]["extensions"] == {"code": "TOO_LARGE"}
    client.say("complete", id="0")
    client.subscribe("5", "{ hello }")
    assert client.hear()["payload"] == {"data": {"hello": "Hello, world!"}}


# The end


@pytest.mark.parametrize(
    "field",
    [
        'numbers(name: "left", last: "wait") { value }',
        'numbers(name: "left", to: 1000000) { value }',
        'flood(name: "left", size: 10)',
        'iterated(name: "left")',
    ],
)
@pytest.mark.parametrize("leave", ["complete", "close", "break"])
def test_a_subscription_that_is_left_is_closed(address: str, field: str, leave: str) -> None:
    before = Watched.pulled["left"]
    with acknowledged(address) as client:
        client.subscribe("a", f"subscription {{ {field} }}")
        assert client.hear()["type"] == "next"
        assert Watched.open["left"] == 1
        match leave:
            case "complete":
                client.say("complete", id="a")
                wait_until(lambda: not Watched.open["left"])
                client.say("ping")
                while (message := client.hear())["type"] == "next":
                    pass
                assert message == {"type": "pong"}
            case "break":
                client.connection.socket.shutdown(socket.SHUT_RDWR)
            case _:
                client.connection.close()
        wait_until(lambda: not Watched.open["left"])
    assert Watched.pulled["left"] > before
    Watched.pulled["left"] = 0


def test_an_id_may_be_used_again_at_once(client: Client) -> None:
    for _ in range(20):
        client.subscribe("a", 'subscription { numbers(name: "again", last: "wait") { value } }')
        client.say("complete", id="a")
    client.subscribe("a", "{ hello }")
    while (message := client.hear())["type"] == "next":
        last = message
    assert last["payload"] == {"data": {"hello": "Hello, world!"}}
    assert message == {"type": "complete", "id": "a"}
    assert Watched.open["again"] == 0


def test_completing_what_has_ended_is_no_fault(client: Client) -> None:
    client.subscribe("a", "{ hello }")
    client.hear_all("a")
    client.say("complete", id="a")
    client.say("complete", id="never")
    client.say("ping")
    assert client.hear() == {"type": "pong"}


def test_a_fault_in_closing_is_logged_and_stops_nothing(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    query = 'subscription { numbers(to: 1000000, last: "bad close", name: "bad") { value } }'
    client.subscribe("a", query)
    client.hear()
    client.say("complete", id="a")
    wait_until(lambda: not Watched.open["bad"])
    client.subscribe("b", "{ hello }")
    while (message := client.hear())["id"] == "a":
        assert message["type"] == "next"
    assert message["payload"] == {"data": {"hello": "Hello, world!"}}
    assert all(record.name == "gridmap" for record in caplog.records)


def test_who_does_not_read_is_closed_and_holds_up_nobody() -> None:
    with (
        impatient(send_seconds=1) as address,
        acknowledged(address, max_queue=1) as slow,
        acknowledged(address) as other,
    ):
        # 1. One client subscribes to very much and does not read it.
        slow.subscribe("a", 'subscription { flood(name: "unread") }')
        wait_until(lambda: Watched.pulled["unread"])
        # 2. Another is served meanwhile.
        query = 'subscription { numbers(to: 50, pause: 0.01, name: "beside") { value } }'
        other.subscribe("a", query)
        while (message := other.hear())["type"] != "complete":
            assert message["type"] == "next"
        # 3. What the first has asked for stops, long before it fills the memory.
        wait_until(lambda: not Watched.open["unread"])
        assert Watched.pulled["unread"] < 500
        # 4. As it reads after all, it hears why, and that it may come again.
        assert slow.end() == (1013, "Messages were not read in time; come again.")


def test_a_server_that_stops_closes_all_it_has_open(caplog: pytest.LogCaptureFixture) -> None:
    ours = endpoint()
    with ExitStack() as clients:
        with served(application(ours), ours.streams) as address:
            url = f"{address}/graphql"
            idle = clients.enter_context(opened(url))
            busy = clients.enter_context(acknowledged(url))
            for number in range(3):
                query = 'subscription { numbers(name: "stop", last: "wait") { value } }'
                busy.subscribe(str(number), query)
            busy.subscribe("q", "{ slow }")
            wait_until(lambda: Watched.pulled["stop"] == 9)
        assert Watched.open["stop"] == 0
        for client in (idle, busy):
            assert client.end() == (1001, "The server stops; come again.")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
