"""What a phone needs of a district to say, without a network, in which of its grids it is."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
import shapely
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gridmap.errors import NotFound
from gridmap.geo.packing import PackedOutline, packed, rounded_up
from gridmap.store import tables
from gridmap.store.dates import holds_on
from gridmap.store.geometry import as_wkb
from gridmap.store.paging import Key
from gridmap.store.workers import workers_of_grids

_FORMAT = 1


@dataclass(frozen=True)
class Pack:
    """A district's grids as they stand on a day, outlines made small.

    `grids` are the JSON of each by its code, `marks` tell two of the same code apart. `version` is
    that of all, the same wherever the same is told.
    """

    head: dict[str, Any]
    grids: dict[str, bytes]
    marks: dict[str, bytes]
    version: str

    def whole(self) -> bytes:
        """The JSON of all."""
        return self._json({}, self.grids.values())

    def since(self, version: str, marks: dict[str, bytes]) -> bytes:
        """The JSON of what is other than in a pack of this version that had these marks."""
        other = [json for code, json in self.grids.items() if self.marks[code] != marks.get(code)]
        gone = [code for code in marks if code not in self.marks]
        return self._json({"since": version, "gone": gone}, other)

    def _json(self, terms: dict[str, Any], grids: Any) -> bytes:
        head = orjson.dumps({**self.head, "version": self.version, **terms})
        return head[:-1] + b',"grids":[' + b",".join(grids) + b"]}"


async def pack_of(connection: AsyncConnection, district: str, on: datetime.date) -> Pack:
    """A district's pack. Raises NotFound where there is no such district."""
    regions, grids = tables.regions, tables.grids
    name = await connection.scalar(
        select(regions.c.name).where(
            regions.c.code == district, regions.c.district_code == district
        )
    )
    if name is None:
        raise NotFound(f"There is no district {district!r}; give the code of one.")
    # Served by grids_pkey.
    rows = (
        await connection.execute(
            select(grids.c.code, grids.c.name, regions.c.name, as_wkb(grids.c.boundary))
            .join(regions, regions.c.code == grids.c.community_code)
            .where(grids.c.district_code == district, holds_on(grids, on))
            .order_by(grids.c.code)
        )
    ).all()
    workers = await workers_of_grids(connection, [Key(row[0], district) for row in rows], on)
    names = [[worker.name for worker in each] for each in workers]
    outlines = await asyncio.to_thread(_packed, [row[3] for row in rows])
    return await asyncio.to_thread(_pack, district, name, on, rows, names, outlines)


def _packed(outlines: Sequence[bytes]) -> list[PackedOutline]:
    return [packed(outline) for outline in shapely.from_wkb(outlines)]


def _pack(
    district: str,
    name: str,
    on: datetime.date,
    rows: Sequence[Any],
    workers: list[list[str]],
    outlines: list[PackedOutline],
) -> Pack:
    grids = {
        code: orjson.dumps(
            {
                "code": code,
                "name": grid,
                "community": community,
                "workers": walkers,
                "polygons": outline.polygons,
            }
        )
        for (code, grid, community, _), walkers, outline in zip(
            rows, workers, outlines, strict=True
        )
    }
    marks = {code: blake2b(json, digest_size=12).digest() for code, json in grids.items()}
    error = rounded_up(max((outline.error_metres for outline in outlines), default=0.0))
    head = {"format": _FORMAT, "district": district, "name": name, "error": error}
    of_all = blake2b(orjson.dumps(head), digest_size=12)
    for mark in marks.values():
        of_all.update(mark)
    # The day is no part of what it is the version of.
    return Pack({**head, "day": on.isoformat()}, grids, marks, of_all.hexdigest())
