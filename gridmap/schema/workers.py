"""Grid workers as clients see them."""

from __future__ import annotations

import strawberry

from gridmap.schema.nodes import GlobalId, Node
from gridmap.store import workers as store


@strawberry.type(description="网格员: who walks a grid.")
class GridWorker(Node):
    code: str
    name: str
    row: strawberry.Private[store.Worker]

    def global_id(self) -> GlobalId:
        return GlobalId("GridWorker", self.row.district_code, self.code)


def grid_worker(row: store.Worker) -> GridWorker:
    """The row as a node."""
    return GridWorker(code=row.code, name=row.name, row=row)
