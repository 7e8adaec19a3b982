"""Outlines as tiles show them: projected, and simplified for each zoom without tearing neighbours.

A place has whole numbers at a zoom (see `gridmap.geo.tiles`), and every corner of every outline is
moved to the nearest multiple of four of them, half a pixel. Corners that fall together are one, and
those in the middle of a straight line are left out. So what becomes of a corner depends on where it
is and on nothing else, and outlines that share it before share it afterwards. What such moving
turns inside out is mended, by corners at whole numbers too.

Projecting and mending take ten times as long as telling a tile. So the shapes are kept, one row for
all zooms, with the `xmin` of the row that they were made from: PostgreSQL gives a row another one
with every change, by which a shape is known to be of today. Where there is none that holds, it is
made on the spot, so that imports need not wait for shapes and nothing is ever out of date.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import TextClause, exc, text

from gridmap.errors import GridmapError
from gridmap.geo.tiles import EXTENT
from gridmap.store.changes import Changes
from gridmap.store.database import Database

_log = logging.getLogger("gridmap")

# Half the earth's circumference in Web Mercator, metres (EPSG:3857).
_HALF_WORLD = 20037508.342789244

_UNITS_APART = 4
# At the deepest zoom, which clients draw larger and larger.
_UNITS_APART_AT_LAST = 2
LAST_ZOOM = 16

_AT_ONCE = 500
_WAIT_SECONDS = 5.0
_LOCK = 0x67_6D_73_68  # "gmsh": who fills, among the processes that share a database


@dataclass(frozen=True, slots=True)
class Outlines:
    """A table whose outlines have shapes: `column` of the rows with such a key, for some zooms."""

    noun: str
    column: str
    first_zoom: int
    district_code: str
    valid_from: str

    @property
    def zooms(self) -> range:
        return range(self.first_zoom, LAST_ZOOM + 1)

    @property
    def joined(self) -> str:
        """`LEFT JOIN` of the kept shapes to the table, as `kept`. Served by tile_shapes_pkey."""
        return f"""
            LEFT JOIN tile_shapes AS kept
                ON kept.noun = '{self.noun}'
                AND kept.district_code = {self.district_code}
                AND kept.code = {self.noun}.code
                AND kept.valid_from = {self.valid_from}
                AND kept.row_version = {self.noun}.xmin
        """

    def shape(self, zoom: int) -> str:
        """The shape of a row of the table that `joined` is with.

        In units of the zoom from the world's north-west corner, y to the south; valid, its shells
        turning as MVT wants them; empty or NULL where nothing is left to see.
        """
        made = _shape(_projected(f"{self.noun}.{self.column}"), zoom)
        place = zoom - self.first_zoom + 1
        return (
            "CASE WHEN kept.shapes IS NOT NULL "
            f"THEN ST_GeomFromTWKB(kept.shapes[{place}]) ELSE {made} END"
        )

    def following(self, some: bool) -> TextClause:
        """The next keys after one, of some codes or of all. Served by the table's primary key."""
        return text(
            f"""
            SELECT {self.district_code}, {self.noun}.code, {self.valid_from}
            FROM {self.noun}
            WHERE {self.noun}.{self.column} IS NOT NULL
                AND ({self.district_code}, {self.noun}.code, {self.valid_from})
                    > (:district, :code, CAST(:day AS date))
                {f"AND {self.noun}.code = ANY(CAST(:codes AS text[]))" if some else ""}
            ORDER BY 1, 2, 3
            LIMIT {_AT_ONCE}
            """
        )

    @property
    def filling(self) -> TextClause:
        """Makes the shapes of rows whose keys are given, where none are kept that hold."""
        shapes = ", ".join(
            f"ST_AsTWKB(coalesce({_shape('projected.outline', zoom)}, 'POLYGON EMPTY'), 0)"
            for zoom in self.zooms
        )
        return text(
            f"""
            INSERT INTO tile_shapes (
                district_code, noun, code, valid_from, row_version, shapes
            )
            SELECT district_code, '{self.noun}', code, valid_from, row_version, ARRAY[{shapes}]
            FROM (
                SELECT
                    named.*, {self.noun}.xmin AS row_version, {self.noun}.{self.column} AS outline
                FROM unnest(
                    CAST(:districts AS text[]), CAST(:codes AS text[]), CAST(:days AS date[])
                ) AS named (district_code, code, valid_from)
                JOIN {self.noun}
                    ON {self.district_code} = named.district_code
                    AND {self.noun}.code = named.code
                    AND {self.valid_from} = named.valid_from
                WHERE {self.noun}.{self.column} IS NOT NULL
                    AND NOT EXISTS (
                        SELECT
                        FROM tile_shapes AS kept
                        WHERE kept.noun = '{self.noun}'
                            AND kept.district_code = named.district_code
                            AND kept.code = named.code
                            AND kept.valid_from = named.valid_from
                            AND kept.row_version = {self.noun}.xmin
                    )
                OFFSET 0
            ) AS missing
            CROSS JOIN LATERAL (
                SELECT {_projected("missing.outline")} AS outline OFFSET 0
            ) AS projected
            ON CONFLICT (district_code, noun, code, valid_from)
            DO UPDATE SET row_version = excluded.row_version, shapes = excluded.shapes
            """
        )

    def sweeping(self, some: bool) -> TextClause:
        """Takes away shapes of rows that are no more, of some codes or of all."""
        return text(
            f"""
            DELETE FROM tile_shapes AS kept
            WHERE noun = '{self.noun}'
                {"AND kept.code = ANY(CAST(:codes AS text[]))" if some else ""}
                AND NOT EXISTS (
                    SELECT
                    FROM {self.noun}
                    WHERE {self.district_code} = kept.district_code
                        AND {self.noun}.code = kept.code
                        AND {self.valid_from} = kept.valid_from
                )
            """
        )


# What has no dates holds from the first of days that Python knows.
_ALWAYS = "CAST('0001-01-01' AS date)"
REGIONS = Outlines("regions", "boundary", 4, "''", _ALWAYS)
GRIDS = Outlines("grids", "boundary", 8, "grids.district_code", "grids.valid_from")
FOOTPRINTS = Outlines("buildings", "footprint", 15, "buildings.district_code", _ALWAYS)

_ALL = (REGIONS, GRIDS, FOOTPRINTS)


def mended(shape: str) -> str:
    """The polygons of a shape, valid, its shells turning as MVT wants them."""
    return f"""(
        SELECT ST_ForcePolygonCCW(
            CASE
                WHEN ST_IsValid(bent) THEN ST_Simplify(bent, 0)
                ELSE ST_ReducePrecision(
                    ST_MakeValid(bent, 'method=structure keepcollapsed=false'), 1
                )
            END
        )
        FROM (SELECT {shape} AS bent OFFSET 0) AS moved
    )"""


def _projected(outline: str) -> str:
    """Web Mercator metres; NULL for what reaches beyond its square, which has no place there."""
    return (
        f"CASE WHEN {outline} @ ST_MakeEnvelope(-180, -85.06, 180, 85.06, 4326) "
        f"THEN ST_Transform({outline}, 3857) END"
    )


def _shape(projected: str, zoom: int) -> str:
    side = EXTENT << zoom
    scale = side / (2 * _HALF_WORLD)
    apart = _UNITS_APART_AT_LAST if zoom == LAST_ZOOM else _UNITS_APART
    return mended(
        f"ST_SnapToGrid(ST_SetSRID(ST_Affine({projected}, {scale!r}, 0, 0, {-scale!r}, "
        f"{side // 2}, {side // 2}), 0), {apart})"
    )


class TileShapes:
    """Makes the shapes that are missing, behind everybody's back.

    One for a process; `run` is to be a task of it for as long as it serves. Of processes that share
    a database one works at a time.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wake = asyncio.Event()
        # Codes that may have changed, None for any, by noun.
        self._changed: dict[str, set[str] | None] = {}

    def hear(self, changes: Changes) -> None:
        """Takes note of what the change feed says."""
        nouns = [outlines.noun for outlines in _ALL]
        for change in changes:
            if change.table in nouns:
                self._note(change.table, change.codes)

    async def run(self) -> None:
        """Fills for ever; says in the log what keeps it from doing so, and tries again."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, {}
            try:
                if not await self._fill(changed):
                    await self._later(changed)
            except GridmapError as error:
                _log.warning("Shapes for tiles are not kept for now: %s", error)
                await self._later(changed)
            except exc.DBAPIError:
                # As it would be again: such tiles are told from the outlines themselves.
                _log.exception("Some shapes for tiles cannot be made.")

    async def fill(self) -> None:
        """Makes all that is missing, now."""
        while not await self._fill({outlines.noun: None for outlines in _ALL}):
            await asyncio.sleep(_WAIT_SECONDS)

    async def _later(self, changed: dict[str, set[str] | None]) -> None:
        for noun, codes in changed.items():
            self._note(noun, codes)
        await asyncio.sleep(_WAIT_SECONDS)

    def _note(self, noun: str, codes: Collection[str] | None) -> None:
        known = self._changed.setdefault(noun, set())
        if codes is None or known is None:
            self._changed[noun] = None
        else:
            known |= set(codes)
        self._wake.set()

    async def _fill(self, changed: dict[str, set[str] | None]) -> bool:
        """Whether it was this process's turn."""
        return all(
            [
                await self._fill_one(outlines, changed[outlines.noun])
                for outlines in _ALL
                if outlines.noun in changed
            ]
        )

    async def _fill_one(self, outlines: Outlines, codes: set[str] | None) -> bool:
        some = codes is not None
        named = {"codes": sorted(codes)} if codes is not None else {}
        last, made = ("", "", datetime.date.min), 0
        while True:
            async with self._database.transaction() as connection:
                # Whatever it takes, for nobody waits for it; and a plan that was made while there
                # was little must not be kept for when there is much.
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
                lock = text("SELECT pg_try_advisory_xact_lock(:lock)")
                if not await connection.scalar(lock, {"lock": _LOCK}):
                    return False
                if last[1] == "":
                    await connection.execute(outlines.sweeping(some), named)
                after = dict(zip(("district", "code", "day"), last, strict=True))
                keys = (await connection.execute(outlines.following(some), after | named)).all()
                if keys:
                    districts, found, days = map(list, zip(*keys, strict=True))
                    filled = await connection.execute(
                        outlines.filling, {"districts": districts, "codes": found, "days": days}
                    )
                    last, made = tuple(keys[-1]), made + filled.rowcount
                    continue
                if made > _AT_ONCE:
                    # So that those who ask for tiles are answered by plans for as much.
                    await connection.execute(text("SELECT gridmap_analyze_tile_shapes()"))
                return True
