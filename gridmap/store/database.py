"""The way to PostgreSQL: pools of asynchronous connections, and one engine for the tools.

Whose rights a connection has is said when it is made. The server has two pools: one sees what is
public, and within `as_viewer` what that viewer may see; the other, of the keeper, does the server's
own work. PostgreSQL holds that, by the policies of `gridmap.migrations.row_security`.
"""

from __future__ import annotations

import select
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Engine, create_engine, event, exc, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from gridmap.errors import Conflict, Forbidden, Invalid, Unavailable
from gridmap.store.dates import CHINA
from gridmap.store.permissions import Extent, Permission, extent
from gridmap.store.viewers import Viewer

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class Rights(StrEnum):
    """The roles of PostgreSQL that the server connects as."""

    SERVER = "gridmap_server"
    KEEPER = "gridmap_keeper"


_VIEWER, _AUDITOR = "gridmap_viewer", "gridmap_auditor"


def protected(function: AnyFunction) -> AnyFunction:
    """Marks a function of the store that reads what not everybody may see.

    A `Context` calls it as its viewer, with a connection of `Database.as_viewer`. Without the mark
    it would be refused: the server itself may not read that.
    """
    function.is_protected = True  # type: ignore[attr-defined]
    return function


def is_protected(function: Callable[..., Any]) -> bool:
    return getattr(function, "is_protected", False)


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


def with_rights(url: str, rights: Rights, password: str | None = None) -> str:
    """The address for connections that have these rights from the first to the last.

    They log in as the one whom the address names, who is a member of both roles, or with a
    `password` as the role itself. What a transaction becomes ends in these rights again.
    """
    parsed = database_url(url)
    if password is not None or parsed.username in set(Rights):
        parsed = parsed.set(username=rights.value, password=password or parsed.password)
    options = " ".join([*_given_options(parsed), f"-c role={rights}"])
    return parsed.update_query_dict({"options": options}).render_as_string(hide_password=False)


def _given_options(url: URL) -> list[str]:
    """Settings of a session that the address asks for."""
    given = url.query.get("options", ())
    return [given] if isinstance(given, str) else list(given)


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
        address = database_url(url)
        self._engine: AsyncEngine = create_async_engine(
            address,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=statement_timeout_seconds,
            # Most connections run one statement, for which beginning and ending a transaction would
            # be two more ways to PostgreSQL and back.
            isolation_level="AUTOCOMMIT",
            connect_args={
                # Times come in the zone of the districts, as those that are reckoned here;
                # statements of a millisecond are sooner done than compiled.
                "options": " ".join(
                    [
                        f"-c statement_timeout={round(statement_timeout_seconds * 1000)}",
                        f"-c timezone={CHINA.key} -c jit=off",
                        *_given_options(address),
                    ]
                ),
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

    @asynccontextmanager
    async def as_viewer(self, viewer: Viewer) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction, which sees what the viewer may see and writes nothing.

        Who the viewer is ends with the transaction. Raises what `connection` raises.
        """
        async with self.transaction() as connection:
            await become(connection, viewer)
            yield connection

    async def close(self) -> None:
        await self._engine.dispose()


def check_login(url: str) -> None:
    """Raises Forbidden for a login that row-level security does not hold, if the database answers.

    `url`: an address of the server's, as `with_rights` gives it.
    """
    engine = create_engine(database_url(url), connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            login = connection.exec_driver_sql(
                "SELECT rolname FROM pg_roles "
                "WHERE rolname = session_user AND (rolsuper OR rolbypassrls)"
            ).scalar()
    except exc.OperationalError as error:
        if _MAY_NOT_TAKE in str(error.orig):
            raise Forbidden(_LET_IT_TAKE) from error
        return  # as the server says itself, until it answers
    finally:
        engine.dispose()
    if login is not None:
        raise Forbidden(
            f"No policy of the database holds {login}, a superuser or one with BYPASSRLS; a server "
            "needs another login. Either set GRIDMAP_SERVER_PASSWORD, with which `gridmap "
            "migrate` makes logins for `gridmap serve`, or name another login in DATABASE_URL: "
            "CREATE ROLE gridmap_login LOGIN PASSWORD '…'; "
            "GRANT gridmap_server, gridmap_keeper TO gridmap_login;"
        )


async def become(connection: AsyncConnection, viewer: Viewer) -> None:
    """Has a connection see what the viewer may see and nothing else, until its transaction ends."""
    sees_all = extent(viewer, Permission.SEE_REPORTS) is Extent.ALL
    district_code, report_id = viewer.report or ("", "")
    await connection.execute(
        _BECOME,
        {
            "role": _AUDITOR if sees_all else _VIEWER,
            "viewer": viewer.role.value,
            "subject": viewer.subject,
            "codes": sorted(viewer.codes),
            "report": f"{district_code}/{report_id}",
        },
    )


# All of it ends with the transaction. The policies read these settings. Some viewers see few rows
# and others many, so that no plan is for all of them.
_BECOME = text(
    """
    SELECT
        set_config('role', :role, TRUE),
        set_config('plan_cache_mode', 'force_custom_plan', TRUE),
        set_config('gridmap.role', :viewer, TRUE),
        set_config('gridmap.subject', :subject, TRUE),
        set_config('gridmap.codes', CAST(CAST(:codes AS text[]) AS text), TRUE),
        set_config('gridmap.report', :report, TRUE)
    """
)


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


_MAY_NOT_TAKE = "permission denied to set role"
_LET_IT_TAKE = (
    "The login of DATABASE_URL may not take the roles of a server. Let it: GRANT gridmap_server, "
    "gridmap_keeper TO the_login;"
)


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
        if isinstance(cause, psycopg.OperationalError) and any(
            f'"{role}"' in str(cause) for role in Rights
        ):
            if _MAY_NOT_TAKE in str(cause):
                raise Unavailable(_LET_IT_TAKE) from error
            raise Unavailable(
                "The database does not know the server; run `gridmap migrate`."
            ) from error
        if isinstance(cause, psycopg.OperationalError):
            raise Unavailable("The database cannot be reached; ask again in a moment.") from error
        if isinstance(cause, psycopg.DataError):
            # Not in PostgreSQL's words, which are about what nobody outside has seen.
            raise Invalid(
                "A value that was given cannot be looked up: it is too large, or no text."
            ) from error
        raise
