"""The page in which a person tries queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
import strawberry
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from gridmap.api import graphiql
from gridmap.api.graphql import GraphQLEndpoint
from tests.api.node_packages import install, run
from tests.api.serving import served

# What Chromium and Firefox send when an address is typed in.
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

WEB = Path(__file__).parents[2] / "web" / "graphiql"


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "Hello!"


@pytest.fixture(scope="module", params=["", "/behind/a/prefix"])
def client(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    endpoint = GraphQLEndpoint(
        strawberry.Schema(query=Query), lambda _: None, body_limit=1000, time_limit_seconds=5
    )
    routes = [Route("/graphql", endpoint), *graphiql.routes]
    with (
        served(Starlette(routes=[Mount(request.param, routes=routes)])) as address,
        httpx.Client(base_url=address + request.param) as client,
    ):
        yield client


class References(HTMLParser):
    """Every address that a page names, and every script that is written into it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        for name, value in attrs:
            if name in ("src", "href"):
                self.addresses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")

    def handle_data(self, data: str) -> None:
        if self._tag in ("script", "style") and data.strip():
            self.inline.append(data)


def test_a_browser_that_comes_without_a_query_gets_the_page(client: httpx.Client) -> None:
    for method in ("GET", "HEAD"):
        response = client.request(method, "graphql", headers={"accept": BROWSER})
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers["vary"] == "accept"


@pytest.mark.parametrize("accept", [BROWSER, "application/json", "*/*"])
def test_a_query_is_answered_whoever_asks(client: httpx.Client, accept: str) -> None:
    response = client.get("graphql", params={"query": "{hello}"}, headers={"accept": accept})
    assert response.json() == {"data": {"hello": "Hello!"}}


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html;q=0.5, */*"])
def test_whoever_asks_for_json_without_a_query_is_told_that_one_is_missing(
    client: httpx.Client, accept: str
) -> None:
    response = client.get("graphql", headers={"accept": accept})
    assert response.status_code == 400
    assert "no 'query'" in response.json()["errors"][0]["message"]


def test_an_endpoint_may_go_without_the_page() -> None:
    endpoint = GraphQLEndpoint(strawberry.Schema(query=Query), lambda _: None, page=None)
    with served(Starlette(routes=[Route("/graphql", endpoint)])) as address:
        response = httpx.get(f"{address}/graphql", headers={"accept": BROWSER})
        assert response.status_code == 400


def test_all_that_the_page_names_is_served_from_here(client: httpx.Client) -> None:
    page = client.get("graphql", headers={"accept": BROWSER})
    names = References(page.text)
    loaded = [address for address in names.addresses if not address.startswith("data:")]
    assert len(loaded) == 6
    for address in loaded:
        assert not re.match(r"/|\w+:", address), f"{address} is not relative"
        response = httpx.get(page.url.join(address))
        assert response.status_code == 200
        kind = "text/css" if address.endswith(".css") else "text/javascript"
        assert response.headers["content-type"].startswith(kind)
        if kind == "text/css":
            assert set(re.findall(r"url\(\s*['\"]?(\w+:)?", response.text)) <= {"data:"}
            assert "@import" not in response.text


def test_the_page_lets_no_script_run_that_is_not_a_file_of_this_server(
    client: httpx.Client,
) -> None:
    page = client.get("graphql", headers={"accept": BROWSER})
    policy = dict(
        rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert References(page.text).inline == []


def test_what_is_served_is_what_the_lock_installs(tmp_path: Path) -> None:
    install(WEB)
    run(WEB / "copy.mjs", str(tmp_path))
    copied = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    kept = {name: (graphiql.FOLDER / name).read_bytes() for name in copied}
    different = [name for name in copied if copied[name] != kept[name]]
    assert different == [], "Run `npm ci --ignore-scripts && npm run copy` in web/graphiql."
    assert {file.name for file in graphiql.FOLDER.iterdir()} == copied.keys() | {
        "index.html",
        "page.css",
        "page.js",
    }


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    assert [name for name, held in lock["packages"].items() if "resolved" in held] == []
