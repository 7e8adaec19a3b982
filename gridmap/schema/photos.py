"""Photos as clients see them."""

from __future__ import annotations

import strawberry

from gridmap.store import photos as store


@strawberry.type(description="A photo of a report, and where it is to be had by GET.")
class Photo:
    id: strawberry.ID = strawberry.field(description="The UUID that it was uploaded under.")
    width: int = strawberry.field(description="In pixels, as it is kept.")
    height: int
    url: str = strawberry.field(description="Of a JPEG, below the address of this server.")
    thumbnail_url: str = strawberry.field(description="The same, at most 320 pixels a side.")


def photo(row: store.Photo) -> Photo:
    """The row as clients see it."""
    url = f"/photos/{row.id}"
    return Photo(
        id=strawberry.ID(str(row.id)),
        width=row.width,
        height=row.height,
        url=url,
        thumbnail_url=f"{url}/thumbnail",
    )
