"""Photos as clients see them."""

from __future__ import annotations

from uuid import UUID

import strawberry

from gridmap.schema.context import Context
from gridmap.store import photos as store


@strawberry.type(description="A photo of a report, and where it is to be had by GET.")
class Photo:
    id: strawberry.ID = strawberry.field(description="The UUID that it was uploaded under.")
    width: int = strawberry.field(description="In pixels, as it is kept.")
    height: int
    url: str = strawberry.field(
        description="Of a JPEG, below the address of this server; good for an hour at least. Take "
        "it as it comes, and ask again when it has expired."
    )
    thumbnail_url: str = strawberry.field(description="The same, at most 320 pixels a side.")


def photo(context: Context, row: store.Photo) -> Photo:
    """The row as whoever may see the report sees it."""
    return Photo(
        id=strawberry.ID(str(row.id)),
        width=row.width,
        height=row.height,
        url=context.photo_address(row.id, False),
        thumbnail_url=context.photo_address(row.id, True),
    )


def photo_path(id: UUID, is_thumbnail: bool) -> str:
    """Where a photo is, without what is asked for beside."""
    return f"/photos/{id}/thumbnail" if is_thumbnail else f"/photos/{id}"
