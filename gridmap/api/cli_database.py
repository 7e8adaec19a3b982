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

    Raises Unavailable where it is not up to date and whole.
    """
    with database_url(settings_from_environment()) as url:
        engine = tool_engine(url)
        try:
            _require_current(engine)
            yield engine
        finally:
            engine.dispose()


@contextmanager
def current_url() -> Iterator[str]:
    """The address of that database, for what makes connections of its own.

    Raises Unavailable where it is not up to date and whole.
    """
    with current_engine() as engine:
        yield engine.url.render_as_string(hide_password=False)


def migrate_database(settings: Settings, url: str) -> list[str]:
    """Brings it up to date, and lets servers in where they have a password or need none.

    Gives what a restore had left out and is made anew.
    """
    password = settings.server_password
    engine = tool_engine(url)
    try:
        with engine.begin() as connection:
            mended = migrations.upgrade(connection)
            bring_back(connection)
            audit_chain.bring_back(connection)
        with engine.begin() as connection:
            if password:
                row_security.make_logins(connection, password.get_secret_value())
            elif settings.database_url is None:
                row_security.make_logins(connection)
    finally:
        engine.dispose()
    return mended


def with_database(
    url: str, work: Callable[[Database], Awaitable[Value]], *, seconds: float = 10
) -> Value:
    """What `work` gives with a database of its own, whose statements take so long at most."""

    async def done() -> Value:
        database = Database(url, statement_timeout_seconds=seconds)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(done())


def in_transaction(url: str, work: Callable[[AsyncConnection], Awaitable[Value]]) -> Value:
    """What `work` gives on a connection in a transaction."""

    async def done(database: Database) -> Value:
        async with database.transaction() as connection:
            return await work(connection)

    return with_database(url, done)


def in_database(work: Callable[[AsyncConnection], Awaitable[Value]]) -> Value:
    """The same of a database that is up to date."""
    with current_url() as url:
        return in_transaction(url, work)


def _require_current(engine: Engine) -> None:
    with engine.connect() as connection:
        migrations.require_current(connection)
