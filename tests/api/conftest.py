"""The real server, as a process of its own on a port that the system gives."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from gridmap.api.identity import Tokens
from gridmap.store.viewers import Role, Viewer
from tests.waiting import PATIENCE_SECONDS

SECRET = "a secret of servers that tests start"


@dataclass(frozen=True)
class Server:
    """A running server and what it answers. `secret` signs its tokens."""

    address: str
    process: subprocess.Popen[str]
    secret: str

    def headers(self, role: Role = Role.ADMINISTRATOR, *codes: str) -> dict[str, str]:
        """Of a request by somebody who has this role."""
        if role is Role.ANONYMOUS:
            return {}
        viewer = Viewer(role, "tester", frozenset(codes))
        token = Tokens(SecretStr(self.secret)).issue(viewer, timedelta(hours=1))
        return {"authorization": f"Bearer {token}"}

    def ask(self, query: str, **variables: object) -> Any:
        """The data that a query gives to the administrator; an error fails the test."""
        answer = httpx.post(
            f"{self.address}/graphql",
            json={"query": query, "variables": variables},
            headers=self.headers(),
            timeout=60,
        ).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


# The server logs in as a role of its own; the tests' cluster asks for no password.
LOGIN = {"GRIDMAP_SERVER_PASSWORD": "of the tests"}
# Tests ask more often than people do.
UNCOUNTED = {f"GRIDMAP_{what}_PER_MINUTE": "0" for what in ("REQUESTS", "REPORTS", "PHOTOS")}


@contextmanager
def gridmap(*arguments: str, **environment: str) -> Iterator[Server]:
    """`gridmap serve` or `gridmap demo` with these settings, until the block ends.

    It has a secret, but for an empty one.
    """
    environment = {"GRIDMAP_SECRET": SECRET, **environment}
    secret = environment["GRIDMAP_SECRET"]
    if not secret:
        del environment["GRIDMAP_SECRET"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gridmap", *arguments],
        env={**os.environ, **LOGIN, **UNCOUNTED, "PORT": "0", "COLUMNS": "200", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    try:
        for line in process.stdout:
            said += line
            if found := re.search(r"Serving on (http://[\d.]+:\d+)", line):
                yield Server(found[1], process, secret)
                break
        else:
            raise AssertionError(f"The server did not start:\n{said}")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def server(demo_url: str) -> Iterator[Server]:
    """A server on a copy of the demo district."""
    with gridmap("serve", DATABASE_URL=demo_url) as server:
        yield server
