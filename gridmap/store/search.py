"""What is called so, or has a code that begins so: regions, sponsors, grids and buildings.

A name matches where each two characters that stand beside each other in a word of the text do so
in the name too, whatever their case. So words may be left out and come in any order: "8号楼 梧桐"
finds 梧桐路8号楼.
"""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, FromClause, Select, Text, case, func, literal, select, true, union
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import Invalid
from gridmap.store import tables
from gridmap.store.dates import holds_on

LONGEST_TEXT = 100
"""Characters."""

# Of a table at most so many are looked at, so that a word that all buildings have costs no more.
_MOST_LOOKED_AT = 1000

_NOUNS: dict[str, FromClause] = {
    "region": tables.regions,
    "sponsor": tables.sponsors,
    "grid": tables.grids,
    "building": tables.buildings,
}


class Hit(NamedTuple):
    """`noun`: region, sponsor, grid or building."""

    noun: str
    code: str


async def hits(connection: AsyncConnection, text: str, on: datetime.date, limit: int) -> list[Hit]:
    """Those that are called or coded just so first, then those that begin so, then the shortest.

    Raises Invalid for a text that is empty or too long. Served by the indexes of names and codes.
    """
    words = text.split()
    if not words or len(text) > LONGEST_TEXT:
        raise Invalid(
            f"{text[:LONGEST_TEXT]!r} cannot be searched for; give a part of a name or the "
            f"beginning of a code, of {LONGEST_TEXT} characters at most."
        )
    found: list[tuple[Any, ...]] = []
    for order, (noun, table) in enumerate(_NOUNS.items()):
        rows = await connection.execute(_best(table, " ".join(words), on, limit))
        found += [(row.rank, row.length, order, row.code, noun) for row in rows]
    return [Hit(noun, code) for *_, code, noun in sorted(found)[:limit]]


def _best(table: FromClause, text: str, on: datetime.date, limit: int) -> Select[Any]:
    stands = holds_on(table, on) if table is tables.grids else true()
    both = (table.c.code, table.c.name)
    # As `gridmap_words` tells them.
    pairs = {word[i : i + 2] for word in text.lower().split() for i in range(max(len(word) - 1, 1))}
    named = select(*both).where(
        func.gridmap_words(table.c.name).op("@>")(literal(sorted(pairs), ARRAY(Text))), stands
    )
    coded = select(*both).where(table.c.code >= text, table.c.code < text + "\U0010ffff", stands)
    some = union(*(each.limit(_MOST_LOOKED_AT).subquery().select() for each in (named, coded)))
    rows = some.subquery()
    plain = func.lower(rows.c.name)
    rank = case(
        (literal(text).in_([rows.c.code, rows.c.name]), 0),
        (func.starts_with(plain, text.lower()) | func.starts_with(rows.c.code, text), 1),
        else_=2,
    )
    length = func.length(rows.c.name)
    return (
        select(rows.c.code, rank.label("rank"), length.label("length"))
        .order_by(rank, length, rows.c.code)
        .limit(limit)
    )
