"""Every test that needs a database has a real PostGIS of its own.

One private cluster serves the whole run, or each process of one that is shared out. A template
database is migrated once; each module that asks for `database_url` gets a clone of it, and
`connection` rolls each test back.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psycopg
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import HealthCheck, settings
from rich.console import Console
from sqlalchemy import Connection

from gridmap import migrations
from gridmap.api.demo import load_demo
from gridmap.migrations import row_security
from gridmap.store.cluster import private_cluster
from gridmap.store.database import tool_engine
from gridmap.store.dates import now, seconds_to_midnight
from tests.waiting import PATIENCE_SECONDS

_numbers = count(1)
_NEAR_SECONDS = 400

# How long an example takes says how busy the machine is, and no more. Whether examples are the same
# each time stays as it is by default: they are where CI is set.
settings.register_profile(
    "gridmap", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gridmap")
# Five seconds, for a test that says nothing else.
DEFAULT_TIMEOUT_CONFIG.connect = DEFAULT_TIMEOUT_CONFIG.read = PATIENCE_SECONDS
DEFAULT_TIMEOUT_CONFIG.write = DEFAULT_TIMEOUT_CONFIG.pool = PATIENCE_SECONDS


def pytest_configure(config: pytest.Config) -> None:
    """A run that is shared out begins after a midnight that is near: its days are those of today.

    It waits for no longer than the quarter of an hour that CI gives has room for.
    """
    left = seconds_to_midnight(now())
    is_shared_out = getattr(config.option, "numprocesses", None)
    if is_shared_out and not hasattr(config, "workerinput") and left < _NEAR_SECONDS:
        print(f"Waiting {left:.0f} s, so that the day in China does not turn meanwhile.")
        time.sleep(left + 1)


@pytest.fixture(scope="session")
def cluster_url() -> Iterator[str]:
    # Below the system's folder for temporary files, where the unprivileged user that runs the
    # server for root may enter; pytest's own temporary folders are closed to it.
    with (
        tempfile.TemporaryDirectory(prefix="gridmap-test-") as folder,
        private_cluster(_entered_by_all(Path(folder)), durable=False) as url,
    ):
        yield url


@pytest.fixture(scope="session")
def empty_template(cluster_url: str) -> str:
    """The name of a migrated database with no rows."""
    migrate(url := new_database(cluster_url, "empty_template"))
    let_servers_in(url)
    return "empty_template"


@pytest.fixture(scope="module")
def database_url(cluster_url: str, empty_template: str) -> Iterator[str]:
    """A database of this module's own, migrated and empty."""
    name = f"test_{next(_numbers)}"
    yield new_database(cluster_url, name, template=empty_template)
    _administer(cluster_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def demo_template(cluster_url: str, empty_template: str) -> str:
    """The name of a database that holds the demo district, loaded by the import."""
    url = new_database(cluster_url, "demo_template", template=empty_template)
    engine = tool_engine(url)
    # While a browser is open, Playwright has the loop of this thread.
    with ThreadPoolExecutor() as another:
        another.submit(load_demo, engine, Console(quiet=True)).result()
    engine.dispose()
    return "demo_template"


@pytest.fixture(scope="module")
def demo_url(cluster_url: str, demo_template: str) -> Iterator[str]:
    """A database of this module's own that holds the demo district."""
    name = f"demo_{next(_numbers)}"
    yield new_database(cluster_url, name, template=demo_template)
    _administer(cluster_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection whose work is undone after the test."""
    engine = tool_engine(database_url)
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


def new_database(cluster_url: str, name: str, template: str = "template1") -> str:
    """Makes a database, and gives its URL."""
    _administer(cluster_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return cluster_url.replace("/gridmap?", f"/{name}?")


def migrate(url: str) -> None:
    """Brings the database up to date, and leaves no connection to it."""
    engine = tool_engine(url)
    with engine.begin() as connection:
        migrations.upgrade(connection)
    engine.dispose()


def let_servers_in(url: str) -> None:
    """Has the cluster let servers log in, which trusts whoever reaches it."""
    engine = tool_engine(url)
    with engine.begin() as connection:
        row_security.make_logins(connection)
    engine.dispose()


def _administer(cluster_url: str, statement: str) -> None:
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(statement)


def _entered_by_all(folder: Path) -> Path:
    folder.chmod(0o755)
    return folder
