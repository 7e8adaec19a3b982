"""Lists as Relay connections: pages by keyset cursors, counted only when the count is asked for."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import orjson
import strawberry

from gridmap.errors import Invalid, TooLarge
from gridmap.schema.limits import LARGEST_PAGE
from gridmap.schema.scalars import Cursor
from gridmap.store.paging import Key, Slice

First: TypeAlias = Annotated[
    int | None,
    strawberry.argument(description=f"How many; at most {LARGEST_PAGE}, which is the default."),
]
After: TypeAlias = Annotated[
    Cursor | None, strawberry.argument(description="The endCursor of the page before.")
]

NodeType = TypeVar("NodeType")


class _Row(Protocol):
    @property
    def key(self) -> Key: ...


Row = TypeVar("Row", bound=_Row)
Value = TypeVar("Value")


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: Cursor | None
    end_cursor: Cursor | None


@strawberry.type
class Edge(Generic[NodeType]):
    cursor: Cursor
    node: NodeType


@strawberry.type
class Connection(Generic[NodeType]):
    edges: list[Edge[NodeType]]
    page_info: PageInfo
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @strawberry.field(description="The nodes of the edges, for those who need no cursors.")
    def nodes(self) -> list[NodeType]:
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many there are in all; counted when asked for.")
    async def total_count(self) -> int:
        return await self.count()


def page_slice(first: int | None, after: Cursor | None) -> Slice:
    """The rows to fetch for a page: one more than it holds, to know whether another follows.

    Raises TooLarge for a page over the limit, Invalid for a negative one or a foreign cursor.
    """
    size = LARGEST_PAGE if first is None else first
    if size > LARGEST_PAGE:
        raise TooLarge(
            f"first is {size}; a page holds at most {LARGEST_PAGE}. Ask for the next with after."
        )
    if size < 0:
        raise Invalid(f"first is {size}; it counts rows from 0 to {LARGEST_PAGE}.")
    return Slice(size + 1, _key(after) if after is not None else None)


def connection(
    rows: Sequence[Row],
    cut: Slice,
    to_node: Callable[[Row], NodeType],
    count: Callable[[], Awaitable[int]],
) -> Connection[NodeType]:
    """The page that `rows`, fetched for `cut`, make."""
    shown = rows[: cut.limit - 1]
    edges = [Edge(cursor=_cursor(row.key), node=to_node(row)) for row in shown]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(rows) > len(shown),
            has_previous_page=cut.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        count=count,
    )


class _Placed(NamedTuple):
    """A value and its place in a list that is had whole."""

    key: Key
    value: Any


def connection_of(
    values: Sequence[Value], cut: Slice, to_node: Callable[[Value], NodeType]
) -> Connection[NodeType]:
    """The page of a list that is had whole and stays as it is; its cursors are places in it."""
    rows = [_Placed(Key(f"{place:09}", ""), value) for place, value in enumerate(values)]
    after = cut.after
    page = [row for row in rows if after is None or row.key > after][: cut.limit]

    async def count() -> int:
        return len(values)

    return connection(page, cut, lambda row: to_node(row.value), count)


def _cursor(key: Key) -> Cursor:
    return Cursor(urlsafe_b64encode(orjson.dumps(tuple(key))).decode())


def _key(cursor: Cursor) -> Key:
    try:
        code, district_code = orjson.loads(urlsafe_b64decode(cursor.encode()))
        key = Key(code, district_code)
        if all(isinstance(part, str) and "\0" not in part for part in key):
            return key
    except (binascii.Error, ValueError, TypeError):
        pass
    raise Invalid(f"{cursor!r} is not a cursor of this server; give one back as it came.")
