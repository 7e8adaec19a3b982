"""Long answers of the database, read a batch at a time.

The rows come through a cursor of the server, so that no number of them fills the memory, and are
those of one moment.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from sqlalchemy import Select, text

from gridmap.store.database import Database, become
from gridmap.store.viewers import Viewer

Rows: TypeAlias = Sequence[Sequence[Any]]
"""Some rows, each with a value or None for every column."""


@asynccontextmanager
async def rows_in_batches(
    database: Database, statement: Select[Any], viewer: Viewer | None = None
) -> AsyncIterator[AsyncIterator[Rows]]:
    """All rows of the statement, as they are when the block begins; as the viewer sees them, or
    None for what is public.

    Holds one connection until the block ends; so does a task that is cancelled meanwhile, which
    ends the statement first. No time limit cuts it: whoever reads for long is to be watched by the
    caller. Raises what `Database.connection` raises, also from the batches.
    """
    async with database.connection() as connection:
        connection = await connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        if viewer is not None:
            await become(connection, viewer)
        # Until the transaction ends; a limit would hold for each batch, and the first may be long.
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        result = await connection.stream(statement, execution_options={"yield_per": _FETCHED})
        try:
            yield result.partitions()
        finally:
            await result.close()


# Some 200 kB as text: little to hold, and few enough statements to count for nothing.
_FETCHED = 500
