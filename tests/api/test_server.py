"""The server as a process: what it says of itself, and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.api.conftest import Server, gridmap
from tests.command import run
from tests.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """An empty data folder where root's unprivileged user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="gridmap-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def processes_in(folder: Path) -> list[str]:
    """Command lines of whatever still runs on the folder."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended meanwhile
            lines.append((process / "cmdline").read_text().replace("\0", " "))
    return [line for line in lines if str(folder) in line]


class TestHealth:
    def test_a_living_server_that_can_serve_says_so(self, server: Server) -> None:
        assert httpx.get(f"{server.address}/healthz").status_code == 200
        ready = httpx.get(f"{server.address}/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})

    def test_without_its_database_a_server_lives_but_is_not_ready(self) -> None:
        with gridmap("serve", DATABASE_URL="postgresql:///x?host=/nowhere") as server:
            assert httpx.get(f"{server.address}/healthz").status_code == 200
            ready = httpx.get(f"{server.address}/readyz")
            assert ready.status_code == 503
            assert "database" in ready.json()["reason"]
            answer = httpx.post(
                f"{server.address}/graphql",
                json={"query": '{ region(code: "23") { name } }'},
            ).json()
            assert answer["errors"][0]["extensions"]["code"] == "UNAVAILABLE"

    def test_a_database_that_was_not_migrated_is_not_ready(self, cluster_url: str) -> None:
        bare = cluster_url.replace("/gridmap?", "/postgres?")
        with gridmap("serve", DATABASE_URL=bare) as server:
            ready = httpx.get(f"{server.address}/readyz")
        assert ready.status_code == 503
        assert "gridmap migrate" in ready.json()["reason"]

    def test_a_server_outlives_the_loss_of_its_connections(
        self, server: Server, demo_url: str
    ) -> None:
        query = '{ region(code: "230402") { name } }'
        server.ask(query)
        with psycopg.connect(demo_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert server.ask(query)["region"]["name"] == "向阳区"

    def test_a_browser_gets_a_page_where_queries_can_be_tried(self, server: Server) -> None:
        page = httpx.get(f"{server.address}/graphql", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert "graphiql" in page.text


class TestTags:
    def test_an_answer_is_sent_again_once_what_it_says_has_changed(
        self, server: Server, demo_url: str
    ) -> None:
        # 1. A lookup by GET, once it is answered from memory, has a tag that its question keeps.
        point = "{longitude: 130.287, latitude: 47.36, datum: WGS84}"
        query = f"{{ locate(point: {point}) {{ snapshotVersion sponsor {{ code name }} }} }}"

        def asked(known: str = "") -> httpx.Response:
            return httpx.get(
                f"{server.address}/graphql",
                params={"query": query},
                headers={"if-none-match": known},
            )

        wait_until(lambda: ":" not in asked().json()["data"]["locate"]["snapshotVersion"])
        found = asked().json()["data"]["locate"]
        tag = asked().headers["etag"]
        assert tag.startswith(f'"{found["snapshotVersion"]}-')
        assert asked(tag).status_code == 304
        # 2. After a change the tag is known no more, and the answer has another.
        with psycopg.connect(demo_url) as connection:
            connection.execute(
                "UPDATE sponsors SET name = %s WHERE code = %s",
                ("新名", found["sponsor"]["code"]),
            )
        wait_until(lambda: asked(tag).status_code == 200)
        assert asked(tag).json()["data"]["locate"]["sponsor"]["name"] == "新名"
        assert asked().headers["etag"] != tag


class TestSockets:
    def test_a_socket_is_served_and_told_when_the_server_stops(self, demo_url: str) -> None:
        with gridmap("serve", DATABASE_URL=demo_url, GRIDMAP_BODY_LIMIT="1000") as server:
            address = server.address.replace("http", "ws") + "/graphql"
            protocol = Subprotocol("graphql-transport-ws")
            with (
                connect(address, subprotocols=[protocol]) as socket,
                connect(address, subprotocols=[protocol]) as other,
            ):
                socket.send('{"type": "connection_init"}')
                assert socket.recv(timeout=PATIENCE_SECONDS) == '{"type":"connection_ack"}'
                query = '{ region(code: \\"230402\\") { name } }'
                socket.send(
                    f'{{"type": "subscribe", "id": "a", "payload": {{"query": "{query}"}}}}'
                )
                assert "向阳区" in str(socket.recv(timeout=PATIENCE_SECONDS))
                other.send("x" * 1001)
                with pytest.raises(ConnectionClosed):
                    other.recv(timeout=PATIENCE_SECONDS)
                assert other.close_code == 1009
                assert '"complete"' in str(socket.recv(timeout=PATIENCE_SECONDS))
                server.process.send_signal(signal.SIGTERM)
                with pytest.raises(ConnectionClosed):
                    socket.recv(timeout=PATIENCE_SECONDS)
                assert socket.close_code == 1001


class TestDemo:
    def test_the_demo_keeps_a_private_cluster_and_leaves_nothing_running(
        self, data_folder: Path
    ) -> None:
        # 1. A first start in an empty folder makes the cluster, loads the district and serves.
        with gridmap("demo", GRIDMAP_DATA=str(data_folder)) as server:
            query = '{ grids(region: "230402") { totalCount } }'
            assert server.ask(query) == {"grids": {"totalCount": 92}}
            assert processes_in(data_folder)
            # 2. Another command beside it uses the same cluster, and leaves it running.
            beside = run(
                "locate", 130.287, 47.36, "--datum", "WGS84", GRIDMAP_DATA=str(data_folder)
            )
            assert "市审计局" in beside.stdout, beside.stderr
            assert server.ask(query) == {"grids": {"totalCount": 92}}
            # 3. It listens on no port: only the server itself does.
            settings = (data_folder / "postgres" / "data" / "postmaster.pid").read_text()
            assert "5432\n" + str(data_folder / "postgres" / "run") in settings
        # 4. Ctrl-C ends the server in order, and the cluster with it.
        assert server.process.returncode == 0
        assert processes_in(data_folder) == []
        # 5. A second start finds everything where it was; a service's stop ends it as well.
        with gridmap("demo", GRIDMAP_DATA=str(data_folder)) as server:
            assert server.ask(query) == {"grids": {"totalCount": 92}}
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(timeout=PATIENCE_SECONDS)
        assert processes_in(data_folder) == []

    def test_a_cluster_that_a_killed_server_left_is_adopted_and_then_stopped(
        self, data_folder: Path
    ) -> None:
        with gridmap("serve", GRIDMAP_DATA=str(data_folder)) as server:
            server.process.kill()
            server.process.wait(timeout=PATIENCE_SECONDS)
            assert processes_in(data_folder)
        done = run("migrate", GRIDMAP_DATA=str(data_folder))
        assert done.returncode == 0, done.stderr
        assert processes_in(data_folder) == []

    def test_a_cluster_that_is_killed_is_started_again_by_the_server_that_uses_it(
        self, data_folder: Path
    ) -> None:
        process = data_folder / "postgres" / "data" / "postmaster.pid"
        with gridmap("serve", GRIDMAP_DATA=str(data_folder)) as server:
            killed = int(process.read_text().splitlines()[0])
            os.kill(killed, signal.SIGKILL)
            wait_until(
                lambda: (
                    f"{killed}" not in (process.read_text() if process.exists() else f"{killed}")
                    and httpx.get(f"{server.address}/readyz").status_code == 200
                )
            )
        assert processes_in(data_folder) == []

    def test_the_demo_does_not_touch_a_database_that_holds_something_else(
        self, database_url: str
    ) -> None:
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "INSERT INTO regions (code, name, level) VALUES ('23', '黑龙江省', 'PROVINCE')"
            )
        refused = run("demo", PORT="0", DATABASE_URL=database_url)
        assert refused.returncode == 1
        assert "not the demo's" in refused.stderr
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SELECT count(*) FROM regions").fetchone() == (1,)

    def test_a_port_that_is_taken_is_said_before_anything_is_started(
        self, data_folder: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            refused = run("demo", PORT=port, GRIDMAP_DATA=str(data_folder))
        assert refused.returncode == 1
        assert port in refused.stderr
        assert "PORT" in refused.stderr
        assert list(data_folder.iterdir()) == []

    def test_a_data_folder_that_cannot_be_used_is_said(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.touch()
        refused = run("migrate", GRIDMAP_DATA=str(file))
        assert refused.returncode == 1
        assert "GRIDMAP_DATA" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_server_loads_nothing_that_only_imports_need() -> None:
    """GDAL and Arrow take 70 MB and half a second."""
    program = "import sys, gridmap.api.cli; print({'pyogrio', 'pyarrow'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("set()\n", "")
