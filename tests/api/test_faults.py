"""What was acknowledged is kept, exactly once, whatever is killed meanwhile.

A real server on a real cluster that is durable, as an office runs them. Clients send each report
and each action until they are answered, as the manual tells them to; something is killed again and
again; afterwards the tables are read by plain SQL.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import repeat
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import SecretStr

from gridmap.api.identity import Tokens
from gridmap.store.cluster import private_cluster
from gridmap.store.database import tool_engine
from gridmap.store.dates import CHINA
from gridmap.store.submissions import kept_id
from gridmap.store.viewers import Role, Viewer
from tests.api.conftest import LOGIN, UNCOUNTED
from tests.conftest import let_servers_in, migrate
from tests.districts import SIDE, SOUTH, WEST, put_district
from tests.pictures import encoded, quarters
from tests.waiting import PATIENCE_SECONDS, wait_until

SECRET = "a secret of these tests, of no use elsewhere"
KILLS = ["server"] * 3 + ["cluster"] * 3 + ["connection"] * 4
CLIENTS = 4

SUBMIT = """
mutation ($input: SubmitReportInput!) {
  submitReport(input: $input) { number report { id description } }
}
"""
# In this order, upon versions 1, 2 and so on.
ACTIONS = ("register", "dispatch", "accept", "start", "done")
ACT = """
mutation ($input: %sReportInput!) {
  %sReport(input: $input) { event { version action } }
}
"""
FOLLOW = """
subscription ($after: Cursor) {
  reportChanged(after: $after) { cursor event { version } report { number } }
}
"""


@dataclass
class Cluster:
    """A private cluster with durability on; `url` is that of its database."""

    folder: Path
    url: str

    @property
    def postmaster(self) -> int:
        return int((self.folder / "postgres/data/postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """As the next program does that uses the folder; it goes on running."""
        with private_cluster(self.folder):
            pass

    def kill(self) -> None:
        os.kill(self.postmaster, signal.SIGKILL)

    def kill_connection(self, chance: random.Random) -> None:
        """Kills the process of one of the server's connections, on which PostgreSQL ends all."""
        # Between two kills it may still be recovering.
        with suppress(psycopg.OperationalError), self.connect() as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'gridmap' ORDER BY pid"
            ).fetchall()
            if found:
                with suppress(ProcessLookupError):  # it may have ended by itself meanwhile
                    os.kill(chance.choice(found)["pid"], signal.SIGKILL)

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(self.url, autocommit=True, row_factory=dict_row)

    def rows(self, statement: str, **parameters: object) -> list[dict[str, Any]]:
        with self.connect() as connection:
            return connection.execute(statement, parameters).fetchall()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="gridmap-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the user that runs PostgreSQL for root is to enter
        with private_cluster(folder) as url:
            migrate(url)
            let_servers_in(url)
            engine = tool_engine(url)
            with engine.begin() as connection:
                put_district(connection)
            engine.dispose()
            with psycopg.connect(url, autocommit=True) as connection:
                # Where others use the disk too, recovery would take seconds to sync each file.
                connection.execute("ALTER SYSTEM SET recovery_init_sync_method = syncfs")
                connection.execute("SELECT pg_reload_conf()")
            yield Cluster(folder, url)


class Service:
    """`gridmap serve`, that dies and is started again where it was."""

    def __init__(self, cluster: Cluster) -> None:
        self.port = free_port()
        # Connections are not kept, as they end with the server.
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=20,
        )
        self.log = cluster.folder / f"server-{self.port}.log"
        self._environment = {
            "DATABASE_URL": cluster.url,
            "GRIDMAP_SECRET": SECRET,
            "GRIDMAP_PHOTOS": (cluster.folder / "photos").as_uri(),
            "PORT": str(self.port),
            **LOGIN,
            **UNCOUNTED,
        }

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gridmap", "serve"],
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.is_alive)

    def is_alive(self) -> bool:
        with suppress(httpx.TransportError):
            return self.http.get("/healthz").status_code == 200
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    """One that the system gives to nobody who asks for any, while the server is down for a moment.

    What the tests beside these connect from, and listen on, is from 32768 on.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@pytest.fixture
def service(cluster: Cluster) -> Iterator[Service]:
    service = Service(cluster)
    service.start()
    yield service
    service.process.terminate()
    service.process.wait(timeout=PATIENCE_SECONDS)
    service.http.close()
    service.process.wait(timeout=PATIENCE_SECONDS)


@dataclass
class Ledger:
    """What the clients sent, what they were told, and what they met with meanwhile."""

    submitted: dict[str, dict[str, Any]] = field(default_factory=dict)  # by their ids
    numbers: list[tuple[str, str]] = field(default_factory=list)  # the id, the number of the report
    actions: list[tuple[str, int, str]] = field(default_factory=list)  # number, version, action
    met: Counter[str] = field(default_factory=Counter)


class Client:
    """Sends the same again until it is answered; an error that is not UNAVAILABLE is a fault."""

    def __init__(self, service: Service, ledger: Ledger, token: str | None = None) -> None:
        self.http = service.http
        self.headers = {"accept": "application/graphql-response+json"}
        if token is not None:
            self.headers["authorization"] = f"Bearer {token}"
        self.ledger = ledger

    def insist(self, query: str, **variables: object) -> Any:
        asked = {"query": query, "variables": variables}
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                response = self.http.post("/graphql", json=asked, headers=self.headers)
            except httpx.TransportError:
                self.ledger.met["no answer"] += 1
                time.sleep(0.05)
                continue
            answer = response.json()
            if "errors" not in answer:
                [data] = answer["data"].values()
                return data
            assert_unavailable(answer)
            assert response.status_code in (200, 503)
            self.ledger.met["UNAVAILABLE"] += 1
            time.sleep(0.05)
        raise AssertionError("There was no answer for a minute.")

    def submit(self, submission: dict[str, Any]) -> tuple[str, str]:
        """The report's id as the API has it, and its number."""
        id_ = id_of(submission)
        self.ledger.submitted[id_] = submission
        data = self.insist(SUBMIT, input=submission)
        assert data["report"]["description"] == submission["description"]
        self.ledger.numbers.append((id_, data["number"]))
        return data["report"]["id"], data["number"]

    def act(self, report: tuple[str, str], version: int) -> None:
        (id_, number), name = report, ACTIONS[version - 1]
        query = ACT % (name.capitalize(), name)
        given: dict[str, Any] = {"id": id_, "version": version, "note": f"第{version}步"}
        if name == "dispatch":
            given["to"] = {"kind": "SPONSOR", "code": "S1"}
        data = self.insist(query, input=given)
        assert data["event"] == {"version": version + 1, "action": name.upper()}
        self.ledger.actions.append((number, version + 1, name.upper()))


def id_of(submission: dict[str, Any]) -> str:
    """Of the report that is made of it."""
    return str(kept_id(UUID(submission["id"])))


def _taken(photos: list[UUID], most: int) -> Iterator[UUID]:
    """Some of the photos, which nobody else is given: each is of one report."""
    for _ in range(most):
        with suppress(IndexError):
            yield photos.pop()


def submission(chance: random.Random, photos: list[UUID]) -> dict[str, Any]:
    """What somebody reports, with photos and a name; its id says when, as a UUIDv7 does."""
    random_bits = chance.getrandbits(80) & ~(0xF << 76) & ~(0x3 << 62)
    id_ = UUID(int=time.time_ns() // 10**6 << 80 | 7 << 76 | 2 << 62 | random_bits)
    seen = datetime.now(CHINA) - timedelta(minutes=chance.randrange(60))
    return {
        "id": str(id_),
        "point": {
            "longitude": WEST + 3 * SIDE * chance.random(),
            "latitude": SOUTH + 2 * SIDE * chance.random(),
            "datum": "WGS84",
        },
        "capturedAt": seen.isoformat(),
        "category": "0101",
        "description": f"第{chance.randrange(10**9)}件",
        "photos": [str(photo) for photo in _taken(photos, chance.randint(0, 2))],
        "reporter": {"name": f"居民{chance.randrange(10**6)}"},
    }


AUDITOR = Tokens(SecretStr(SECRET)).issue(Viewer(Role.AUDITOR, "auditor"), timedelta(1))


class Follower:
    """Hears of all changes from a state on, and after each loss goes on from the last cursor."""

    def __init__(
        self,
        service: Service,
        ledger: Ledger,
        cursor: str,
        *,
        hangs_up_after: int,
        is_over: Callable[[], bool],
    ) -> None:
        self.http = service.http
        self.ledger = ledger
        self.cursor = cursor
        self.hangs_up_after = hangs_up_after
        self.is_over = is_over
        self.heard: set[tuple[str, int]] = set()  # number of the report, version

    def run(self) -> None:
        while not self.is_over():
            self.ledger.met["subscribed"] += 1
            with suppress(httpx.TransportError):
                self._listen()
            time.sleep(0.05)

    def _listen(self) -> None:
        asked = {"query": FOLLOW, "variables": {"after": self.cursor}}
        with self.http.stream(
            "POST",
            "/graphql",
            json=asked,
            headers={"accept": "text/event-stream", "authorization": f"Bearer {AUDITOR}"},
            timeout=2,
        ) as response:
            if response.status_code != 200:
                assert_unavailable(json.loads(response.read()))
                return
            data = (line[6:] for line in response.iter_lines() if line.startswith("data: {"))
            before = self.cursor
            for count, said in enumerate(map(json.loads, data), start=1):
                if "errors" in said:
                    assert_unavailable(said)
                    return
                change = said["data"]["reportChanged"]
                self.heard.add((change["report"]["number"], change["event"]["version"]))
                self.cursor = change["cursor"]
                # Until the cursor is a new one, it would be told the same again.
                if count >= self.hangs_up_after and self.cursor != before:
                    return


def assert_unavailable(answer: dict[str, Any]) -> None:
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAVAILABLE"}, answer


def work(
    service: Service, ledger: Ledger, seed: int, photos: list[UUID], is_over: Callable[[], bool]
) -> None:
    """Reports one thing after another, some by two connections at once, and has them dealt with."""
    chance = random.Random(seed)
    token = Tokens(SecretStr(SECRET)).issue(Viewer(Role.ADMINISTRATOR, f"员{seed}"), timedelta(1))
    residents = Client(service, ledger), Client(service, ledger)
    officials = Client(service, ledger, token), Client(service, ledger, token)
    with ThreadPoolExecutor(2) as pool:
        while not is_over():
            given = submission(chance, photos)
            count = chance.choice((1, 1, 2))
            [report] = set(pool.map(Client.submit, residents[:count], repeat(given)))
            for version in range(1, 1 + chance.randrange(len(ACTIONS) + 1)):
                count = chance.choice((1, 1, 2))
                list(pool.map(Client.act, officials[:count], repeat(report), repeat(version)))


def test_what_was_acknowledged_is_there_exactly_once_whatever_is_killed(
    cluster: Cluster, service: Service
) -> None:
    # 1. Photos to take are uploaded, and two who follow begin with the state of a page.
    ledger, chance = Ledger(), random.Random(2304)
    photos = [put_photo(service, number) for number in range(20)]
    as_of = Client(service, ledger, AUDITOR).insist("{ reports { asOf } }")["asOf"]
    is_over, is_all_heard = Event(), Event()
    followers = [
        Follower(service, ledger, as_of, hangs_up_after=count, is_over=is_all_heard.is_set)
        for count in (3, 1_000_000)
    ]
    with ThreadPoolExecutor(CLIENTS + len(followers)) as pool:
        following = [pool.submit(follower.run) for follower in followers]
        working = [
            pool.submit(work, service, ledger, seed, photos, is_over.is_set)
            for seed in range(CLIENTS)
        ]
        try:
            # 2. Each time that the clients get on again, something is killed.
            for what in chance.sample(KILLS, len(KILLS)):
                wait_for_more(ledger, [*working, *following])
                time.sleep(chance.uniform(0, 0.2))
                kill(what, cluster, service, chance)
            wait_for_more(ledger, [*working, *following])
            is_over.set()
            # 3. All are answered in the end, and have met with silence and UNAVAILABLE only.
            for each in working:
                each.result(timeout=PATIENCE_SECONDS)
            # 4. Who follows has heard of all that has happened.
            happened = {(event["number"], event["version"]) for event in cluster.rows(EVENTS)}
            with suppress(AssertionError):
                wait_until(lambda: all(happened == follower.heard for follower in followers))
            assert [happened ^ follower.heard for follower in followers] == [set(), set()]
        finally:
            is_over.set()
            is_all_heard.set()
        for each in following:
            each.result(timeout=PATIENCE_SECONDS)
    print(
        f"\n{len(KILLS)} kills; {len(ledger.submitted)} reports, acknowledged "
        f"{len(ledger.numbers)} times; {len(ledger.actions)} acknowledged actions; "
        f"tried again or resumed: {dict(ledger.met)}"
    )
    assert not re.search(r"Error [0-9a-f]{12}", service.log.read_text())
    # 5. Each report that was sent is there once, as it was sent and by the number that was told.
    reports = cluster.rows(REPORTS)
    assert sorted(report["id"] for report in reports) == sorted(ledger.submitted)
    for report in reports:
        sent = ledger.submitted[report["id"]]
        told = {number for id_, number in ledger.numbers if id_ == report["id"]}
        assert told == {report["number"]}
        assert report["description"] == sent["description"]
        assert report["photos"] == sent["photos"]
        assert report["reporters"] == [sent["reporter"]["name"]]
        assert (report["longitude"], report["latitude"]) == (
            sent["point"]["longitude"],
            sent["point"]["latitude"],
        )
        assert report["captured_at"] == datetime.fromisoformat(sent["capturedAt"])
    # 6. Its events are without a gap, and it is as the last one left it.
    events = defaultdict(list)
    for event in cluster.rows(EVENTS):
        events[event["number"]].append(event)
    for report in reports:
        own = events.pop(report["number"])
        assert [event["version"] for event in own] == list(range(1, report["version"] + 1))
        assert own[-1]["state"] == report["state"]
        done = {(event["version"], event["action"]) for event in own[1:]}
        told_of = {action[1:] for action in ledger.actions if action[0] == report["number"]}
        assert done == told_of
    assert not events


def wait_for_more(ledger: Ledger, tasks: list[Future[None]]) -> None:
    """Returns when some more was acknowledged, or one of the tasks has failed."""
    goal = len(ledger.numbers) + len(ledger.actions) + 8
    wait_until(
        lambda: (
            len(ledger.numbers) + len(ledger.actions) >= goal or any(each.done() for each in tasks)
        )
    )


def kill(what: str, cluster: Cluster, service: Service, chance: random.Random) -> None:
    """Kills it, and starts it again; but of a connection's process PostgreSQL takes care."""
    match what:
        case "server":
            service.kill()
            service.start()
        case "cluster":
            cluster.kill()
            time.sleep(chance.uniform(0, 0.2))
            cluster.start()
        case "connection":
            cluster.kill_connection(chance)
    # Whatever PostgreSQL suffers, the server goes on.
    assert service.process.poll() is None


def put_photo(service: Service, number: int) -> UUID:
    """Uploads a photo that is like no other, and gives its id."""
    photo = UUID(int=number << 80 | 7 << 76 | 2 << 62)
    sent = service.http.put(
        f"/photos/{photo}",
        content=encoded(quarters(60 + number, 40), "JPEG"),
        headers={"content-type": "image/jpeg"},
    )
    assert sent.status_code == 201, sent.text
    return photo


@pytest.mark.parametrize("who", ["server", "client"])
def test_the_reply_that_was_lost_is_given_to_who_sends_it_again(
    cluster: Cluster, service: Service, who: str
) -> None:
    ledger, given = Ledger(), submission(random.Random(who), [])
    with cluster.connect() as connection, ThreadPoolExecutor(1) as pool:
        # 1. The statement of a submission is held up, and meanwhile one of the two is lost.
        with connection.transaction():
            connection.execute("LOCK TABLE reporters IN EXCLUSIVE MODE")
            if who == "server":
                sent = pool.submit(Client(service, ledger).submit, given)
                wait_until(lambda: bool(cluster.rows(HELD_UP)))
                service.process.send_signal(signal.SIGSTOP)
            else:
                with socket.create_connection(("127.0.0.1", service.port)) as lost:
                    body = json.dumps({"query": SUBMIT, "variables": {"input": given}}).encode()
                    head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                    lost.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                    wait_until(lambda: bool(cluster.rows(HELD_UP)))
        # 2. The report is kept, and nobody has been told of it.
        wait_until(lambda: id_of(given) in {report["id"] for report in cluster.rows(REPORTS)})
        assert not ledger.numbers
        # 3. It is sent again, and told as it was kept.
        if who == "server":
            service.kill()
            service.start()
            _, number = sent.result(timeout=PATIENCE_SECONDS)
        else:
            _, number = Client(service, ledger).submit(given)
    [report] = [report for report in cluster.rows(REPORTS) if report["id"] == id_of(given)]
    assert number == report["number"]
    assert report["reporters"] == [given["reporter"]["name"]]


HELD_UP = """
SELECT FROM pg_stat_activity WHERE application_name = 'gridmap' AND wait_event_type = 'Lock'
"""
REPORTS = """
SELECT
    CAST(id AS text) AS id, district_code || '-' || serial AS number, version, state, description,
    source_longitude AS longitude, source_latitude AS latitude, captured_at,
    ARRAY(
        SELECT CAST(photo_id AS text) FROM report_photos
        WHERE report_id = id ORDER BY report_photos.version, place
    ) AS photos,
    ARRAY(SELECT name FROM reporters WHERE report_id = id) AS reporters
FROM reports
"""
EVENTS = """
SELECT
    event.district_code || '-' || serial AS number, event.version, event.action, event.state
FROM report_events AS event LEFT JOIN reports ON id = report_id
ORDER BY number, event.version
"""
