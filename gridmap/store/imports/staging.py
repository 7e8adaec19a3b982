"""The temporary table that holds a file's rows while they are checked and merged.

Rows go in by binary COPY in a thread of their own, so that PostgreSQL takes in one batch while the
next is read and checked. While nothing waits to be sent, the thread does what else can be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from types import TracebackType
from typing import Any, Self

import psycopg
from sqlalchemy import Connection, text

STAGED = "staged"
"""The table's name. `file_row` is its first column: the row's number in the file."""

GEOMETRY_TYPES = ("geometry(MultiPolygon, 4326)", "geometry(Point, 4326)")


class Staging:
    """Makes the table and fills it; a context manager around the filling, which is done at its end.

    `columns`: name → SQL type. Geometries are given as WKB. `meanwhile` is called in the staging
    thread when nothing waits, with the first and last row number of each batch that has arrived, in
    turn; batches that there was no time for are in `left` at the end. Until then nobody else may
    use the connection.
    """

    def __init__(
        self,
        connection: Connection,
        columns: Mapping[str, str],
        meanwhile: Callable[[int, int], None] | None = None,
    ) -> None:
        self.left: list[tuple[int, int]] = []
        self._columns = {"file_row": "integer", **columns}
        self._connection = connection
        self._meanwhile = meanwhile
        self._waiting: Queue[Sequence[Sequence[Any]] | None] = Queue(_MOST_WAITING)
        self._is_abandoned = self._has_failed = False
        declared = ", ".join(
            f"{name} {kind}" + (' COLLATE "C"' if name.endswith("code") else "")
            for name, kind in self._columns.items()
        )
        connection.execute(text(f"DROP TABLE IF EXISTS {STAGED}"))
        connection.execute(text(f"CREATE TEMPORARY TABLE {STAGED} ({declared}) ON COMMIT DROP"))
        connection.execute(text(f"CREATE INDEX ON {STAGED} (file_row)"))

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(1, "staging")
        self._done: Future[None] = self._pool.submit(self._send_all)
        return self

    def add(self, numbers: Sequence[int], *columns: Sequence[Any]) -> None:
        """Sends a batch, given column by column. Raises what went wrong with an earlier one."""
        if self._has_failed:
            self._waiting.put(None)
            self._done.result()
        self._waiting.put((numbers, *columns))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_abandoned = kind is not None
        self._waiting.put(None)
        self._pool.shutdown()
        if kind is not None:
            return
        self._done.result()
        # So that the statements to come are planned for the number of rows there are. What a large
        # sample or a geometry's statistics would say besides takes long and is of no use here.
        self._connection.execute(text("SET LOCAL default_statistics_target = 10"))
        plain = [name for name, kind in self._columns.items() if kind not in GEOMETRY_TYPES]
        self._connection.execute(text(f"ANALYZE {STAGED} ({', '.join(plain)})"))

    def _send_all(self) -> None:
        is_ended = False
        try:
            while not is_ended:
                columns = self._waiting.get()
                is_ended = columns is None
                if columns is not None and not self._is_abandoned:
                    self._send(columns)
                    self.left.append((columns[0][0], columns[0][-1]))
                    while self._meanwhile and self.left and self._waiting.empty():
                        self._meanwhile(*self.left.pop(0))
        finally:
            self._has_failed = not is_ended
            while not is_ended:  # so that nobody waits for room
                is_ended = self._waiting.get() is None

    def _send(self, columns: Sequence[Sequence[Any]]) -> None:
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
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
# Batches: enough for the reader to go on while a statement runs, few enough to hold in memory.
_MOST_WAITING = 3
