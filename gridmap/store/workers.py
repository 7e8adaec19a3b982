"""Grid workers: who walks which grid."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.store import tables
from gridmap.store.dates import holds_on
from gridmap.store.paging import Key, is_parent, parents_by_key, rows_by_parent

_table = tables.workers
_assignment = tables.worker_assignments


class Worker(NamedTuple):
    district_code: str
    code: str
    name: str

    @property
    def key(self) -> Key:
        return Key(self.code, self.district_code)


_COLUMNS = tuple(_table.c[name] for name in Worker._fields)


async def workers_of_grids(
    connection: AsyncConnection, keys: Sequence[Key], on: datetime.date
) -> list[list[Worker]]:
    """The workers of each grid, by code. Served by worker_assignments_grid_idx."""
    parent = parents_by_key(keys)
    rows = (
        select(*_COLUMNS)
        .join(
            _assignment,
            and_(
                _assignment.c.district_code == _table.c.district_code,
                _assignment.c.worker_code == _table.c.code,
                holds_on(_assignment, on),
            ),
        )
        .where(
            _assignment.c.district_code == parent.c.district_code,
            _assignment.c.grid_code == parent.c.code,
        )
        .order_by(_table.c.code)
    )
    found = await rows_by_parent(connection, parent, rows, len(keys))
    return [[Worker(*row) for row in workers] for workers in found]


async def workers_by_key(connection: AsyncConnection, keys: Sequence[Key]) -> list[Worker | None]:
    """One for each key, in their order. Served by workers_pkey."""
    parent = parents_by_key(keys)
    rows = await connection.execute(select(*_COLUMNS).join(parent, is_parent(_table, parent)))
    found = {(worker := Worker(*row)).key: worker for row in rows}
    return [found.get(key) for key in keys]
