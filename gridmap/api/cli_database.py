"""The database that commands work on: the one that the settings name, or a private one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap import migrations
from gridmap.api.settings import Settings, settings_from_environment
from gridmap.errors import Unavailable
from gridmap.migrations import row_security
from gridmap.store import audit_chain
from gridmap.store.cluster import private_cluster
from gridmap.store.database import Database, tool_engine
from gridmap.store.report_changes import bring_back

Value = TypeVar("Value")


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The URL of the database that the settings name, or of a private cluster while it runs.

    A private one is brought up to date; another is its administrator's to migrate.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    with private_cluster(settings.data) as url:
        migrate_database(settings, url)
        yield url


@contextmanager
def current_engine() -> Iterator[Engine]:
    """An engine on the database of the environment's settings.

    Raises Unavailable where it is not up to date.
    """
    with database_url(settings_from_environment()) as url:
        engine = tool_engine(url)
        try:
            _require_current(engine)
            yield engine
        finally:
            engine.dispose()


def migrate_database(settings: Settings, url: str) -> None:
    """Brings it up to date, and lets servers in where they have a password or need none."""
    password = settings.server_password
    engine = tool_engine(url)
    try:
        with engine.begin() as connection:
            migrations.upgrade(connection)
            bring_back(connection)
            audit_chain.bring_back(connection)
        with engine.begin() as connection:
            if password:
                row_security.make_logins(connection, password.get_secret_value())
            elif settings.database_url is None:
                row_security.make_logins(connection)
    finally:
        engine.dispose()


def in_database(work: Callable[[AsyncConnection], Awaitable[Value]]) -> Value:
    """What `work` gives on a connection in a transaction, of a database that is up to date."""

    async def done(url: str) -> Value:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    with current_engine() as engine:
        return asyncio.run(done(engine.url.render_as_string(hide_password=False)))


def _require_current(engine: Engine) -> None:
    with engine.connect() as connection:
        if not migrations.is_current(connection):
            raise Unavailable("The database is not up to date; run `gridmap migrate` first.")
