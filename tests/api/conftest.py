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
from typing import Any

import httpx
import pytest


@dataclass(frozen=True)
class Server:
    """A running server and what it answers."""

    address: str
    process: subprocess.Popen[str]

    def ask(self, query: str, **variables: object) -> Any:
        """The data that a query gives; an error fails the test."""
        answer = httpx.post(
            f"{self.address}/graphql",
            json={"query": query, "variables": variables},
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
    """`gridmap serve` or `gridmap demo` with these settings, until the block ends."""
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
                yield Server(found[1], process)
                break
        else:
            raise AssertionError(f"The server did not start:\n{said}")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def server(demo_url: str) -> Iterator[Server]:
    """A server on a copy of the demo district."""
    with gridmap("serve", DATABASE_URL=demo_url) as server:
        yield server
