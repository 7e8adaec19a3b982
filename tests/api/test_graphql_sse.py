"""GraphQL over server-sent events, read strictly from a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gridmap.api.streams import StreamLimits
from tests.api.serving import served
from tests.api.streaming import LIFETIMES, Watched, application, endpoint
from tests.waiting import PATIENCE_SECONDS, wait_until

EVENTS = {"accept": "text/event-stream"}
COMPLETE = ("complete", "")


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    ours = endpoint(StreamLimits(keep_alive_seconds=0.1))
    with (
        served(application(ours), ours.streams) as address,
        httpx.Client(base_url=address, headers=EVENTS, timeout=PATIENCE_SECONDS) as client,
    ):
        yield client


def events(response: httpx.Response) -> Iterator[tuple[str, str]]:
    """The events, by the rules of the HTML standard, and comments as ("", "")."""
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "private, no-store"
    name = ""
    data: list[str] = []
    for line in response.iter_lines():
        field, colon, value = line.partition(":")
        if line == "":
            if data:
                yield name, "\n".join(data)
            name, data = "", []
        elif line.startswith(":"):
            yield "", ""
        else:
            assert colon, line
            value = value.removeprefix(" ")
            match field:
                case "event":
                    name = value
                case "data":
                    data.append(value)
                case _:
                    raise AssertionError(line)
    assert (name, data) == ("", []), "The last event has no end."


def told(response: httpx.Response) -> list[tuple[str, Any]]:
    """The events without the comments, and what they hold."""
    found = [event for event in events(response) if event != ("", "")]
    return [(name, json.loads(data) if data else data) for name, data in found]


def codes(answer: Any) -> list[str]:
    return [error["extensions"]["code"] for error in answer["errors"]]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_subscription_is_answered_event_by_event(client: httpx.Client, method: str) -> None:
    query = {"query": "subscription { numbers(to: 2) { square batches } }"}
    sent = {"params": query} if method == "GET" else {"json": query}
    answers = [
        {"data": {"numbers": {"square": n, "batches": b}}}
        for n, b in ((1, "[[1, 7]]"), (4, "[[2, 7]]"))
    ]
    assert told(client.request(method, "/graphql", **sent)) == [  # type: ignore[arg-type]
        ("next", answers[0]),
        ("next", answers[1]),
        COMPLETE,
    ]


def test_a_query_is_answered_by_one_event(client: httpx.Client) -> None:
    for query, data in (
        ("{ hello }", {"hello": "Hello, world!"}),
        ("{ missing }", {"missing": None}),
    ):
        [(name, answer), complete] = told(client.get("/graphql", params={"query": query}))
        assert (name, answer["data"], complete) == ("next", data, COMPLETE)


def test_a_client_that_takes_json_as_well_gets_events_for_subscriptions_only(
    client: httpx.Client,
) -> None:
    headers = {"accept": "application/graphql-response+json, application/json, text/event-stream"}
    answer = client.post("/graphql", json={"query": "{ hello }"}, headers=headers)
    assert answer.json() == {"data": {"hello": "Hello, world!"}}
    query = {"query": "subscription { viewers(times: 1) }"}
    [(_, content), _] = told(client.post("/graphql", json=query, headers=headers))
    assert content == {"data": {"viewers": "nobody"}}


def test_a_mutation_runs_by_post_only_and_its_fields_one_after_another(
    client: httpx.Client,
) -> None:
    query = 'mutation { a: note(text: "first", seconds: 0.05) b: note(text: "second") }'
    Watched.notes.clear()
    for method in ("GET", "HEAD"):
        assert client.request(method, "/graphql", params={"query": query}).status_code == 405
    assert Watched.notes == []
    [(_, content), _] = told(client.post("/graphql", json={"query": query}))
    assert Watched.notes == ["first", "second"]
    assert content["data"]["b"] == ["first", "second"]


def test_a_subscription_is_not_sent_by_head(client: httpx.Client) -> None:
    answer = client.head("/graphql", params={"query": "subscription { viewers }"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("query", "headers", "status", "code"),
    [
        ("{", {}, 400, "PARSE_FAILED"),
        ("subscription { nowhere }", {}, 400, "VALIDATION_FAILED"),
        ("subscription ($to: Int!) { numbers(to: $to) { value } }", {}, 400, "INVALID"),
        ("subscription { closed }", {}, 403, "FORBIDDEN"),
        ("subscription { broken }", {}, 500, "INTERNAL"),
        ("subscription { viewers }", {"authorization": "Bearer stranger"}, 403, "FORBIDDEN"),
        ("subscription { viewers }", {"authorization": "Bearer early"}, 503, "UNAVAILABLE"),
    ],
)
def test_what_fails_before_the_first_event_is_an_ordinary_answer(
    client: httpx.Client, query: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = client.post("/graphql", json={"query": query}, headers=headers)
    assert (answer.status_code, codes(answer.json())) == (status, [code])
    kind = "application/graphql-response+json; charset=utf-8"
    assert answer.headers["content-type"] == kind
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(("last", "code"), [("bug", "INTERNAL"), ("gone", "UNAVAILABLE")])
def test_events_that_break_off_end_with_an_answer_of_errors(
    client: httpx.Client, last: str, code: str
) -> None:
    query = f'subscription {{ numbers(last: "{last}") {{ value }} }}'
    *numbers, (_, content), complete = told(client.post("/graphql", json={"query": query}))
    assert (len(numbers), codes(content), complete) == (3, [code], COMPLETE)
    assert "hunter2" not in json.dumps(content)


def test_json_of_several_lines_is_one_event(client: httpx.Client) -> None:
    [(_, content), _] = told(client.post("/graphql", json={"query": "subscription { shapes }"}))
    assert content["data"]["shapes"]["coordinates"] == [130.2866, 47.34]


def test_a_stream_shows_that_it_lives_and_is_closed_when_it_is_left(client: httpx.Client) -> None:
    query = {"query": 'subscription { numbers(name: "sse", to: 1, last: "wait") { value } }'}
    with client.stream("POST", "/graphql", json=query) as response:
        heard = events(response)
        assert next(heard)[0] == "next"
        assert [next(heard), next(heard)] == [("", "")] * 2
        assert Watched.open["sse"] == 1
    wait_until(lambda: not Watched.open["sse"])


def test_a_stream_ends_with_the_token_that_asked_for_it(client: httpx.Client) -> None:
    query = {"query": 'subscription { numbers(name: "ended sse", to: 1, last: "wait") { value } }'}
    for seconds in LIFETIMES:
        headers = {"authorization": f"Bearer until {time.time() + seconds}"}
        heard = told(client.post("/graphql", json=query, headers=headers))
        if len(heard) > 2:
            break
    assert heard[0] == ("next", {"data": {"numbers": {"value": 1}}})
    [(name, content), complete] = heard[1:]
    assert (name, codes(content), complete) == ("next", ["UNAUTHENTICATED"], COMPLETE)
    wait_until(lambda: not Watched.open["ended sse"])


def test_a_client_that_does_not_read_stops_what_it_asked_for() -> None:
    ours = endpoint(StreamLimits(send_seconds=0.3))
    with served(application(ours), ours.streams) as address:
        query = {"query": 'subscription { flood(name: "sse unread") }'}
        with httpx.stream("POST", f"{address}/graphql", json=query, headers=EVENTS) as response:
            wait_until(lambda: Watched.pulled["sse unread"] and not Watched.open["sse unread"])
            assert Watched.pulled["sse unread"] < 500
            names = [name for name, _ in events(response)]
        assert set(names) == {"next"}


def test_a_server_that_stops_ends_its_streams_and_leaves_them_incomplete() -> None:
    ours = endpoint()
    query = {"query": 'subscription { numbers(name: "sse stop", last: "wait") { value } }'}
    with httpx.Client(headers=EVENTS) as client:
        with served(application(ours), ours.streams) as address:
            response = client.send(
                client.build_request("POST", f"{address}/graphql", json=query), stream=True
            )
            wait_until(lambda: Watched.pulled["sse stop"] == 3)
        assert Watched.open["sse stop"] == 0
        assert [name for name, _ in events(response)] == ["next"] * 3
