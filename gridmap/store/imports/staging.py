"""The temporary table that holds a file's rows while they are checked and merged.

PostgreSQL takes rows in more slowly than they are read and checked, and what is checked over the
whole file can begin only when all is read. So reading never waits: batches queue in a temporary
file, from which a thread of its own sends each by one binary COPY.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

import psycopg
from sqlalchemy import Connection, text

STAGED = "staged"
"""The table's name. `file_row` is its first column: the row's number in the file."""

GEOMETRY_TYPES = ("geometry(MultiPolygon, 4326)", "geometry(Point, 4326)")


class Staging:
    """Makes the table and fills it; a context manager around the filling, which is done at its end.

    `columns`: name → SQL type. Geometries are given as WKB. `after_batch`, if given, is called in
    the staging thread with the first and last row number of each batch that has arrived. Until the
    end nobody else may use the connection.
    """

    def __init__(
        self,
        connection: Connection,
        columns: Mapping[str, str],
        after_batch: Callable[[int, int], None] | None = None,
    ) -> None:
        self._columns = {"file_row": "integer", **columns}
        self._connection = connection
        self._after_batch = after_batch
        self._resources = ExitStack()
        self._waiting: SimpleQueue[tuple[int, int] | None] = SimpleQueue()
        declared = ", ".join(
            f"{name} {kind}" + (' COLLATE "C"' if name.endswith("code") else "")
            for name, kind in self._columns.items()
        )
        connection.execute(text(f"DROP TABLE IF EXISTS {STAGED}"))
        connection.execute(text(f"CREATE TEMPORARY TABLE {STAGED} ({declared}) ON COMMIT DROP"))
        connection.execute(text(f"CREATE INDEX ON {STAGED} (file_row)"))

    def __enter__(self) -> Self:
        self._spool = self._resources.enter_context(
            tempfile.TemporaryFile(prefix="gridmap-import-", buffering=0)
        )
        pool = self._resources.enter_context(ThreadPoolExecutor(1, "staging"))
        self._done: Future[None] = pool.submit(self._send_all)
        return self

    def add(self, numbers: Sequence[int], *columns: Sequence[Any]) -> None:
        """Queues a batch, given column by column. Raises what went wrong with an earlier one."""
        if self._done.done():
            self._done.result()
        batch = pickle.dumps((numbers, *columns), protocol=pickle.HIGHEST_PROTOCOL)
        start = self._spool.seek(0, os.SEEK_END)
        self._spool.write(batch)
        self._waiting.put((start, len(batch)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._drop_waiting()
        self._waiting.put(None)
        with self._resources:
            if kind is None:
                self._done.result()
        if kind is None:
            # So that the statements to come are planned for the number of rows there are. What a
            # geometry's statistics would say takes long to find out and is of no use here.
            plain = [name for name, kind in self._columns.items() if kind not in GEOMETRY_TYPES]
            self._connection.execute(text(f"ANALYZE {STAGED} ({', '.join(plain)})"))

    def _drop_waiting(self) -> None:
        while not self._waiting.empty():
            self._waiting.get_nowait()

    def _send_all(self) -> None:
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        while (place := self._waiting.get()) is not None:
            start, length = place
            columns = pickle.loads(os.pread(self._spool.fileno(), length, start))
            self._send(driver, columns)
            if self._after_batch is not None:
                self._after_batch(columns[0][0], columns[0][-1])

    def _send(self, driver: psycopg.Connection[Any], columns: Sequence[Sequence[Any]]) -> None:
        # In the binary form geometry and bytea look alike, and psycopg knows how to send the one.
        types = ["bytea" if kind in GEOMETRY_TYPES else kind for kind in self._columns.values()]
        statement = f"COPY {STAGED} ({', '.join(self._columns)}) FROM STDIN (FORMAT BINARY)"
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in zip(*columns, strict=True):
                copy.write_row(row)


def batches_of(connection: Connection, statement: str, **parameters: Any) -> Iterator[list[Any]]:
    """The rows of a SELECT through a server-side cursor, some thousands at a time."""
    with connection.execute(
        text(statement),
        parameters,
        execution_options={"stream_results": True, "max_row_buffer": _FETCHED},
    ) as result:
        for rows in result.partitions(_FETCHED):
            yield list(rows)


_FETCHED = 2000
