"""The log: lines that a program reads, each with its request, and nothing in them about anybody."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gridmap.api.logs import LogFormat, configure_logs
from gridmap.store.database import Database
from gridmap.store.dates import now
from gridmap.store.passwords import hashed
from gridmap.store.users import add_user
from gridmap.store.viewers import Role, Viewer
from tests.api.conftest import Server, gridmap
from tests.waiting import PATIENCE_SECONDS

SECRET = "a secret of these tests, of no use elsewhere"
USER, PASSWORD = "李秘书", "correct horse of the fourth floor"
NAME, PHONE = "张小花", "13904681234"
TEXT = "四楼的邻居每天半夜吵架"
LONGITUDE, LATITUDE = 130.287123456, 47.360123456
SUBMIT = "mutation ($input: SubmitReportInput!) { submitReport(input: $input) { number receipt } }"

BREAK = """
CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'refused: %', NEW; END $$;
CREATE TRIGGER complain BEFORE INSERT ON report_events FOR EACH ROW EXECUTE FUNCTION complain();
"""
"""A database that says in its error what it was given, as constraints do."""


def report(**more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "point": {"longitude": LONGITUDE, "latitude": LATITUDE, "datum": "WGS84"},
        "capturedAt": now().isoformat(),
        "category": "0101",
        "description": TEXT,
        "reporter": {"name": NAME, "phone": PHONE},
        **more,
    }


def test_nothing_that_anybody_sent_is_in_the_log(demo_url: str) -> None:
    async def add() -> None:
        database = Database(demo_url)
        async with database.transaction() as connection:
            viewer = Viewer(Role.DISTRICT, USER, frozenset({"230402"}))
            await add_user(connection, USER, hashed(PASSWORD), viewer, now().date())
        await database.close()

    asyncio.run(add())
    secrets = {SECRET, PASSWORD, NAME, PHONE, TEXT, f"{LONGITUDE}", f"{LATITUDE}"}
    numbers = set()
    with gridmap(
        "serve", DATABASE_URL=demo_url, GRIDMAP_SECRET=SECRET, GRIDMAP_LOG_FORMAT="json"
    ) as server:

        def asked(query: str, headers: dict[str, str] | None = None, **given: Any) -> Any:
            body = {"query": query, "variables": given}
            answer = httpx.post(f"{server.address}/graphql", json=body, headers=headers)
            for error in answer.json().get("errors", []):
                if error["extensions"]["code"] == "INTERNAL":
                    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
                    numbers.add(error["extensions"]["requestId"])
            return answer.json()

        # 1. Somebody signs in, with a wrong password first, and renews what they got.
        for password in (PASSWORD + "!", PASSWORD):
            given = {"name": USER, "password": password, "app": True}
            signed_in = httpx.post(f"{server.address}/sign-in", json=given).json()
        refresh = {"refreshToken": signed_in["refreshToken"]}
        for _ in range(2):
            renewed = httpx.post(f"{server.address}/sign-in/refresh", json=refresh).json()
        secrets |= {signed_in["accessToken"], signed_in["refreshToken"], renewed["accessToken"]}
        bearer = {"authorization": f"Bearer {renewed['accessToken']}"}
        # 2. A report is taken, with all that there is to say, and others are refused.
        receipt = asked(SUBMIT, bearer, input=report())["data"]["submitReport"]["receipt"]
        secrets.add(receipt)
        for wrong in (
            {"category": TEXT},
            {"capturedAt": TEXT},
            {"reporter": {"name": NAME * 100, "phone": PHONE}},
            {"unknown": PHONE},
            {"photos": [str(uuid4())]},
        ):
            assert "errors" in asked(SUBMIT, bearer, input=report(**wrong))
        # 3. The database fails, and tells what it was given.
        with psycopg.connect(demo_url, autocommit=True) as connection:
            connection.execute(BREAK)
            [error] = asked(SUBMIT, bearer, input=report())["errors"]
        assert error["extensions"]["code"] == "INTERNAL"
        # 4. Requests that are broken, in every place in which a token may stand.
        for path in ("/graphql", "/reports.csv", "/sign-in", "/photos/x", f"/nowhere/{PHONE}"):
            for method in ("GET", "POST", "PUT"):
                httpx.request(
                    method,
                    f"{server.address}{path}",
                    params={"query": f"{{ {TEXT}", "filter": PHONE},
                    content=f'{{"name": "{NAME}", "password": "{PASSWORD}"',
                    headers={
                        "content-type": "application/json",
                        "authorization": f"Bearer {receipt}x",
                    },
                )
        raw(server, f"POST /graphql HTTP/9\r\nauthorization: Bearer {receipt}\r\n\r\n{TEXT}")
        raw(server, f"GET /{PHONE} HTTP/1.1\r\ncontent-length: {PHONE}x\r\n\r\n")
        for payload in (
            {"authorization": f"Bearer {receipt}x"},
            {"authorization": [receipt]},
            TEXT,
        ):
            over_socket(server, {"type": "connection_init", "payload": payload})
        server.process.terminate()
        logged, _ = server.process.communicate(timeout=PATIENCE_SECONDS)

    told = [json.loads(line) for line in logged.splitlines() if line not in ("", "Stopped.")]
    # What went wrong is there to be found, by the number that the client was told.
    [number] = numbers
    [line] = [line for line in told if line.get("request") == number]
    assert "RaiseException: P0001" in line["error"]
    for secret in secrets:
        assert secret not in logged
        assert json.dumps(secret)[1:-1] not in logged
        # Nor the part of a token that is its proof.
        assert secret.split(".")[-1] not in logged
    assert all(re.fullmatch(r"[0-9a-f]{16}", line.get("request", "0" * 16)) for line in told)


def raw(server: Server, request: str) -> None:
    """Sends what need be no request, and waits for the end."""
    split = urlsplit(server.address)
    with socket.create_connection((split.hostname, split.port), timeout=10) as connection:
        connection.sendall(request.encode())
        with suppress(ConnectionResetError):
            while connection.recv(65_536):
                pass


def over_socket(server: Server, message: object) -> None:
    """Sends it first, and waits for the end."""
    address = f"{server.address.replace('http', 'ws')}/graphql"
    with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as connection:
        connection.send(json.dumps(message))
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=PATIENCE_SECONDS)


@contextmanager
def configured(format: LogFormat) -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure_logs(format)
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        logging.captureWarnings(False)


def test_an_error_is_told_with_its_place_and_cause_and_without_its_values(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail() -> None:
        try:
            int(PHONE + "x")
        except ValueError as error:
            raise LookupError(NAME) from error

    for format in LogFormat:
        with configured(format):
            try:
                fail()
            except LookupError:
                # Of any library, not ours alone.
                logging.getLogger("another").exception("It failed.")
            try:
                (tmp_path / "missing").open()
            except OSError:
                logging.getLogger("gridmap").exception("It failed too.")
        logged = capsys.readouterr().err
        assert "LookupError" in logged
        assert "ValueError" in logged
        assert "in fail" in logged
        assert "No such file or directory" in logged
        assert NAME not in logged
        assert PHONE not in logged
