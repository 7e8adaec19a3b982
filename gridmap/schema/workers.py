"""Grid workers as clients see them."""

from __future__ import annotations

import strawberry

from gridmap.schema.nodes import GlobalId, Node
from gridmap.store import workers as store


@strawberry.type(description="网格员: who walks a grid.")
class GridWorker(Node):
    code: str
    name: str


def grid_worker(row: store.Worker) -> GridWorker:
    """The row as a node."""
    return GridWorker(
        id=GlobalId("GridWorker", row.district_code, row.code).encoded(),
        code=row.code,
        name=row.name,
    )
