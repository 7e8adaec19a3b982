"""Keyset pages: a page begins after the last key of the one before, never at a number of rows.

So a page costs the same wherever it lies, and stays right while rows are added. Nested lists take
one page for each of many parents in a single statement, by a lateral join.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    column,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.expression import TableValuedAlias

from gridmap.errors import Invalid
from gridmap.store.tables import CODE


class Key(NamedTuple):
    """A row's place in its list: its code, then its district where two districts share a code."""

    code: str
    district_code: str

    @property
    def rank(self) -> str:
        """A text that sorts as the key does."""
        return f"{self.code}\0{self.district_code}"

    @property
    def moment_and_id(self) -> tuple[datetime.datetime, UUID]:
        """What the code says in a list by time: a moment with its time zone, a blank, and an id.

        Raises Invalid where it says something else.
        """
        moment, _, id_ = self.code.partition(" ")
        try:
            at, of = datetime.datetime.fromisoformat(moment), UUID(id_)
        except ValueError:
            at = datetime.datetime.min
        if at.tzinfo is None:
            raise Invalid("The cursor is of another list; give back one of this list as it came.")
        return at, of


class Slice(NamedTuple):
    """At most `limit` rows after the key `after` (from the start where that is None)."""

    limit: int
    after: Key | None = None


def parents(**arrays: Sequence[str]) -> TableValuedAlias:
    """The parents of a batch as a table: a text column for each array, and `ordinal` from 1."""
    values = [
        bindparam(f"parent_{name}", list(items), type_=ARRAY(Text))
        for name, items in arrays.items()
    ]
    return (
        func.unnest(*values)
        .table_valued(
            *(column(name, CODE) for name in arrays),
            with_ordinality="ordinal",
            name="parents",
        )
        .render_derived()
    )


def parents_by_key(keys: Sequence[Key]) -> TableValuedAlias:
    """Parents that keys name: columns `code` and `district_code`."""
    return parents(
        code=[key.code for key in keys], district_code=[key.district_code for key in keys]
    )


def is_parent(row: FromClause, parent: TableValuedAlias) -> ColumnElement[bool]:
    """Whether the row is the parent that the key names."""
    return and_(row.c.district_code == parent.c.district_code, row.c.code == parent.c.code)


def among(code: ColumnElement[str], codes: Sequence[str]) -> ColumnElement[bool]:
    """Whether the code is one of these, sent as one array however many they are."""
    return code == any_(literal(list(codes), ARRAY(Text)))


def sliced(statement: Select[Any], key: Sequence[ColumnElement[str]], cut: Slice) -> Select[Any]:
    """The rows of `statement` in the order of the key's columns (as `Key`), cut to the slice."""
    if cut.after is not None:
        statement = statement.where(follows(key, cut.after))
    return statement.order_by(*key).limit(cut.limit)


def follows(key: Sequence[ColumnElement[str]], after: Key) -> ColumnElement[bool]:
    """Whether the row comes after the key."""
    return tuple_(*key) > tuple_(*map(literal, after))


async def rows_by_parent(
    connection: AsyncConnection, parent: TableValuedAlias, rows: Select[Any], how_many: int
) -> list[list[Any]]:
    """The rows that the lateral `rows` gives for each of `how_many` parents, in their order."""
    lateral = rows.lateral("rows")
    ordinal = column("ordinal", BigInteger)
    answer: list[list[Any]] = [[] for _ in range(how_many)]
    statement = (
        select(parent.c.ordinal.label("ordinal"), *lateral.c)
        .select_from(parent.join(lateral, true()))
        .order_by(ordinal)
    )
    for row in await connection.execute(statement):
        answer[row[0] - 1].append(row[1:])
    return answer
