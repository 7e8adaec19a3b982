"""A real `gridmap serve` to measure: started on a database, asked over HTTP, and watched."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
from pydantic import SecretStr
from rich.console import Console

from gridmap import migrations
from gridmap.api.demo import EXAMPLE, load_demo
from gridmap.api.identity import Tokens
from gridmap.migrations import row_security
from gridmap.store.database import tool_engine
from gridmap.store.viewers import ANONYMOUS, Role, Viewer

_JSON = {"content-type": "application/json"}

AUDITOR = Viewer(Role.AUDITOR, "bench")
"""Who sees all that there is."""

_SECRET = SecretStr(secrets.token_hex(32))
_VALID = timedelta(days=1)

_IDLE_SECONDS = 2.0
_VERSION = "query ($point: PointInput!) { locate(point: $point) { snapshotVersion } }"


class Server(NamedTuple):
    address: str
    process: int


def load_demo_district(url: str) -> None:
    """Makes an empty database the demo's."""
    engine = tool_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    load_demo(engine, Console(quiet=True))
    engine.dispose()


# What is measured is how fast it is, and not how much it lets through.
UNCOUNTED = {f"GRIDMAP_{what}_PER_MINUTE": "0" for what in ("REQUESTS", "REPORTS", "PHOTOS")}


@contextmanager
def served(url: str, **environment: str) -> Iterator[Server]:
    """A server that answers from memory, on a database that is migrated."""
    engine = tool_engine(url)
    with engine.begin() as connection:
        row_security.make_logins(connection)
    engine.dispose()
    server = subprocess.Popen(
        [sys.executable, "-m", "gridmap", "serve"],
        env={
            **os.environ,
            **UNCOUNTED,
            "PORT": "0",
            "COLUMNS": "200",
            "DATABASE_URL": url,
            # The cluster asks for none.
            "GRIDMAP_SERVER_PASSWORD": "of the benchmarks",
            "GRIDMAP_SECRET": _SECRET.get_secret_value(),
            **environment,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if found := re.search(r"Serving on (http://[\d.]+:\d+)", line):
                _wait_until_it_remembers(found[1])
                yield Server(found[1], server.pid)
                return
        raise AssertionError("The server did not start.")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)


def _wait_until_it_remembers(address: str) -> None:
    while httpx.get(f"{address}/readyz").status_code != 200:
        time.sleep(0.1)
    longitude, latitude = EXAMPLE
    point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
    sent = request(_VERSION, {"point": point})
    # What comes from the database has versions with colons.
    while ":" in answered(address, sent)["locate"]["snapshotVersion"]:
        time.sleep(0.1)


def request(query: str, variables: dict[str, object]) -> bytes:
    """A request as it is posted."""
    return orjson.dumps({"query": query, "variables": variables})


def answered(address: str, sent: bytes) -> Any:
    """The data of the answer; an error ends the benchmark."""
    return orjson.loads(Client(address).post(sent))["data"]


class Client:
    """A connection that is kept, and does so little that an answer's time is the server's."""

    def __init__(self, address: str, viewer: Viewer = ANONYMOUS) -> None:
        self._headers = dict(_JSON)
        if viewer is not ANONYMOUS:
            token = Tokens(_SECRET).issue(viewer, _VALID)
            self._headers["authorization"] = f"Bearer {token}"
        self._connection = HTTPConnection(address.removeprefix("http://"), timeout=120)
        self._used = 0.0

    def post(self, sent: bytes) -> bytes:
        """The answer to a request; one with errors ends the benchmark."""
        if time.monotonic() > self._used + _IDLE_SECONDS:
            self._connection.close()  # before the server does; it is opened again by itself
        self._connection.request("POST", "/graphql", sent, self._headers)
        answer = self._connection.getresponse().read()
        self._used = time.monotonic()
        if b'"errors"' in answer:
            raise AssertionError(answer.decode()[:1000])
        return answer


def cpu_seconds(process: int) -> float:
    """What a process with its threads has used, by the kernel's finest count."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def memory(process: int, line: str) -> float:
    """In MB: "VmRSS" now, "VmHWM" at most."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition(f"{line}:")[2].split()[0]) / 1024
