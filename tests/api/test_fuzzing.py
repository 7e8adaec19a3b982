"""Whatever a client sends, it is told what was wrong: nothing fails of it that nobody meant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import psycopg
import pytest
from graphql import GraphQLField, GraphQLObjectType
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gridmap.api.identity import Tokens
from gridmap.schema.root import schema
from gridmap.store.dates import now
from gridmap.store.viewers import Role, Viewer
from tests.api.conftest import gridmap
from tests.api.hostile import operation, texts, values

SECRET = "a secret of these tests, of no use elsewhere"
EXAMPLES = int(os.environ.get("GRIDMAP_FUZZ_EXAMPLES", "8"))
"""Of each field. `make audit` takes more."""

CODES = {
    "PARSE_FAILED",
    "VALIDATION_FAILED",
    "INVALID",
    "TOO_LARGE",
    "NOT_FOUND",
    "FORBIDDEN",
    "CONFLICT",
    "UNAVAILABLE",
}
"""What may be said of a request that means no good. Not INTERNAL."""

VIEWERS = {
    "nobody": None,
    "administrator": Viewer(Role.ADMINISTRATOR, "administrator"),
    "district": Viewer(Role.DISTRICT, "district", frozenset({"230402"})),
    "worker": Viewer(Role.GRID_WORKER, "W230402-008", frozenset({"230402001001008"})),
}

ROOTS: list[tuple[str, str, GraphQLField]] = [
    (kind, name, field)
    for kind, root in (
        ("query", schema._schema.query_type),
        ("mutation", schema._schema.mutation_type),
        ("subscription", schema._schema.subscription_type),
    )
    if isinstance(root, GraphQLObjectType)
    for name, field in root.fields.items()
]


POINTS = [
    {"longitude": 130.2901, "latitude": 47.3598, "datum": "WGS84", "accuracy": 60},
    {"longitude": 130.2969, "latitude": 47.3623, "datum": "GCJ02"},
    {"longitude": 0, "latitude": 0, "datum": "BD09"},
]
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[130.29, 47.36], [130.30, 47.36], [130.30, 47.37], [130.29, 47.36]]],
}
SANE: dict[str, list[Any]] = {
    "region": ["230402", "23", "230402001001"],
    "district": ["230402"],
    "community": ["230402001001"],
    "grid": ["230402001001008"],
    "building": ["23040200100100025"],
    "sponsor": ["S2304-01"],
    "worker": ["W230402-008"],
    "category": ["01", "0101"],
    "code": ["230402001001008", "23040200100100025", "230402", "S2304-01"],
    "point": POINTS,
    "points": [POINTS, POINTS[:1], []],
    "bounds": [
        {"west": 130.2, "south": 47.3, "east": 130.4, "north": 47.4},
        {"west": -180, "south": -90, "east": 180, "north": 90},
    ],
    "outline": [SQUARE],
    "together": [["230402001001001", "230402001001002"]],
    "ends": [[], ["230402001001003"]],
    "photos": [[], [], [str(uuid4())]],
    "after": [None],
    "first": [0, 1, 2],
    "zoom": [0, 14],
    "version": [1, 2, 3],
    "radius": [80, 200],
    "evenness": [1.5, 1],
    "tolerance": [1, 0],
    "toleranceMetres": [1, 0],
    "days": [1, 30],
    "stars": [1, 5],
    "String": ["230402", "垃圾"],
    "Float": [1, 60],
    "Int": [1, 3, 12],
    "Boolean": [True, False],
    "Date": ["2026-01-05", "2025-06-01", str(now().date())],
    "DateTime": ["2026-01-05T08:00:00+08:00", "2025-12-28T08:00:00Z"],
    "GeoJSON": [SQUARE],
}
"""What makes sense in the demo district, by the names of arguments or else of scalars."""

_NOUNS = ("region", "grid", "building", "sponsor")


class Asking:
    """A server on the demo district, and what there is in it."""

    def __init__(self, address: str, url: str) -> None:
        self.client = httpx.Client(base_url=address, timeout=60)
        tokens = Tokens(SecretStr(SECRET))
        self.headers = {
            name: {"authorization": f"Bearer {tokens.issue(viewer, timedelta(hours=1))}"}
            if viewer
            else {}
            for name, viewer in VIEWERS.items()
        }
        with psycopg.connect(url) as connection:
            reports = [
                str(id) for (id,) in connection.execute("SELECT id FROM reports LIMIT 3").fetchall()
            ]
        self._sane = {**SANE, "UUID": [str(uuid4()), *reports]}
        self._ids = self._known_ids()

    def sane_for(self, field: str) -> dict[str, list[Any]]:
        """What makes sense for a field of the root: what a code and an id name, its name says."""
        reports, grids, buildings, sponsorships = (
            self._ids[kind] for kind in ("reports", "grids", "buildings", "sponsorships")
        )
        ids = [*reports, *grids, *buildings, *sponsorships]
        if "report" in field.lower():
            ids = reports
        elif "ponsor" in field:
            ids = sponsorships
        known = {"ID": ids}
        codes = [code for noun in _NOUNS if noun in field.lower() for code in SANE[noun]]
        return {**self._sane, **known, **({"code": codes} if codes else {})}

    def _known_ids(self) -> dict[str, list[str]]:
        query = """{
            grids(first: 2) { nodes { id } }
            buildings(sponsor: "S2304-01", first: 2) { nodes { id sponsorships { id } } }
            reports(first: 6) { nodes { id } }
        }"""
        data = self.asked({"query": query}, "administrator").json()["data"]
        ids = {noun: [each["id"] for each in data[noun]["nodes"]] for noun in data}
        ids["sponsorships"] = [
            each["id"] for node in data["buildings"]["nodes"] for each in node["sponsorships"]
        ]
        return ids

    def asked(self, body: object, viewer: str = "nobody") -> httpx.Response:
        """The answer, without its body where that is a stream of events, which goes on."""
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream;q=0.1",
            **self.headers[viewer],
        }
        content = json.dumps(body)
        with self.client.stream("POST", "/graphql", content=content, headers=headers) as answer:
            if not answer.headers["content-type"].startswith("text/event-stream"):
                answer.read()
            return answer


@pytest.fixture(scope="module")
def asking(demo_url: str) -> Iterator[Asking]:
    with gridmap("serve", DATABASE_URL=demo_url, GRIDMAP_SECRET=SECRET) as server:
        asking = Asking(server.address, demo_url)
        yield asking
        asking.client.close()


def check(answer: httpx.Response) -> None:
    """The answer is one that a client can act upon."""
    if answer.headers["content-type"].startswith("text/event-stream"):
        return
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    for error in answer.json().get("errors", []):
        assert error["extensions"]["code"] in CODES, error


def fuzzed(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@pytest.mark.parametrize(
    ("kind", "name", "field"), ROOTS, ids=[f"{kind}-{name}" for kind, name, _ in ROOTS]
)
def test_no_field_fails_of_what_it_is_given(
    asking: Asking, kind: str, name: str, field: GraphQLField
) -> None:
    document, variables = operation(kind, name, field)

    @fuzzed(EXAMPLES)
    @given(values(variables, asking.sane_for(name)), st.sampled_from(sorted(VIEWERS)))
    def asked(given: dict[str, Any], viewer: str) -> None:
        check(asking.asked({"query": document, "variables": given}, viewer))

    asked()


PATHS = st.one_of(
    st.tuples(st.just("tiles"), st.sampled_from(["grids", "reports", "regions"]), *[texts] * 3),
    st.tuples(st.just("tiles"), st.just("grids"), *[st.integers(-1, 40).map(str)] * 3),
    st.tuples(st.sampled_from(["tiles", "packs", "photos", "coverage"]), texts),
    st.tuples(st.just("photos"), texts, st.just("thumbnail")),
    st.tuples(st.sampled_from(["reports", "tiles/grids", "packs/230402", "coverage/buildings"])),
)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        ["region", "on", "filter", "language", "since", "layer", "sponsor", "days", "datum", "x"]
    ),
    st.sampled_from(["230402", "2026-01-05", "{}", "null", '{"region": 1}', "GCJ02"]) | texts,
    max_size=3,
)


@fuzzed(8 * EXAMPLES)
@given(
    path=PATHS,
    ending=st.sampled_from(["", ".json", ".csv", ".xlsx", ".mvt"]),
    parameters=PARAMETERS,
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]),
    headers=st.sampled_from(
        [
            {},
            {"if-none-match": '"'},
            {"authorization": "Bearer x"},
            {"authorization": "\xff"},
            {"content-type": "image/jpeg"},
            {"content-type": "image/jpeg", "content-digest": "sha-256=:?:"},
            {"accept-encoding": "br;q=x, ,"},
            {"range": "bytes=9-1"},
        ]
    ),
)
def test_no_file_fails_of_what_it_is_asked_by(
    asking: Asking,
    path: tuple[str, ...],
    ending: str,
    parameters: dict[str, str],
    method: str,
    headers: dict[str, str],
) -> None:
    parts = "/".join(quote(part, safe="/", errors="replace") for part in path)
    query = urlencode(parameters, errors="replace")
    address = f"/{parts}{ending}?{query}"
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = asking.client.request(method, address, headers=sent)
    assert answer.status_code < 500 or answer.status_code == 503, (address, answer.text)
    if answer.status_code >= 400 and "json" in answer.headers.get("content-type", ""):
        for error in answer.json()["errors"] if answer.content else ():
            assert error["extensions"]["code"] in {*CODES, "UNAUTHENTICATED"}


BODIES = st.one_of(
    st.binary(max_size=40),
    texts.map(lambda text: json.dumps({"query": text}).encode()),
    texts.map(
        lambda text: json.dumps({"query": f'{{ region(code: "{text}") {{ id }} }}'}).encode()
    ),
    st.sampled_from(
        [
            b'{"query": "{ viewer { role } }", "variables": {"x": 1e999}}',
            b'{"query": "{ viewer { role } }", "variables": {"x": NaN}}',
            b'{"query": "{ viewer { role } }", "query": 1}',
            b'{"query": "query ($x: Float!) { __typename @skip(if: $x) }", "variables": {"x": 1}}',
            b'{"query": "{ viewer { role } }", "operationName": "\\ud800"}',
            b'{"query": "{ viewer { role } }", "extensions": {"cost": [1]}}',
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"name": 1, "password": []}',
            b'{"name": "\\u0000", "password": "\\u0000", "app": 1}',
            b'{"refreshToken": "\\u0000"}',
            b'{"refreshToken": ""}',
        ]
    ),
)


@fuzzed(4 * EXAMPLES)
@given(
    body=BODIES,
    path=st.sampled_from(["/graphql", "/graphql", "/sign-in", "/sign-in/refresh", "/sign-out"]),
)
def test_no_body_makes_a_request_fail(asking: Asking, body: bytes, path: str) -> None:
    answer = asking.client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if answer.status_code != 204:
        for error in answer.json().get("errors", []):
            assert error["extensions"]["code"] in {*CODES, "UNAUTHENTICATED", "RATE_LIMITED"}
