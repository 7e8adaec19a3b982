"""What every request passes: numbers in the log, limits by the minute, other sites, headers."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gridmap.api.app import application
from gridmap.api.identity import Tokens
from gridmap.api.rates import Requests, who_is_counted
from gridmap.api.settings import Settings, settings_from_environment
from gridmap.errors import Invalid, TooOften
from gridmap.schema.limits import EACH
from gridmap.store.counts import Rate
from gridmap.store.dates import now
from gridmap.store.viewers import ANONYMOUS, Role, Viewer, holder_of_receipt
from tests.api.conftest import gridmap
from tests.api.serving import served
from tests.conftest import new_database
from tests.waiting import PATIENCE_SECONDS

SECRET = SecretStr("a secret that only tests may know")
AUDITOR = Viewer(Role.AUDITOR, "auditor")
ELSEWHERE = "https://map.example"
PROTOCOL = Subprotocol("graphql-transport-ws")


@contextmanager
def serving(url: str, trusted_proxies: str | None = None, **settings: Any) -> Iterator[str]:
    app = application(Settings(secret=SECRET, **settings), url)
    with served(app, app.state.streams, lifespan="on", trusted_proxies=trusted_proxies) as address:
        yield address


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[str]:
    """A server that lets few through, and believes nobody about addresses."""
    with serving(database_url, requests_per_minute=5) as address:
        yield address


def got(address: str, query: str = "{ viewer { role } }", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(f"{address}/graphql", params={"query": query}, headers=named)


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


class TestRequests:
    def test_too_many_from_one_address_wait_and_nobody_else_does(self, address: str) -> None:
        # 1. An address has its minute's worth, whatever it says of itself.
        for number in range(5):
            assert got(address, x_forwarded_for=f"192.0.2.{number}").status_code == 200
        answer = got(address, x_forwarded_for="192.0.2.77", forwarded="for=192.0.2.78")
        assert said(answer) == (429, "RATE_LIMITED")
        wait = answer.json()["errors"][0]["extensions"]["retryAfterSeconds"]
        assert 0 < wait <= 12
        assert answer.headers["retry-after"] == f"{wait}"
        # 2. A token that is not believed makes nobody somebody else.
        assert said(got(address, authorization="Bearer x"))[0] == 429
        # 3. Who signed in is counted by themselves, over a socket too.
        bearer = f"Bearer {Tokens(SECRET).issue(AUDITOR, timedelta(hours=1))}"
        assert got(address, authorization=bearer).status_code == 200
        with connect(address.replace("http", "ws") + "/graphql", subprotocols=[PROTOCOL]) as socket:
            payload = {"authorization": bearer}
            socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            socket.recv(timeout=PATIENCE_SECONDS)
            kinds = []
            for number in range(5):
                query = {"query": "{ viewer { role } }"}
                socket.send(json.dumps({"type": "subscribe", "id": f"{number}", "payload": query}))
                heard = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
                kinds.append(heard["type"])
                if heard["type"] == "next":
                    assert json.loads(socket.recv(timeout=PATIENCE_SECONDS))["type"] == "complete"
            assert kinds == ["next"] * 4 + ["error"]
            assert heard["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        # 4. Supervisors are never refused.
        assert httpx.get(f"{address}/healthz").status_code == 200

    def test_a_proxy_that_is_trusted_says_for_whom_it_asks(self, database_url: str) -> None:
        with serving(database_url, "127.0.0.0/8", requests_per_minute=2) as address:

            def status(*addresses: str) -> int:
                return got(address, x_forwarded_for=", ".join(addresses)).status_code

            assert [status("192.0.2.1") for _ in range(3)] == [200, 200, 429]
            assert status("192.0.2.2") == 200
            # What a client wrote there before the proxy did counts for nothing.
            assert status("203.0.113.5", "192.0.2.1") == 429
            # Of IPv6 a whole network is one.
            networks = [status(f"2001:db8:0:1::{number}") for number in range(3)]
            assert networks == [200, 200, 429]
            assert status("2001:db8:0:2::1") == 200
            # And by TLS, cookies and browsers are told to keep to it.
            headers = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.9"}
            answer = httpx.post(f"{address}/sign-out", json={}, headers=headers)
            assert answer.headers["strict-transport-security"].startswith("max-age=")
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-gridmap=")
            assert "; Secure" in cookie

    def test_the_count_goes_down_with_time_and_memory_is_bounded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = [1000.0]
        monkeypatch.setattr("gridmap.api.rates.time.monotonic", lambda: clock[0])
        monkeypatch.setattr("gridmap.api.rates._MOST_KEPT", 10)
        requests = Requests(Rate(3, 20))
        for _ in range(3):
            requests.spend("a")
        with pytest.raises(TooOften):
            requests.spend("a")
        clock[0] += 20
        requests.spend("a")
        with pytest.raises(TooOften):
            requests.spend("a")
        for number in range(1000):
            requests.spend(f"{number}")
        assert len(requests._ends) <= 11

    def test_holders_of_receipts_are_counted_by_their_address(self) -> None:
        for viewer in (ANONYMOUS, holder_of_receipt("230402", uuid4())):
            assert who_is_counted(viewer, "192.0.2.1") == "192.0.2.1"
        assert who_is_counted(AUDITOR, "192.0.2.1") == "AUDITOR/auditor"


class TestKept:
    def test_reports_and_photos_are_counted_by_all_servers_together(self, demo_url: str) -> None:
        settings: dict[str, Any] = {"reports_per_minute": 3, "photos_per_minute": 3}
        with ExitStack() as stack:
            servers = [stack.enter_context(serving(demo_url, **settings)) for _ in range(2)]
            submit = (
                "mutation ($input: SubmitReportInput!) { submitReport(input: $input) { number } }"
            )
            answers = []
            for number in range(4):
                point = {"longitude": 130.287, "latitude": 47.36, "datum": "WGS84"}
                given = {
                    "id": str(uuid4()),
                    "point": point,
                    "capturedAt": now().isoformat(),
                    "category": "0101",
                    "description": "楼道口有垃圾",
                }
                asked = {"query": submit, "variables": {"input": given}}
                answers.append(httpx.post(f"{servers[number % 2]}/graphql", json=asked).json())
            assert ["errors" in answer for answer in answers] == [False] * 3 + [True]
            [error] = answers[3]["errors"]
            assert error["extensions"]["code"] == "RATE_LIMITED"
            assert 0 < error["extensions"]["retryAfterSeconds"] <= 20
            # Before their bytes are read.
            statuses = [
                httpx.put(
                    f"{servers[number % 2]}/photos/{uuid4()}",
                    content=b"no image",
                    headers={"content-type": "image/jpeg"},
                )
                for number in range(4)
            ]
            assert [answer.status_code for answer in statuses] == [400, 400, 400, 429]
            assert int(statuses[3].headers["retry-after"]) <= 20


class TestOtherSites:
    def preflight(self, address: str) -> httpx.Response:
        headers = {
            "origin": ELSEWHERE,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        }
        return httpx.options(f"{address}/graphql", headers=headers)

    def test_their_pages_may_not_ask_unless_a_setting_says_so(self, database_url: str) -> None:
        allowed = "access-control-allow-origin"
        with (
            serving(database_url) as closed,
            serving(database_url, cors_origins=f"https://other.example, {ELSEWHERE}") as opened,
        ):
            assert allowed not in self.preflight(closed).headers
            assert allowed not in got(closed, origin=ELSEWHERE).headers
            answer = self.preflight(opened)
            assert (answer.status_code, answer.headers[allowed]) == (200, ELSEWHERE)
            answer = got(opened, origin=ELSEWHERE)
            assert answer.headers[allowed] == ELSEWHERE
            # Cookies are for this site's own pages.
            assert "access-control-allow-credentials" not in answer.headers
            assert allowed not in got(opened, origin="https://evil.example").headers

            def open_socket(address: str) -> None:
                url = address.replace("http", "ws") + "/graphql"
                headers = {"origin": ELSEWHERE}
                with connect(url, subprotocols=[PROTOCOL], additional_headers=headers):
                    pass

            open_socket(opened)
            with pytest.raises(InvalidStatus, match="403"):
                open_socket(closed)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("GRIDMAP_CORS_ORIGINS", "map.example"),
            ("GRIDMAP_CORS_ORIGINS", "https://map.example/page"),
            ("GRIDMAP_TRUSTED_PROXIES", "proxy.example"),
            ("GRIDMAP_TRUSTED_PROXIES", "*"),
            ("GRIDMAP_REQUESTS_PER_MINUTE", "-1"),
        ],
    )
    def test_a_setting_that_makes_no_sense_is_named(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(Invalid, match=name):
            settings_from_environment()


class TestAnswers:
    def test_the_schema_is_told_or_not_by_a_setting(self, database_url: str) -> None:
        query = "{ __schema { queryType { name } } }"
        with serving(database_url, introspection=False) as address:
            assert said(got(address, query)) == (200, "VALIDATION_FAILED")
            assert got(address, "{ __typename }").json() == {"data": {"__typename": "Query"}}

    def test_what_an_operation_costs_is_told_to_whoever_asks(self, database_url: str) -> None:
        with serving(database_url) as address:

            def asked(query: str, **more: Any) -> Any:
                return httpx.post(f"{address}/graphql", json={"query": query, **more}).json()

            page = "query A { grids(first: 7) { nodes { code } } }"
            assert asked(page) == {"data": {"grids": {"nodes": []}}}
            told = asked(page, extensions={"cost": True})
            assert told["extensions"] == {"cost": {"cost": 7, "most": 20_000}}
            # A list that is a variable costs by what it holds.
            many = "query ($points: [PointInput!]!) { a: locateMany(points: $points) { outcome } }"
            point = {"longitude": 130.287, "latitude": 47.36, "datum": "WGS84"}
            costs = [
                asked(many, variables={"points": [point] * count}, extensions={"cost": True})
                for count in (0, 1_000)
            ]
            [none, thousand] = (told["extensions"]["cost"]["cost"] for told in costs)
            assert thousand - none == 1_000 * EACH["locateMany"][1]
            lots = " ".join(f"a{i}: locateMany(points: $points) {{ outcome }}" for i in range(10))
            lots = f"query ($points: [PointInput!]!) {{ {lots} }}"
            [error] = asked(lots, variables={"points": [point] * 10_000})["errors"]
            assert error["extensions"]["code"] == "TOO_LARGE"
            assert error["extensions"]["cost"] > error["extensions"]["most"]
            hotspots = " ".join(f'a{i}: hotspots(region: "23") {{ count }}' for i in range(3))
            [error] = asked(f"{{ {hotspots} }}")["errors"]
            assert error["extensions"] == {"code": "TOO_LARGE", "cost": 30_000, "most": 20_000}

    def test_each_has_a_number_and_tells_browsers_to_be_careful(self, database_url: str) -> None:
        with serving(database_url) as address:
            paths = ("/graphql?query={__typename}", "/graphql", "/nowhere", "/sign-in", "/healthz")
            answers = [
                httpx.get(f"{address}{path}", headers={"accept": "text/html, */*;q=0.1"})
                for path in paths
            ]
        numbers = {answer.headers["x-request-id"] for answer in answers}
        assert len(numbers) == len(paths)
        for answer in answers:
            headers = answer.headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["referrer-policy"] in ("same-origin", "no-referrer")
            # Plain HTTP on this machine is not promised away.
            assert "strict-transport-security" not in headers

    def test_what_went_wrong_is_found_in_the_log_by_what_the_client_was_told(
        self, cluster_url: str
    ) -> None:
        # A database without tables, so that something goes wrong.
        empty = new_database(cluster_url, "without_tables")
        with gridmap("serve", DATABASE_URL=empty, GRIDMAP_LOG_FORMAT="json") as server:
            answer = got(server.address, '{ sponsor(code: "S2304-01") { name } }')
            [error] = answer.json()["errors"]
            server.process.send_signal(signal.SIGTERM)
            logged, _ = server.process.communicate(timeout=PATIENCE_SECONDS)
        id = answer.headers["x-request-id"]
        assert error["extensions"] == {"code": "INTERNAL", "requestId": id}
        assert "relation" not in error["message"]
        number = error["message"].split()[-1]
        lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
        [line] = [line for line in lines if number in line["message"]]
        assert line["request"] == answer.headers["x-request-id"]
        assert line["level"] == "ERROR"
        assert 'relation "sponsors" does not exist' in line["error"]
