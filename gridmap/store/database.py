"""The way to PostgreSQL: one pool of asynchronous connections, and one engine for the tools."""

from __future__ import annotations

import select
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from sqlalchemy import Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from gridmap.errors import Conflict, Invalid, Unavailable
from gridmap.store.dates import CHINA


def database_url(url: str) -> URL:
    """The address as SQLAlchemy takes it, driven by psycopg; `postgres://` is understood too.

    Raises Invalid when it is no PostgreSQL address.
    """
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise Invalid(
            "DATABASE_URL cannot be read; it looks like postgresql://user:password@host/database."
        ) from error
    if parsed.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise Invalid(f"DATABASE_URL names {parsed.drivername}; gridmap needs PostgreSQL.")
    return parsed.set(drivername="postgresql+psycopg")


def tool_engine(url: str) -> Engine:
    """Plain connections, one at a time, for migrations and imports, with no time limit.

    Nothing is prepared: a plan made while a table was empty must not be kept for when it is full.
    Rows of a file wait in a temporary table, of which a good part is to stay in memory.
    """
    engine = create_engine(database_url(url), connect_args={"prepare_threshold": None})

    @event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection, _: object) -> None:
        connection.execute("SET temp_buffers = '128MB'")
        connection.commit()

    return engine


class Database:
    """The server's connections. Each resolver or loader takes one of its own for its statement."""

    def __init__(
        self, url: str, *, pool_size: int = 10, statement_timeout_seconds: float = 10
    ) -> None:
        self._engine: AsyncEngine = create_async_engine(
            database_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=statement_timeout_seconds,
            # Most connections run one statement, for which beginning and ending a transaction would
            # be two more ways to PostgreSQL and back.
            isolation_level="AUTOCOMMIT",
            # Errors go to the log, and what was sent in does not.
            hide_parameters=True,
            connect_args={
                # Times come in the zone of the districts, as those that are reckoned here;
                # statements of a millisecond are sooner done than compiled.
                "options": f"-c statement_timeout={round(statement_timeout_seconds * 1000)} "
                f"-c timezone={CHINA.key} -c jit=off",
                "connect_timeout": 5,
                "application_name": "gridmap",
            },
        )
        event.listen(self._engine.sync_engine, "checkin", _note_use)
        event.listen(self._engine.sync_engine, "checkout", _try_out)
        self._transactions = self._engine.execution_options(isolation_level="READ COMMITTED")

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement stands by itself, and what it writes is committed.

        Raises Unavailable when PostgreSQL cannot be reached, no connection comes free in time, or
        the statement took longer than it may.
        """
        with explained():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction, which is committed at the end of the block.

        Raises what `connection` raises, and Conflict where another transaction is in the way.
        """
        with explained():
            async with self._transactions.begin() as connection:
                yield connection

    async def close(self) -> None:
        await self._engine.dispose()


# Seconds after which a connection may have been lost by a network that says nothing.
_TRUSTED_SECONDS = 10.0


def _note_use(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _try_out(
    connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection
) -> None:
    """Has a connection made anew that ended while nobody used it.

    One that was closed has something to be read, which costs nothing to find out, where to ask for
    an answer would be one more way to PostgreSQL and back for each statement.
    """
    used = record.info.get("used")
    if used is None:  # it has just been made
        return
    driver, ready = record.driver_connection, select.poll()
    assert isinstance(driver, psycopg.AsyncConnection)
    try:
        ready.register(driver.fileno(), select.POLLIN)
        if ready.poll(0):
            raise exc.InvalidatePoolError
        if time.monotonic() - used > _TRUSTED_SECONDS:
            connection.cursor().execute("SELECT 1")
    except psycopg.Error as error:
        raise exc.InvalidatePoolError from error


@contextmanager
def explained() -> Iterator[None]:
    """Tells in our own errors what kept the database from answering."""
    try:
        yield
    except exc.TimeoutError as error:
        raise Unavailable("The database is busy; ask again in a moment.") from error
    except (exc.DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        if isinstance(cause, psycopg.errors.QueryCanceled):
            raise Unavailable(
                "This took longer than the server allows; ask for a smaller area or fewer points."
            ) from error
        if isinstance(cause, psycopg.errors.DeadlockDetected):
            raise Conflict("Somebody else changes the same; look again and decide anew.") from error
        if isinstance(cause, psycopg.OperationalError):
            raise Unavailable("The database cannot be reached; ask again in a moment.") from error
        if isinstance(cause, psycopg.DataError):
            # Not in PostgreSQL's words, which are about what nobody outside has seen.
            raise Invalid(
                "A value that was given cannot be looked up: it is too large, or no text."
            ) from error
        raise
