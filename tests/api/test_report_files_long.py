"""Files of very many reports: of one moment, in little memory, and for no longer than is wanted."""

from __future__ import annotations

import asyncio
import csv
import datetime
import io
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from starlette.types import Message

from gridmap.api.report_files import ReportFile, send_csv
from gridmap.errors import Unauthenticated, Unavailable
from gridmap.schema.context import Context
from gridmap.store.database import Database, tool_engine
from tests.api.conftest import Server, gridmap
from tests.asking import AUDITOR
from tests.districts import put_district
from tests.reports import FIRST, put_many_reports
from tests.waiting import wait_until

MANY = 100_000
FEWER = 60_000  # and yet more than any buffer holds
TIME_LIMIT = 2.0  # seconds of one statement, in the server of these tests


@pytest.fixture(scope="module")
def many_url(database_url: str) -> str:
    engine = tool_engine(database_url)
    with engine.begin() as connection:
        put_district(connection)
        put_many_reports(connection, MANY)
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()
    return database_url


@pytest.fixture(scope="module")
def server(many_url: str) -> Iterator[Server]:
    with gridmap(
        "serve", DATABASE_URL=many_url, GRIDMAP_STATEMENT_TIMEOUT=str(TIME_LIMIT)
    ) as server:
        yield server


@pytest.fixture
def administrator(many_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(many_url, autocommit=True) as connection:
        yield connection


def exports(administrator: psycopg.Connection) -> list[tuple[int, str]]:
    """Process and wait of every connection that reads reports for a file."""
    return administrator.execute(
        """
        SELECT pid, coalesce(wait_event_type, '')
        FROM pg_stat_activity
        WHERE datname = current_database()
          AND application_name = 'gridmap'
          AND state <> 'idle'
        """
    ).fetchall()


def swallow(server: Server, ending: str, wanted: dict[str, str]) -> int:
    """How many bytes a file has, of which none is kept."""
    address = f"{server.address}/reports.{ending}"
    said: dict[str, Any] = {"params": {"filter": json.dumps(wanted)}, "headers": server.headers()}
    with httpx.stream("GET", address, **said, timeout=120) as answer:
        assert answer.status_code == 200
        return sum(map(len, answer.iter_raw(1 << 20)))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("ending", "count"), [("csv", MANY), ("xlsx", 30_000)])
def test_no_number_of_reports_fills_the_memory(server: Server, ending: str, count: int) -> None:
    def peak_megabytes() -> float:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kilobytes) / 1e3

    def size_of(number: int) -> int:
        until = (FIRST + datetime.timedelta(minutes=number)).isoformat()
        return swallow(server, ending, {"until": until})

    few = size_of(10_000)
    before = peak_megabytes()
    start = time.monotonic()
    many = size_of(count)
    seconds = time.monotonic() - start
    growth = peak_megabytes() - before
    print(f"\n{ending}: {count} rows in {seconds:.1f} s, {many / 1e6:.0f} MB, {growth:+.1f} MB RSS")
    assert many > few * count / 10_000 * 0.8
    assert growth < 60


def test_a_file_is_of_one_moment_though_reports_change_while_it_is_sent(
    server: Server, administrator: psycopg.Connection
) -> None:
    until = (FIRST + datetime.timedelta(minutes=FEWER)).isoformat()
    parameters = {"filter": json.dumps({"until": until})}
    address = f"{server.address}/reports.csv"
    said: dict[str, Any] = {"params": parameters, "headers": server.headers()}
    with httpx.stream("GET", address, **said, timeout=120) as answer:
        chunks = answer.iter_raw()
        # 1. The file has begun, and most of it is still to be read.
        content = next(chunks)
        assert exports(administrator)
        # 2. The oldest reports, which come last, change or go.
        with administrator.transaction():
            administrator.execute("SET LOCAL session_replication_role = replica")
            changed = administrator.execute(
                "UPDATE reports SET level = 'DISTRICT', version = 2 WHERE serial <= 1000"
            )
            assert changed.rowcount == 1000
            gone = administrator.execute("DELETE FROM reports WHERE serial BETWEEN 1001 AND 1100")
            assert gone.rowcount == 100
        # 3. The file shows none of it.
        content += b"".join(chunks)
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len(rows) == FEWER
    assert {row["层级"] for row in rows} == {"楼栋"}
    assert rows[0]["编号"] == f"230402-{FEWER}"
    assert rows[-1]["编号"] == "230402-1"


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_client_that_leaves_ends_the_reading(
    server: Server, administrator: psycopg.Connection, ending: str
) -> None:
    client = asking(server, ending)
    wait_until(lambda: bool(exports(administrator)))
    client.close()
    wait_until(lambda: not exports(administrator))
    # Nothing is kept back: the connections and the places are free for others.
    for _ in range(3):
        assert httpx.get(
            f"{server.address}/reports.{ending}",
            params={"filter": '{"number": "230402-5"}'},
            headers=server.headers(),
        ).is_success


def test_a_client_that_leaves_ends_a_statement_that_has_given_nothing_yet(
    server: Server, administrator: psycopg.Connection, many_url: str
) -> None:
    with psycopg.connect(many_url) as holder:
        holder.execute("LOCK TABLE reports IN ACCESS EXCLUSIVE MODE")
        client = asking(server, "csv")
        wait_until(lambda: [wait for _, wait in exports(administrator)] == ["Lock"])
        client.close()
        wait_until(lambda: not exports(administrator))


def test_the_time_limit_of_statements_does_not_cut_a_file(
    server: Server, administrator: psycopg.Connection, many_url: str
) -> None:
    answers: list[httpx.Response] = []

    def get() -> None:
        answers.append(
            httpx.get(
                f"{server.address}/reports.csv",
                params={"filter": '{"until": "2025-01-01T10:00:00+08:00"}'},
                headers=server.headers(),
                timeout=60,
            )
        )

    asker = threading.Thread(target=get)
    with psycopg.connect(many_url) as holder:
        holder.execute("LOCK TABLE reports IN ACCESS EXCLUSIVE MODE")
        asker.start()
        wait_until(lambda: [wait for _, wait in exports(administrator)] == ["Lock"])
        time.sleep(TIME_LIMIT + 0.5)
        assert exports(administrator)
    asker.join()
    assert answers[0].status_code == 200
    assert answers[0].text.endswith("\r\n")


def test_a_file_that_cannot_be_finished_is_seen_to_be_cut_off(
    server: Server, administrator: psycopg.Connection
) -> None:
    address, headers = f"{server.address}/reports.csv", server.headers()
    with httpx.stream("GET", address, headers=headers, timeout=60) as answer:
        chunks = answer.iter_raw()
        next(chunks)
        for pid, _ in exports(administrator):
            administrator.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(httpx.RemoteProtocolError):
            b"".join(chunks)


def test_no_more_than_two_files_are_made_at_once(
    server: Server, administrator: psycopg.Connection
) -> None:
    first, second = asking(server, "csv"), asking(server, "csv")
    wait_until(lambda: len(exports(administrator)) == 2)
    # 1. The third is told to come again; all else is answered.
    answer = httpx.get(f"{server.address}/reports.xlsx", headers=server.headers())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert server.ask('{ region(code: "230402") { name } }')["region"]["name"] == "向阳区"
    # 2. Once one has left there is a place.
    first.close()
    wait_until(lambda: len(exports(administrator)) == 1)
    wait_until(
        lambda: (
            httpx.get(
                f"{server.address}/reports.csv",
                params={"filter": '{"number": "230402-5"}'},
                headers=server.headers(),
            ).is_success
        )
    )
    second.close()


def test_a_client_that_takes_nothing_for_too_long_is_cut_off(
    administrator: psycopg.Connection, many_url: str
) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) == 3:  # status, heading, the first rows
            await asyncio.Event().wait()

    async def receive() -> Message:
        return await asyncio.Event().wait() and {}

    async def get() -> None:
        database = Database(many_url)
        places = asyncio.Semaphore(1)
        file = ReportFile(
            send_csv, lambda _: Context(database, 30, viewer=AUDITOR), places, patience_seconds=0.2
        )
        scope = {"type": "http", "method": "GET", "query_string": b"", "headers": []}
        try:
            with pytest.raises(Unavailable, match="took nothing"):
                await file(scope, receive, send)
            assert not places.locked()
            assert not exports(administrator)
        finally:
            await database.close()

    asyncio.run(get())
    assert sent[0]["status"] == 200
    assert sent[-1]["more_body"]


@pytest.mark.parametrize("status", [200, 401])
def test_a_file_ends_with_the_token_of_who_asked(
    many_url: str, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Cut off where it has begun, and else refused."""
    ends_at, sent = time.time() + 3600, list[Message]()
    clock = [ends_at - 1 if status == 200 else ends_at]
    monkeypatch.setattr("gridmap.api.sending.time.time", lambda: clock[0])

    async def send(message: Message) -> None:
        sent.append(message)
        clock[0] = ends_at

    async def receive() -> Message:
        return await asyncio.Event().wait() and {}

    async def get() -> None:
        database = Database(many_url)
        context = Context(database, 30, viewer=AUDITOR, ends_at=ends_at)
        file = ReportFile(send_csv, lambda _: context, asyncio.Semaphore(1))
        try:
            await file(
                {"type": "http", "method": "GET", "query_string": b"", "headers": []}, receive, send
            )
        except Unauthenticated:
            assert status == 200
        finally:
            await database.close()

    asyncio.run(get())
    assert sent[0]["status"] == status
    assert len(sent) == (1 if status == 200 else 2)


def asking(server: Server, ending: str) -> socket.socket:
    """A client that has asked for all reports and reads nothing."""
    host, _, port = server.address.removeprefix("http://").rpartition(":")
    client = socket.create_connection((host, int(port)))
    token = server.headers()["authorization"]
    request = f"GET /reports.{ending} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n\r\n"
    client.sendall(request.encode())
    return client
