"""OWASP's GraphQL Cheat Sheet, item by item: those that no other test holds.

The whole list, with where each item is held, stands in SECURITY.md.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
)
from pydantic import SecretStr

from gridmap.api.identity import Tokens
from gridmap.schema.root import schema
from gridmap.store.dates import now
from gridmap.store.viewers import Role, Viewer
from tests.api.conftest import Server, gridmap
from tests.api.test_fuzzing import SECRET

ROOT = Path(__file__).parents[2]
PHONE = "13904685678"
SUBMIT = "mutation ($input: SubmitReportInput!) { submitReport(input: $input) { number receipt } }"

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def server(demo_url: str) -> Iterator[Server]:
    settings = {"GRIDMAP_SECRET": SECRET, "GRIDMAP_STATEMENT_TIMEOUT": "1"}
    with gridmap("serve", DATABASE_URL=demo_url, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def ask(server: Server) -> Iterator[Ask]:
    with httpx.Client(base_url=server.address, timeout=60) as client:

        def ask(query: str, role: Role | None = None, **variables: Any) -> Any:
            headers = {}
            if role is not None:
                viewer = Viewer(role, "somebody")
                token = Tokens(SecretStr(SECRET)).issue(viewer, timedelta(hours=1))
                headers["authorization"] = f"Bearer {token}"
            body = {"query": query, "variables": variables}
            return client.post("/graphql", json=body, headers=headers).json()

        yield ask


def code(answer: Any) -> str:
    return str(answer["errors"][0]["extensions"]["code"])


def report(**more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "point": {"longitude": 130.287, "latitude": 47.36, "datum": "WGS84"},
        "capturedAt": now().isoformat(),
        "category": "0101",
        "description": "楼道口有垃圾",
        **more,
    }


def object_types() -> Iterator[GraphQLObjectType]:
    for name, type_ in schema._schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            yield type_


class TestInputValidation:
    def test_input_is_of_types_that_say_what_it_is(self) -> None:
        mutations = schema._schema.mutation_type
        assert mutations is not None
        for name, field in mutations.fields.items():
            assert [*field.args] == ["input"], name
            given = field.args["input"].type
            assert isinstance(given, GraphQLNonNull), name
            assert isinstance(given.of_type, GraphQLInputObjectType), name
        # Nowhere is anything taken of which no type says what it is.
        for type_ in schema._schema.type_map.values():
            if isinstance(type_, GraphQLObjectType):
                arguments = [
                    each for field in type_.fields.values() for each in field.args.values()
                ]
                assert not any(get_named_type(each.type).name == "JSON" for each in arguments)
            if isinstance(type_, GraphQLInputObjectType):
                for field_ in type_.fields.values():
                    assert get_named_type(field_.type).name != "JSON"

    @pytest.mark.parametrize(
        "given",
        ["２３０４０２", "٢٣٠٤٠٢", "230402'", " 230402", "230402\n", "23%", "*", "\u202e230402"],
    )
    def test_codes_have_the_characters_that_are_allowed_and_no_others(
        self, ask: Ask, given: str
    ) -> None:
        for field in ("region", "grid", "building", "sponsor"):
            answer = ask(
                f"query ($code: String!) {{ {field}(code: $code) {{ code }} }}", code=given
            )
            assert (answer.get("data") or {}).get(field) is None
            assert all(code(answer) == "INVALID" for _ in answer.get("errors", [])), answer

    def test_text_has_one_encoding(self, server: Server) -> None:
        text = '{"query": "query Q($x: String = \\"网格\\") { grids(region: $x) { totalCount } }"}'
        for encoding in ("gbk", "big5", "utf-16", "utf-32"):
            content = text.encode(encoding)
            for kind in ("application/json", f"application/json; charset={encoding}"):
                address = f"{server.address}/graphql"
                answer = httpx.post(address, content=content, headers={"content-type": kind})
                assert answer.status_code in (400, 415)
                assert code(answer.json()) == "INVALID"

    def test_a_refusal_does_not_tell_how_it_came_to_be(self, ask: Ask) -> None:
        for answer in (
            ask('{ region(code: "x") { code } }'),
            ask('{ node(id: "x") { id } }'),
            ask('{ reports(after: "x") { nodes { id } } }'),
            ask(SUBMIT, input=report(category="9999")),
            ask(SUBMIT, input={}),
        ):
            said = str(answer).lower()
            for word in ("select ", "psycopg", "sqlalchemy", "traceback", ".py", "strawberry"):
                assert word not in said


class TestInjection:
    @pytest.mark.parametrize(
        "given",
        [
            "' OR '1'='1",
            "'; DROP TABLE reports; --",
            "\\' OR 1=1 --",
            "%",
            "_",
            "$1",
            "%s",
            ":text",
        ],
    )
    def test_sql_is_never_made_of_what_somebody_sent(
        self, ask: Ask, demo_url: str, given: str
    ) -> None:
        with psycopg.connect(demo_url) as connection:
            counted = (
                "SELECT count(*) FROM reports WHERE position(lower(%s) IN lower(description)) > 0"
            )
            [expected] = connection.execute(counted, [given]).fetchone() or [None]
        query = "query ($filter: ReportFilter) { reports(filter: $filter) { totalCount } }"
        answer = ask(query, Role.ADMINISTRATOR, filter={"text": given})
        assert answer["data"]["reports"]["totalCount"] == expected
        for name in ("sponsor", "handler", "category", "number"):
            answer = ask(query, Role.ADMINISTRATOR, filter={name: given})
            found = (answer.get("data") or {}).get("reports")
            assert not found or found["totalCount"] == 0

    def test_no_address_that_somebody_sends_is_asked_by_the_server(
        self, server: Server, ask: Ask
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(0.2)
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
            host = url.removeprefix("http://").removesuffix("/x")
            ask(SUBMIT, input=report(description=url, reporter={"name": url}))
            ask(SUBMIT, input=report(photos=[url]))
            ask("query ($id: ID!) { node(id: $id) { id } }", id=url)
            headers = {"host": host, "x-forwarded-host": host, "referer": url, "origin": url}
            for path in ("/sign-in", "/tiles/style.json", "/tiles/grids.json", "/graphql"):
                httpx.get(server.address + path, params={"next": url}, headers=headers)
            token = {"authorization": f"Bearer {url}"}
            httpx.get(f"{server.address}/graphql?query={{viewer{{role}}}}", headers=token)
            with pytest.raises(TimeoutError):
                listening.accept()

    def test_no_header_is_made_of_lines_that_somebody_sends(self, server: Server) -> None:
        broken = "x\r\nset-cookie: a=b"
        for path, parameters in (
            ("/sign-in", {"next": f"/{broken}"}),
            ("/reports.csv", {"language": broken}),
            ("/coverage/gaps.csv", {"region": broken}),
            ("/m", {"next": broken}),
        ):
            answer = httpx.get(f"{server.address}{path}", params=parameters)
            assert "set-cookie" not in answer.headers
        answer = httpx.get(f"{server.address}/%0d%0aset-cookie:%20a=b")
        assert "set-cookie" not in answer.headers

    def test_a_request_ends_where_all_agree_that_it_ends(self, server: Server) -> None:
        head = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        hidden = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
        for lengths in (
            b"content-length: 4\r\ntransfer-encoding: chunked\r\n",
            b"transfer-encoding: chunked\r\ncontent-length: 4\r\n",
            b"content-length: 4\r\ncontent-length: 5\r\n",
            b"transfer-encoding: chunked, identity\r\n",
            b"content-length: +4\r\n",
        ):
            port = int(server.address.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(head + lengths + b"\r\n0\r\n\r\n" + hidden)
                answer = b""
                while part := connection.recv(65_536):
                    answer += part
            assert answer.startswith(b"HTTP/1.1 400 "), lengths
            assert b"alive" not in answer


class TestDenialOfService:
    def test_a_query_is_so_deep_and_no_deeper(self, ask: Ask) -> None:
        query = "{ code }"
        for _ in range(15):
            query = f"{{ parent {query} }}"
        assert code(ask(f'{{ region(code: "230402") {query} }}')) == "TOO_LARGE"

    def test_nobody_gets_99999999_of_anything(self, ask: Ask) -> None:
        assert code(ask("{ reports(first: 99999999) { nodes { id } } }")) == "TOO_LARGE"
        query = "query ($n: Int) { sponsors(first: $n) { nodes { code } } }"
        assert code(ask(query, n=99_999_999)) == "TOO_LARGE"

    def test_every_list_that_grows_comes_in_pages(self) -> None:
        for type_ in object_types():
            for name, field in type_.fields.items():
                if get_named_type(field.type).name.endswith("Connection"):
                    assert {"first", "after"} <= field.args.keys(), f"{type_.name}.{name}"
            if type_.name.endswith("Connection"):
                assert {"edges", "nodes", "pageInfo", "totalCount"} <= type_.fields.keys()

    def test_what_takes_too_long_is_stopped(self, ask: Ask, demo_url: str) -> None:
        with psycopg.connect(demo_url) as connection:
            connection.execute("LOCK TABLE sponsors IN ACCESS EXCLUSIVE MODE")
            assert code(ask('{ sponsor(code: "S2304-01") { name } }')) == "UNAVAILABLE"
        assert ask('{ sponsor(code: "S2304-01") { name } }')["data"]["sponsor"]


class TestAccessControl:
    def test_nobody_changes_anything_without_being_somebody(self, ask: Ask) -> None:
        nodes = ask("{ reports(first: 1) { nodes { id version } } }", Role.ADMINISTRATOR)
        [known] = nodes["data"]["reports"]["nodes"]
        mutations = schema._schema.mutation_type
        assert mutations is not None
        for name in mutations.fields.keys() - {"submitReport"}:
            type_ = mutations.fields[name].args["input"].type
            given = _filled(type_, {"id": known["id"], "version": known["version"]})
            query = f"mutation ($input: {type_}) {{ {name}(input: $input) {{ __typename }} }}"
            for role in (None, Role.AUDITOR):
                answer = ask(query, role, input=given)
                assert answer.get("data") is None, (name, role)

    def test_who_reported_is_told_by_no_way_that_leads_there(self, ask: Ask, demo_url: str) -> None:
        marker = "只有处理人知道"
        given = report(reporter={"name": marker, "phone": PHONE})
        assert ask(SUBMIT, input=given)["data"]
        every = "{ reports(first: 1) { nodes { id grid { code } } } }"
        [known] = ask(every, Role.ADMINISTRATOR)["data"]["reports"]["nodes"]
        shown = "reporter { name phone }"
        # Who handles it is told, so that the question is a question.
        seen = ask(
            f"query ($id: ID!) {{ report(id: $id) {{ {shown} }} }}",
            Role.ADMINISTRATOR,
            id=known["id"],
        )
        assert PHONE in str(seen)
        ways = [
            f"query ($id: ID!) {{ node(id: $id) {{ id }} {way} }}"
            for way in (
                f"report(id: $id) {{ {shown} }}",
                f"one: node(id: $id) {{ ... on Report {{ {shown} }} }}",
                f"reports {{ edges {{ node {{ {shown} }} }} }}",
                f"reports {{ nodes {{ {shown} }} }}",
                f"report(id: $id) {{ grid {{ reports {{ nodes {{ {shown} }} }} }} }}",
            )
        ]
        for way in ways:
            for role in (None, Role.RESIDENT):
                answer = str(ask(way, role, id=known["id"]))
                assert PHONE not in answer
                assert marker not in answer
        with psycopg.connect(demo_url, autocommit=True) as connection:
            connection.execute("DELETE FROM reporters WHERE phone = %s", [PHONE])


def _filled(type_: Any, known: dict[str, Any]) -> Any:
    """A value of this type that makes sense as far as types say so."""
    if isinstance(type_, GraphQLNonNull):
        return _filled(type_.of_type, known)
    if isinstance(type_, GraphQLList):
        return [_filled(type_.of_type, known)]
    if isinstance(type_, GraphQLInputObjectType):
        return {
            name: known.get(name, _filled(field.type, known))
            for name, field in type_.fields.items()
            if isinstance(field.type, GraphQLNonNull)
        }
    values = {"Int": 1, "Float": 1.0, "Boolean": True, "UUID": str(uuid4())}
    values |= {"Date": str(now().date()), "DateTime": now().isoformat(), "ID": known["id"]}
    return values.get(type_.name, next(iter(getattr(type_, "values", ["230402"]))))


class TestBatching:
    def test_no_field_lets_anybody_guess_again_and_again(self) -> None:
        names = {name.lower() for type_ in object_types() for name in type_.fields}
        arguments = {
            argument.lower()
            for type_ in object_types()
            for field in type_.fields.values()
            for argument in field.args
        }
        for secret in ("password", "login", "signin", "token", "otp", "pin", "secret"):
            assert secret not in names | arguments

    def test_what_is_kept_is_counted_one_by_one_and_not_by_requests(self, demo_url: str) -> None:
        given = {f"r{number}": report() for number in range(5)}
        declared = ", ".join(f"${name}: SubmitReportInput!" for name in given)
        asked = " ".join(f"{name}: submitReport(input: ${name}) {{ number }}" for name in given)
        with (
            gridmap("serve", DATABASE_URL=demo_url, GRIDMAP_REPORTS_PER_MINUTE="3") as server,
            psycopg.connect(demo_url, autocommit=True) as connection,
        ):
            connection.execute("TRUNCATE counts")
            [before] = connection.execute("SELECT count(*) FROM reports").fetchone() or [0]
            body = {"query": f"mutation ({declared}) {{ {asked} }}", "variables": given}
            answer = httpx.post(f"{server.address}/graphql", json=body).json()
            assert {code({"errors": [each]}) for each in answer["errors"]} == {"RATE_LIMITED"}
            [after] = connection.execute("SELECT count(*) FROM reports").fetchone() or [0]
        assert after - before == 3


def test_every_item_of_the_list_names_tests_that_there_are() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)`((?:, | and |: )?(?:`\w+`(?:, | and )?)*)", text)
    assert len(named) > 15
    for file, tests in named:
        code_ = (ROOT / file).read_text()
        for test in re.findall(r"`(\w+)`", tests):
            assert f"def {test}(" in code_, f"{test} is not in {file}"
