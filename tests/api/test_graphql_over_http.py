"""GraphQL over HTTP, asked over a real connection to a real server."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Annotated, Any, NewType

import httpx
import orjson
import pytest
import strawberry
from graphql import GraphQLError, get_introspection_query
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Route
from strawberry.dataloader import DataLoader
from strawberry.extensions import DisableIntrospection
from strawberry.schema.config import StrawberryConfig

from gridmap.api.graphql import GraphQLEndpoint
from gridmap.api.operations import Documents, Failed
from gridmap.errors import Forbidden, NotFound, TooLarge, Unavailable
from gridmap.schema.limits import Limits
from tests.api.node_packages import install, run
from tests.api.serving import served

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
BODY_LIMIT = 10_000

Shape = NewType("Shape", object)
Code = NewType("Code", str)


def _code(value: object) -> Code:
    if value == "large":
        raise TooLarge("That code is too large.")
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no code.")
    return Code(value)


class Context:
    """Notes what resolvers do, so that tests can see it from outside."""

    loads: list[list[int]]  # of the last request
    stopped = threading.Event()
    touched = 0

    def __init__(self) -> None:
        Context.loads = []
        self.squares = DataLoader(self._load)
        self.broken = DataLoader(self._fail)

    async def _load(self, keys: list[int]) -> list[int]:
        Context.loads.append(keys)
        return [key * key for key in keys]

    async def _fail(self, keys: list[int]) -> list[int]:
        raise RuntimeError(f"password=hunter2 {keys}")


Info = strawberry.Info[Context, None]


@strawberry.type
class Number:
    value: int

    @strawberry.field
    async def square(self, info: Info) -> int:
        return await info.context.squares.load(self.value)

    @strawberry.field
    async def broken(self, info: Info) -> int | None:
        return await info.context.broken.load(self.value)

    @strawberry.field
    def next(self) -> Annotated[Number, strawberry.lazy("tests.api.test_graphql_over_http")]:
        return Number(value=self.value + 1)


@strawberry.input
class Span:
    first: int
    last: int = 3


class Permission(strawberry.BasePermission):
    message = "Not you."
    error_extensions = {"code": "FORBIDDEN"}  # noqa: RUF012, Strawberry's own form

    def has_permission(self, *_: Any, **__: Any) -> bool:
        return False


@strawberry.input
class Names:
    first: list[str]


@strawberry.type
class Query:
    @strawberry.field
    def names(self, of: Names) -> list[str]:
        return of.first

    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello, {name}!"

    @strawberry.field
    def numbers(self, span: Span) -> list[Number]:
        return [Number(value=value) for value in range(span.first, span.last + 1)]

    @strawberry.field
    def given(self, info: Info) -> str:
        return json.dumps([info.variable_values, info.input_extensions, info.field_name])

    @strawberry.field
    def day_after(self, day: datetime.date) -> datetime.date:
        return day + datetime.timedelta(days=1)

    @strawberry.field
    def shape(self) -> Shape:
        return Shape(orjson.Fragment(b'{"type":"Point","coordinates":[130.2866,47.34]}'))

    @strawberry.field
    def coded(self, code: Code) -> str:
        return code

    @strawberry.field
    def missing(self) -> str | None:
        raise NotFound("There is no grid 'x'.")

    @strawberry.field
    def required(self) -> str:
        raise Unavailable("The database is away.")

    @strawberry.field
    def bug(self) -> str | None:
        raise RuntimeError("password=hunter2")

    @strawberry.field
    def library_bug(self) -> str | None:
        raise GraphQLError("password=hunter2", extensions={"secret": "hunter2"})

    @strawberry.field
    def wrong_type(self) -> int | None:
        return "hunter2"  # type: ignore[return-value]

    @strawberry.field
    def unwritable(self) -> Shape:
        return Shape({1, 2})

    @strawberry.field(permission_classes=[Permission])  # type: ignore[untyped-decorator]
    def closed(self) -> str | None:
        return "open"

    @strawberry.field
    async def slow(self) -> str | None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            Context.stopped.set()
            raise
        return "done"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def touch(self) -> int:
        Context.touched += 1
        return Context.touched


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncGenerator[int, None]:
        yield 1


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=StrawberryConfig(
        scalar_map={
            Shape: strawberry.scalar(name="Shape", serialize=lambda value: value),
            Code: strawberry.scalar(name="Code", serialize=str, parse_value=_code),
        }
    ),
)


def context(connection: HTTPConnection) -> Context:
    match connection.headers.get("x-as"):
        case "stranger":
            raise Forbidden("You may not ask here.")
        case "bug":
            raise RuntimeError("password=hunter2")
    return Context()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    endpoint = GraphQLEndpoint(schema, context, body_limit=BODY_LIMIT, time_limit_seconds=0.3)
    with served(Starlette(routes=[Route("/graphql", endpoint)])) as address:
        yield f"{address}/graphql"


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address.removesuffix("/graphql")) as client:
        yield client


def ask(client: httpx.Client, query: str, **variables: object) -> Any:
    asked = {"query": query, "variables": variables}
    return client.post("/graphql", json=asked, headers={"accept": GRAPHQL}).json()


def codes(answer: Any) -> list[str]:
    return [error["extensions"]["code"] for error in answer["errors"]]


def test_a_text_with_a_null_character_is_refused_by_its_place(client: httpx.Client) -> None:
    of_a_field = "query ($name: String!) { hello(name: $name) }"
    of_an_input = "query ($name: Names!) { names(of: $name) }"
    by_default = 'query ($name: Names! = {first: ["a\\u0000"]}) { names(of: $name) }'
    for query, variables, place in (
        ('{ hello(name: "a\\u0000b") }', {}, "name"),
        ('{ names(of: {first: ["a", "\\u0000"]}) }', {}, "of.first"),
        (by_default, {}, "name.first"),
        (of_a_field, {"name": "\0"}, "name"),
        (of_an_input, {"name": {"first": ["a", "b\0"]}}, "name.first.1"),
    ):
        [error] = ask(client, query, **variables)["errors"]
        assert error["message"].startswith(f"{place} has a null character")
        assert error["extensions"] == {"code": "INVALID"}


# The specification


def test_every_audit_of_graphql_over_http_passes(address: str, subtests: pytest.Subtests) -> None:
    audits = Path(__file__).parent / "audits"
    install(audits)
    results = json.loads(run(audits / "audits.mjs", address))
    assert len(results) == 61
    for audit in results:
        with subtests.test(f"{audit['id']} {audit['name']}"):
            assert audit["status"] == "ok", audit["reason"]


def test_the_lock_of_the_audits_names_no_registry() -> None:
    lock = json.loads((Path(__file__).parent / "audits" / "package-lock.json").read_text())
    assert [name for name, held in lock["packages"].items() if "resolved" in held] == []


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}; charset=utf-8, {JSON}; charset=utf-8", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{JSON}, {GRAPHQL};q=0.9", JSON),
        (f"{GRAPHQL};q=0.1, */*", JSON),
        (f"{JSON};q=0, */*", GRAPHQL),
        ("application/*;q=0.5, text/html", JSON),
        ("APPLICATION/GRAPHQL-RESPONSE+JSON", GRAPHQL),
        (f"{GRAPHQL};charset=latin1, {JSON};q=0.2", JSON),
        ("*/*", JSON),
    ],
)
def test_the_answer_is_of_the_type_asked_for(
    client: httpx.Client, accept: str, expected: str
) -> None:
    response = client.post("/graphql", json={"query": "{hello}"}, headers={"accept": accept})
    assert response.headers["content-type"] == f"{expected}; charset=utf-8"
    assert response.headers["vary"] == "accept, authorization"
    assert response.json() == {"data": {"hello": "Hello, world!"}}


@pytest.mark.parametrize("accept", ["text/html", "image/png, text/*", f"{JSON};q=0"])
def test_an_answer_that_cannot_be_given_in_an_accepted_type_is_refused(
    client: httpx.Client, accept: str
) -> None:
    response = client.post("/graphql", json={"query": "{hello}"}, headers={"accept": accept})
    assert (response.status_code, codes(response.json())) == (406, ["INVALID"])


def test_all_that_may_be_sent_by_post_may_be_sent_by_get(client: httpx.Client) -> None:
    response = client.get(
        "/graphql",
        params={
            "query": "query A($name: String) { hello(name: $name) } query B { given }",
            "variables": '{"name": "grid"}',
            "operationName": "A",
            "extensions": '{"x": 1}',
        },
    )
    assert response.json() == {"data": {"hello": "Hello, grid!"}}


def test_parameters_left_empty_count_as_left_out(client: httpx.Client) -> None:
    response = client.get("/graphql?query={hello}&variables=&operationName=&extensions=")
    assert response.json() == {"data": {"hello": "Hello, world!"}}


def test_a_mutation_runs_by_post_and_never_by_get(client: httpx.Client) -> None:
    before = Context.touched
    for method in ("GET", "HEAD"):
        response = client.request(method, "/graphql", params={"query": "mutation { touch }"})
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
    assert Context.touched == before
    assert ask(client, "mutation { touch }") == {"data": {"touch": before + 1}}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(client: httpx.Client, method: str) -> None:
    response = client.request(method, "/graphql", params={"query": "{hello}"})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "PARSE_FAILED"),
        ("{ nowhere }", "VALIDATION_FAILED"),
        ("query ($unused: Int) { hello }", "VALIDATION_FAILED"),
        ("query ($name: String!) { hello(name: $name) }", "INVALID"),
        ("query A { hello } query B { hello }", "INVALID"),
        ("{ hello " + " ".join(f"x{i}: hello" for i in range(51)) + "}", "TOO_LARGE"),
        ("{ hello " + "hello " * 1000 + "}", "TOO_LARGE"),
    ],
)
def test_a_request_that_cannot_run_says_why_and_has_no_data(
    client: httpx.Client, query: str, code: str
) -> None:
    for accept, status in ((GRAPHQL, 400), (JSON, 200)):
        response = client.post("/graphql", json={"query": query}, headers={"accept": accept})
        assert response.status_code == status
        assert response.json().keys() == {"errors"}
        assert set(codes(response.json())) == {code}


def test_a_subscription_that_is_not_asked_for_as_events_names_both_ways(
    client: httpx.Client,
) -> None:
    response = client.post("/graphql", json={"query": "subscription { ticks }"})
    assert (response.status_code, codes(response.json())) == (400, ["INVALID"])
    message = response.json()["errors"][0]["message"]
    assert "text/event-stream" in message
    assert "WebSocket of the protocol graphql-transport-ws" in message


def test_introspection_is_answered(client: httpx.Client) -> None:
    types = ask(client, get_introspection_query(one_of=True))["data"]["__schema"]["types"]
    assert {"Query", "Mutation", "Number", "Span"} <= {one["name"] for one in types}


# The body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b'{"query": "{hello}"', "not JSON"),
        (b'{"query": "\xff"}', "not JSON in UTF-8"),
        (b'{"query": "{hello}", "variables": {"x": NaN}}', "not JSON"),
        (b'{"query": "{hello}", "variables": {"x": Infinity}}', "not JSON"),
        (b'[{"query": "{hello}"}]', "Batches are not taken"),
        (b'"{hello}"', "The body is a string; send an object"),
        (b"null", "The body is null"),
        (b"{}", "There is no 'query'"),
        (b'{"query": null}', "'query' is null"),
        (b'{"query": {}}', "'query' is an object"),
        (b'{"query": "{hello}", "variables": []}', "'variables' is an array"),
        (b'{"query": "{hello}", "variables": "{}"}', "'variables' is a string"),
        (b'{"query": "{hello}", "operationName": 5}', "'operationName' is a number"),
        (b'{"query": "{hello}", "extensions": true}', "'extensions' is a truth value"),
        (b"[" * 5000 + b"]" * 5000, "not JSON"),
    ],
)
def test_a_body_that_is_no_request_is_refused_with_what_is_wrong(
    client: httpx.Client, body: bytes, message: str
) -> None:
    for accept in (GRAPHQL, JSON):
        headers = {"content-type": JSON, "accept": accept}
        response = client.post("/graphql", content=body, headers=headers)
        assert (response.status_code, codes(response.json())) == (400, ["INVALID"])
        assert message in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("name", ["variables", "extensions"])
def test_a_parameter_that_is_not_json_is_refused(client: httpx.Client, name: str) -> None:
    response = client.get("/graphql", params={"query": "{hello}", name: "{"})
    assert response.status_code == 400
    assert f"'{name}' is not JSON" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=gbk"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": JSON, "content-encoding": "gzip"},
        {},
    ],
)
def test_a_body_in_another_form_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    response = client.post("/graphql", content=b'{"query": "{hello}"}', headers=headers)
    assert (response.status_code, codes(response.json())) == (415, ["INVALID"])


def test_a_body_may_be_as_large_as_the_limit_and_no_larger(client: httpx.Client) -> None:
    def sized(size: int) -> bytes:
        empty = b'{"query": "{hello}", "extensions": {"x": ""}}'
        return empty.replace(b'""', b'"' + b"x" * (size - len(empty)) + b'"')

    def chunked(body: bytes) -> Iterator[bytes]:
        yield from (body[at : at + 1000] for at in range(0, len(body), 1000))

    for send in (bytes, chunked):
        for size, status in ((BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)):
            body = sized(size)
            assert len(body) == size
            response = client.post("/graphql", content=send(body), headers={"content-type": JSON})
            assert response.status_code == status
    assert codes(response.json()) == ["TOO_LARGE"]


@pytest.mark.parametrize("header", [b"content-length: 99999999999", b"transfer-encoding: chunked"])
def test_a_body_too_large_is_refused_while_it_is_still_coming(address: str, header: bytes) -> None:
    url = httpx.URL(address)
    with socket.create_connection((url.host, url.port or 0), timeout=10) as connection:
        connection.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            + header
            + b"\r\n\r\n"
        )
        if header.endswith(b"chunked"):
            connection.sendall((b"1000\r\n" + b" " * 0x1000 + b"\r\n") * 3)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_leaves_while_sending_disturbs_nobody(
    address: str, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    url = httpx.URL(address)
    for _ in range(3):
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(
                b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b'content-length: 100\r\n\r\n{"query":'
            )
    assert ask(client, "{hello}") == {"data": {"hello": "Hello, world!"}}
    assert caplog.records == []


# Errors


def test_an_error_for_the_client_keeps_its_code_and_the_other_data(client: httpx.Client) -> None:
    assert ask(client, "{ missing hello }") == {
        "errors": [
            {
                "message": "There is no grid 'x'.",
                "locations": [{"line": 1, "column": 3}],
                "path": ["missing"],
                "extensions": {"code": "NOT_FOUND"},
            }
        ],
        "data": {"missing": None, "hello": "Hello, world!"},
    }


def test_an_error_that_takes_all_data_with_it_is_still_an_answer(client: httpx.Client) -> None:
    response = client.post("/graphql", json={"query": "{required}"}, headers={"accept": GRAPHQL})
    assert response.status_code == 200
    assert response.json()["data"] is None
    assert codes(response.json()) == ["UNAVAILABLE"]


@pytest.mark.parametrize("field", ["bug", "libraryBug", "wrongType"])
def test_what_is_not_for_the_client_is_logged_with_the_number_that_it_is_told(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    answer = ask(client, f"{{ {field} hello }}")
    assert "hunter2" not in json.dumps(answer)
    assert answer["data"] == {field: None, "hello": "Hello, world!"}
    [error] = answer["errors"]
    assert error["path"] == [field]
    assert error["extensions"] == {"code": "INTERNAL"}
    text, _, number = error["message"].rpartition(": ")
    assert text == "Something went wrong here. If it lasts, report it with this number"
    [record] = caplog.records
    assert (record.name, record.levelno) == ("gridmap", logging.ERROR)
    assert number in record.getMessage()
    assert record.exc_info
    assert "hunter2" in str(record.exc_info[1])


def test_one_fault_seen_by_many_fields_is_logged_once(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ask(client, "{ numbers(span: {first: 1, last: 9}) { broken } }")
    assert len(answer["errors"]) == 9
    assert len({error["message"] for error in answer["errors"]}) == 1
    assert len(caplog.records) == 1


def test_a_value_that_json_cannot_hold_is_masked_like_any_fault(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = client.post("/graphql", json={"query": "{unwritable}"}, headers={"accept": JSON})
    assert (response.status_code, codes(response.json())) == (500, ["INTERNAL"])
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ('{ dayAfter(day: "31 May") }', {}, "INVALID"),
        ("query ($day: Date!) { dayAfter(day: $day) }", {"day": "31 May"}, "INVALID"),
        ("{ coded(code: 5) }", {}, "INVALID"),
        ("query ($code: Code!) { coded(code: $code) }", {"code": 5}, "INVALID"),
        ("query ($n: Int) { coded(code: {n: $n}) }", {"n": 5}, "INVALID"),
        ('{ coded(code: "large") }', {}, "TOO_LARGE"),
        ("query ($code: Code!) { coded(code: $code) }", {"code": "large"}, "TOO_LARGE"),
        ("{ numbers(span: {first: true}) { value } }", {}, "INVALID"),
        ("query ($n: Int!) { numbers(span: {first: $n}) { value } }", {"n": 1.5}, "INVALID"),
    ],
)
def test_a_value_that_its_type_refuses_is_the_clients_to_mend(
    client: httpx.Client,
    caplog: pytest.LogCaptureFixture,
    query: str,
    variables: dict[str, object],
    code: str,
) -> None:
    answer = ask(client, query, **variables)
    assert codes(answer) == [code]
    assert "went wrong" not in answer["errors"][0]["message"]
    assert caplog.records == []


def test_a_permission_of_strawberry_keeps_its_message_and_code(client: httpx.Client) -> None:
    [error] = ask(client, "{ closed }")["errors"]
    assert (error["message"], error["extensions"]) == ("Not you.", {"code": "FORBIDDEN"})


@pytest.mark.parametrize(
    ("visitor", "status", "code"), [("stranger", 403, "FORBIDDEN"), ("bug", 500, "INTERNAL")]
)
def test_a_request_that_has_no_context_is_refused_whole(
    client: httpx.Client, visitor: str, status: int, code: str
) -> None:
    for accept in (GRAPHQL, JSON):
        response = client.post(
            "/graphql", json={"query": "{hello}"}, headers={"accept": accept, "x-as": visitor}
        )
        assert (response.status_code, codes(response.json())) == (status, [code])
        assert "hunter2" not in response.text


def test_what_takes_too_long_is_stopped(client: httpx.Client) -> None:
    for accept, status in ((GRAPHQL, 503), (JSON, 200)):
        Context.stopped.clear()
        response = client.post(
            "/graphql", json={"query": "{ slow hello }"}, headers={"accept": accept}
        )
        assert response.status_code == status
        assert response.json().keys() == {"errors"}
        assert codes(response.json()) == ["UNAVAILABLE"]
        assert "longer than 0.3 seconds" in response.json()["errors"][0]["message"]
        assert Context.stopped.wait(10)


# Strawberry


@pytest.mark.parametrize(
    "query",
    [
        '{ hello other: hello(name: "grid") }',
        "{ numbers(span: {first: 1}) { value square next { value next { square } } } }",
        "query ($n: Int = 2) { numbers(span: {first: $n, last: 2}) { ... on Number { value } } }",
        '{ dayAfter(day: "2024-02-28") }',
        "{ given __typename }",
        "query ($yes: Boolean = false) { hello @skip(if: $yes) given @include(if: $yes) }",
    ],
)
def test_answers_are_those_of_strawberry_itself(client: httpx.Client, query: str) -> None:
    async def strawberrys() -> Any:
        return await schema.execute(query, variable_values={}, context_value=Context())

    expected = asyncio.run(strawberrys())
    assert expected.errors is None
    assert ask(client, query) == {"data": expected.data}


def test_resolvers_see_variables_and_extensions(client: httpx.Client) -> None:
    response = client.post(
        "/graphql",
        json={
            "query": "query ($n: Int!, $m: Int! = 7) "
            "{ given numbers(span: {first: $n, last: $m}) { value } }",
            "variables": {"n": 7},
            "extensions": {"trace": "on"},
        },
    )
    given = json.loads(response.json()["data"]["given"])
    assert given == [{"n": 7, "m": 7}, {"trace": "on"}, "given"]


def test_siblings_share_one_batch(client: httpx.Client) -> None:
    ask(client, "{ numbers(span: {first: 1, last: 50}) { square } }")
    assert Context.loads == [list(range(1, 51))]


def test_json_that_is_written_already_is_sent_as_it_is(client: httpx.Client) -> None:
    response = client.post("/graphql", json={"query": "{ shape }"})
    assert response.text == ('{"data":{"shape":{"type":"Point","coordinates":[130.2866,47.34]}}}')


def test_a_schema_with_extensions_is_not_served_without_them() -> None:
    extended = strawberry.Schema(query=Mutation, extensions=[DisableIntrospection])
    with pytest.raises(ValueError, match="extensions"):
        GraphQLEndpoint(extended, context)


# Kept documents


def test_a_document_is_prepared_once() -> None:
    documents = Documents(schema, Limits(), 10, 1000)
    assert documents.checked("{hello}") is documents.checked("{hello}")


def test_the_documents_longest_unused_make_room_for_others() -> None:
    documents = Documents(schema, Limits(), 2, 1000)
    first, second = documents.checked("{a:hello}"), documents.checked("{b:hello}")
    assert documents.checked("{a:hello}") is first
    documents.checked("{c:hello}")
    assert documents.checked("{a:hello}") is first
    assert documents.checked("{b:hello}") is not second


def test_kept_documents_are_bounded_by_their_text() -> None:
    documents = Documents(schema, Limits(), 1000, 20)
    first = documents.checked("{a:hello}")
    long = documents.checked("{hello}" + "#" * 20)
    assert documents.checked("{a:hello}") is not first
    assert documents.checked("{hello}" + "#" * 20) is not long


def test_a_document_with_errors_is_not_kept() -> None:
    documents = Documents(schema, Limits(), 1, 1000)
    kept = documents.checked("{hello}")
    for bad in ("{", "{nowhere}"):
        with pytest.raises(Failed):
            documents.checked(bad)
    assert documents.checked("{hello}") is kept


# Answers that the client has


def test_the_same_question_by_get_has_one_tag_by_which_it_is_not_sent_again(
    client: httpx.Client,
) -> None:
    query = {"query": "{ hello }"}
    first, head = client.get("/graphql", params=query), client.head("/graphql", params=query)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    assert first.headers["cache-control"] == "private, no-cache"
    assert head.headers["etag"] == tag
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get("/graphql", params=query, headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert again.headers["vary"] == "accept, authorization"
    for unknown in ('"other"', tag.strip('"'), ""):
        again = client.get("/graphql", params=query, headers={"if-none-match": unknown})
        assert (again.status_code, again.content) == (200, first.content)


def test_another_answer_and_another_type_of_it_have_other_tags(client: httpx.Client) -> None:
    def tag(query: str, accept: str) -> str:
        response = client.get("/graphql", params={"query": query}, headers={"accept": accept})
        return response.headers["etag"]

    tags = {tag("{ hello }", JSON), tag("{ hello }", GRAPHQL), tag('{ hello(name: "x") }', JSON)}
    assert len(tags) == 3


def test_what_is_posted_or_has_errors_has_no_tag(client: httpx.Client) -> None:
    answers = [
        client.post("/graphql", json={"query": "{ hello }"}, headers={"if-none-match": "*"}),
        client.get("/graphql", params={"query": "{ missing }"}, headers={"if-none-match": "*"}),
        client.get("/graphql", params={"query": "{ nowhere }"}, headers={"if-none-match": "*"}),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert "etag" not in answer.headers
        assert "cache-control" not in answer.headers
