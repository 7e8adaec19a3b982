"""A server that executes known documents and nothing else, whichever way it is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gridmap.api.graphql import GraphQLEndpoint
from gridmap.api.trusted_documents import TrustedDocuments, read_documents
from gridmap.errors import Invalid, Untrusted
from gridmap.schema.limits import Limits
from tests.api import streaming
from tests.api.conftest import gridmap
from tests.api.serving import served
from tests.waiting import PATIENCE_SECONDS

HELLO = "query Hello($name: String!) { viewer hello(name: $name) }"
NUMBERS = "subscription { numbers(to: 2) { value } }"
NOTE = 'mutation { note(text: "trusted") }'
PROTOCOL = Subprotocol("graphql-transport-ws")


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    trusted = TrustedDocuments([HELLO, NUMBERS, NOTE], Limits())
    endpoint = GraphQLEndpoint(streaming.schema, streaming.context, trusted=trusted, page=None)
    with served(streaming.application(endpoint), endpoint.streams) as address:
        yield f"{address}/graphql"


BY_ID = {"documentId": f"sha256:{hash_of(HELLO)}"}
WAYS: list[dict[str, Any]] = [
    BY_ID,
    {"documentId": hash_of(HELLO)},
    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_of(HELLO)}}},
    {"query": HELLO},
    {"query": "query Hello($name: String!) { # twice\n hello(name: $name), viewer }"},
    # The text that is kept is executed, whatever comes with its name.
    {**BY_ID, "query": "{ bug }"},
]
OTHERS: list[dict[str, Any]] = [
    {"query": "{ viewer }"},
    {"query": "{ __schema { queryType { name } } }"},
    {"query": HELLO.replace("viewer", "bug")},
    {"query": HELLO + " query More { bug }", "operationName": "Hello"},
    {"query": HELLO.replace("$name: String!", '$name: String = "x"')},
    {"query": "{" * 5_000},
    {"documentId": f"sha256:{hash_of('{ viewer }')}"},
    {"documentId": ""},
    {"documentId": hash_of("{ viewer }"), "query": "{ viewer }"},
    {
        "query": "{ viewer }",
        "extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_of("{ viewer }")}},
    },
]


@pytest.mark.parametrize("way", WAYS)
def test_a_known_document_is_executed_however_it_is_named(
    address: str, way: dict[str, Any]
) -> None:
    expected = {"data": {"viewer": "nobody", "hello": "Hello, you!"}}
    variables = {"name": "you"}
    assert httpx.post(address, json={**way, "variables": variables}).json() == expected
    given = {**way, "variables": variables}
    parameters = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }
    assert httpx.get(address, params=parameters).json() == expected
    kind, [payload] = over_socket(address, given)
    assert (kind, payload) == ("complete", expected)


@pytest.mark.parametrize("other", OTHERS, ids=[f"{number}" for number in range(len(OTHERS))])
def test_nothing_else_is_executed_by_any_way(address: str, other: dict[str, Any]) -> None:
    for accept in ("application/json", "application/graphql-response+json", "text/event-stream"):
        answer = httpx.post(address, json=other, headers={"accept": accept})
        assert answer.status_code == 400
        [error] = answer.json()["errors"]
        assert error["extensions"] == {"code": "DOCUMENT_NOT_TRUSTED"}
    kind, [[error]] = over_socket(address, other)
    assert (kind, error["extensions"]["code"]) == ("error", "DOCUMENT_NOT_TRUSTED")


def test_subscriptions_and_mutations_are_known_by_name_too(address: str) -> None:
    named = {"documentId": f"sha256:{hash_of(NUMBERS)}"}
    kind, payloads = over_socket(address, named)
    assert (kind, len(payloads)) == ("complete", 2)
    events = httpx.post(address, json=named, headers={"accept": "text/event-stream"}).text
    assert events.count("event: next") == 2
    mutation = {"documentId": hash_of(NOTE)}
    assert httpx.get(address, params=mutation).status_code == 405
    assert "trusted" in httpx.post(address, json=mutation).json()["data"]["note"]


def over_socket(address: str, payload: dict[str, Any]) -> tuple[str, list[Any]]:
    """How an operation ended, and the payloads that came before, or with the error."""
    payloads = []
    with connect(address.replace("http", "ws"), subprotocols=[PROTOCOL]) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        socket.recv(timeout=PATIENCE_SECONDS)
        socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        while True:
            message = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
            if message["type"] == "ping":
                continue
            if "payload" in message:
                payloads.append(message["payload"])
            if message["type"] != "next":
                return message["type"], payloads


def test_a_server_that_keeps_no_documents_says_so(database_url: str) -> None:
    with gridmap("serve", DATABASE_URL=database_url) as server:
        answer = httpx.post(f"{server.address}/graphql", json=BY_ID)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "INVALID"}
    assert "'query'" in error["message"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.json", "[]", "no object"),
        ("x.json", "{", "not JSON"),
        ("x.json", json.dumps({hash_of("{ a }"): "{ b }"}), "not the SHA-256"),
        ("x.json", json.dumps({"sha256:": 1}), "no object"),
        ("x.graphql", "{ a", "no GraphQL"),
    ],
)
def test_a_file_that_makes_no_sense_is_named_at_the_start(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Invalid, match=said):
        TrustedDocuments(read_documents(tmp_path), Limits())
    with pytest.raises(Invalid, match="no file"):
        list(read_documents(tmp_path / "missing"))


def test_documents_are_not_taken_for_others_that_say_the_same_in_other_places() -> None:
    trusted = TrustedDocuments(["{ a { x } b { y } }", "{ a(p: 1, q: 2) }"], Limits())
    assert trusted.text(None, "{ b { y } a { x } }") == "{ a { x } b { y } }"
    assert trusted.text(None, "{ a(q: 2 p: 1) }") == "{ a(p: 1, q: 2) }"
    for other in (
        "{ a { y } b { x } }",
        "{ a(q: 1, p: 2) }",
        "{ a { x } }",
        "{ c: a { x } b { y } }",
    ):
        with pytest.raises(Untrusted):
            trusted.text(None, other)
