"""Importing buildings: updated in place, but for how they are managed, which is dated.

A column the file does not have leaves what is kept; so does a row without a footprint. The position
is kept as it was given beside the WGS 84 one. A building drawn as a polygon has that for its
footprint, and a point on it for its position.

A row says how the building is managed from its `management_from` on, until the next change that is
known; UNMANAGED, or an empty cell, says that nobody manages it. It is compared with what holds on
that day. A mode that differs ends the one before and begins, or takes the place of one that began
on the very day; before the newest change that is kept it is refused, for the past is not rewritten.
A building may have several rows, one for each day on which its management changed; they agree in
all else.
"""

from __future__ import annotations

import struct
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.geo.batches import Batch
from gridmap.geo.checks import GeometryKind
from gridmap.geo.index import PointIndex
from gridmap.geo.problems import Kind
from gridmap.store.imports import shapes
from gridmap.store.imports.codes import (
    communities_of,
    refuse_other_community,
    refuse_other_than_digits,
    refuse_unfit,
    settle_districts,
)
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.datums import (
    refuse_buildings_elsewhere,
    refuse_headings_of_another_datum,
)
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import drop_refused, refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run
from gridmap.store.imports.staging import batches_of

_DIGITS = 17


class BuildingImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "code": "text",
        "name": "text",
        "community_code": "text",
        "district_code": "text",
        "compound": "text",
        "households": "integer",
        "mode": "text",
        "managed_from": "date",
        "location": "geometry(Point, 4326)",
        "footprint": "geometry(MultiPolygon, 4326)",
        "source_longitude": "double precision",
        "source_latitude": "double precision",
    }

    def __init__(self, run: Run) -> None:
        self.run = run
        self._datum = str(run.datum)

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:
        run = self.run
        if run.is_standard:
            refuse_other_than_digits(
                run,
                rows,
                (_DIGITS,),
                f"a building has {_DIGITS}: its community's 12 and 5 of its own",
            )
            refuse_other_community(run, rows)
        else:
            refuse_unfit(run, rows)
        locations, footprints = self._positions(rows, batch)
        communities, districts = communities_of(run, rows)
        return (
            rows.codes,
            rows.values["name"],
            communities,
            districts,
            rows.values["compound"],
            rows.values["households"],
            rows.values["management_mode"],
            [day or run.day for day in rows.values["management_from"]],
            shapes.as_wkb(shapes.in_wgs84(run, locations)),
            shapes.as_wkb(shapes.in_wgs84(run, footprints)),
            _plain_numbers(shapely.get_x(locations)),
            _plain_numbers(shapely.get_y(locations)),
        )

    def _positions(self, rows: Rows, batch: Batch) -> tuple[shapes.Geometries, shapes.Geometries]:
        """Points and footprints, in the file's datum."""
        refuse_headings_of_another_datum(self.run, "longitude", "latitude", "footprint")
        given = _points(rows.values["longitude"], rows.values["latitude"])
        if batch.geometries is None:
            self.run.columns.need("longitude", "latitude")
        else:
            drawn = np.array([wkb is not None for wkb in batch.geometries], dtype=bool)
            given[drawn] = batch.geometries[drawn]
        footprints = shapes.texts(rows.values["footprint"])
        drawn = np.array([_is_polygon(wkb) for wkb in given], dtype=bool)
        footprints[drawn] = given[drawn]
        footprints = shapes.checked_where_given(self.run, rows, footprints, GeometryKind.POLYGON)
        locations = np.full(len(given), None, dtype=object)
        locations[drawn] = shapely.point_on_surface(footprints[drawn])
        standing = np.flatnonzero(~drawn)
        if self.run.columns.has("longitude") and self.run.columns.has("latitude"):
            unplaced = self._refuse_unplaced(rows, given)
            standing = np.setdiff1d(standing, unplaced)
        if len(standing):
            some = Rows(
                [rows.numbers[i] for i in standing], [rows.codes[i] for i in standing], values={}
            )
            locations[standing] = shapes.checked(
                self.run, some, given[standing], GeometryKind.POINT
            )
        return locations, footprints

    def _refuse_unplaced(self, rows: Rows, given: shapes.Geometries) -> list[int]:
        """Refuses rows for want of a number, unless its cell was refused already; where they are.

        Only where the file has both columns; without them the geometry is what a row lacks.
        """
        unplaced = [i for i, wkb in enumerate(given) if wkb is None]
        for i in unplaced:
            empty = [
                self.run.columns.headings[name]
                for name in ("longitude", "latitude")
                if rows.values[name][i] is None and i not in rows.unread[name]
            ]
            if empty:
                named = " and ".join(empty)
                self.run.refuse(
                    rows.numbers[i],
                    rows.codes[i],
                    Kind.MISSING_VALUE,
                    f"{named} {'are' if len(empty) > 1 else 'is'} empty",
                    f"Fill in the column{'s' if len(empty) > 1 else ''} {named}.",
                )
        return unplaced

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE buildings, building_managements IN SHARE ROW EXCLUSIVE MODE")
        settle_districts(run)
        refuse_repeated(run, "code", "district_code", *self._day_of_change)
        refuse_unknown(run, "community_code", "regions", "community")
        if not refuse_buildings_elsewhere(run):
            self._warn_outside_grids()
        self._judge()
        drop_refused(run)
        self._refuse_two_descriptions()
        self._judge_management()

    @property
    def _day_of_change(self) -> tuple[str, ...]:
        """What tells the rows of one building from each other, where it may have several."""
        return ("managed_from",) if self.run.columns.has("management_mode") else ()

    def _warn_outside_grids(self) -> None:
        """District by district, by an index in memory of the grids around its buildings."""
        placed = chain.from_iterable(
            batches_of(
                self.run.connection,
                """
                SELECT district_code, file_row, code, ST_X(location), ST_Y(location)
                FROM staged
                WHERE location IS NOT NULL
                ORDER BY district_code
                """,
            )
        )
        for _, buildings in groupby(placed, key=itemgetter(0)):
            _, rows, codes, *places = zip(*buildings, strict=True)
            points = np.column_stack(places)
            held = self._grids_around(points).locate_many(points) >= 0
            for i in np.flatnonzero(~held).tolist():
                longitude, latitude = points[i].tolist()
                self.run.warn(
                    rows[i],
                    codes[i],
                    Kind.OUTSIDE_GRIDS,
                    f"lies in no grid: {longitude:.6f}, {latitude:.6f} (WGS 84)",
                    "Check the position and --datum, or import the grid it lies in.",
                )

    def _grids_around(self, points: NDArray[np.float64]) -> PointIndex:
        """The day's grids that meet the bounds of points (n, 2). Served by grids_boundary_idx."""
        west, south = points.min(axis=0).tolist()
        east, north = points.max(axis=0).tolist()
        around = self.run.sql(
            """
            SELECT ST_AsBinary(boundary)
            FROM grids
            WHERE boundary && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
              AND valid_from <= :day
              AND (valid_to IS NULL OR valid_to > :day)
            """,
            west=west,
            south=south,
            east=east,
            north=north,
            day=self.run.day,
        )
        return PointIndex(shapely.from_wkb(around.scalars().all()))

    def _judge(self) -> None:
        """Makes `judged`: for each row, whether the building is new, or differs from the kept."""
        run = self.run
        compound = "staged" if run.columns.has("compound") else "kept"
        run.sql("DROP TABLE IF EXISTS judged")
        # Served by buildings_pkey.
        run.sql(
            f"""
            CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
            SELECT
                file_row,
                kept.code IS NULL AS is_new,
                (staged.community_code, staged.name, {compound}.compound, staged.households)
                    IS DISTINCT FROM
                    (kept.community_code, kept.name, kept.compound, kept.households)
                    OR abs(ST_X(staged.location) - ST_X(kept.location)) > :same
                    OR abs(ST_Y(staged.location) - ST_Y(kept.location)) > :same
                    AS differs,
                staged.footprint IS NOT NULL
                    AND (kept.footprint IS NULL OR NOT staged.footprint = kept.footprint)
                    AS has_other_footprint
            FROM staged
            LEFT JOIN buildings AS kept USING (district_code, code)
            """,
            same=shapes.SAME_DEGREES,
        )
        same = shapes.rows_of_same_shape(
            run,
            """
            SELECT file_row, ST_AsBinary(staged.footprint), ST_AsBinary(kept.footprint)
            FROM judged
            JOIN staged USING (file_row)
            JOIN buildings AS kept USING (district_code, code)
            WHERE has_other_footprint AND kept.footprint IS NOT NULL
            """,
        )
        run.sql(
            """
            UPDATE judged
            SET has_other_footprint = FALSE
            WHERE file_row = ANY(CAST(:rows AS integer[]))
            """,
            rows=same,
        )

    def _refuse_two_descriptions(self) -> None:
        """Refuses rows that agree with the first of their building in the code alone."""
        run = self.run
        for row, code, first in run.sql(
            """
            WITH first AS (
                SELECT district_code, code, min(file_row) AS file_row
                FROM staged
                GROUP BY district_code, code
                HAVING count(*) > 1
            )
            SELECT again.file_row, again.code, staged.file_row
            FROM first
            JOIN staged USING (file_row)
            JOIN staged AS again
              ON again.district_code = first.district_code AND again.code = first.code
            WHERE (
                again.community_code, again.name, again.compound, again.households,
                again.source_longitude, again.source_latitude, again.footprint
            ) IS DISTINCT FROM (
                staged.community_code, staged.name, staged.compound, staged.households,
                staged.source_longitude, staged.source_latitude, staged.footprint
            )
            """
        ):
            run.refuse(
                row,
                code,
                Kind.BAD_VALUE,
                f"row {first} describes the same building in another way",
                "Give each building a code of its own; rows of one building may differ only in how "
                "it is managed and from when.",
            )

    def _judge_management(self) -> None:
        """Makes `modes`: the days on which management changes, by what is kept and by the file.

        `is_change` says of a row of the file whether it differs from what holds on its day.
        """
        run = self.run
        run.sql("DROP TABLE IF EXISTS modes")
        # Served by building_managements_pkey.
        run.sql(
            """
            CREATE TEMPORARY TABLE modes ON COMMIT DROP AS
            WITH managed AS (
                SELECT *
                FROM building_managements
                WHERE (district_code, building_code) IN (SELECT district_code, code FROM staged)
            ),
            change AS (
                SELECT
                    CAST(NULL AS integer) AS file_row, district_code, building_code AS code,
                    valid_from AS day, mode
                FROM managed
                UNION ALL
                SELECT NULL, district_code, building_code, valid_to, NULL
                FROM managed AS ended
                WHERE valid_to IS NOT NULL
                  AND NOT EXISTS (
                      SELECT 1
                      FROM managed AS next
                      WHERE next.district_code = ended.district_code
                        AND next.building_code = ended.building_code
                        AND next.valid_from = ended.valid_to
                  )
                UNION ALL
                SELECT file_row, district_code, code, managed_from, mode
                FROM staged
            )
            SELECT
                *,
                file_row IS NOT NULL AND mode IS DISTINCT FROM lag(mode) OVER before AS is_change,
                max(day) FILTER (WHERE file_row IS NULL) OVER (PARTITION BY district_code, code)
                    AS newest
            FROM change
            WHERE :is_given
            WINDOW before AS (
                PARTITION BY district_code, code
                ORDER BY day, file_row NULLS FIRST
            )
            """,
            is_given=run.columns.has("management_mode"),
        )
        for row, code, day, newest in run.sql(
            """
            SELECT file_row, code, day, newest
            FROM modes
            WHERE is_change
              AND day < newest
              AND mode IS DISTINCT FROM (
                  SELECT managed.mode
                  FROM building_managements AS managed
                  WHERE managed.district_code = modes.district_code
                    AND managed.building_code = modes.code
                    AND managed.valid_from <= day
                    AND (managed.valid_to IS NULL OR managed.valid_to > day)
              )
            """
        ):
            run.refuse(
                row,
                code,
                Kind.DATE_CONFLICT,
                f"its management differs on {day} from what is kept, where the newest change is of "
                f"{newest}",
                f"Give a management_from of {newest} or later.",
            )

    def merge(self) -> Counts:
        self._update()
        self._insert()
        self._manage()
        return Counts(
            *self.run.sql(
                """
                SELECT
                    count(*) FILTER (WHERE is_new),
                    count(*) FILTER (WHERE NOT is_new AND is_touched),
                    count(*) FILTER (WHERE NOT is_new AND NOT is_touched)
                FROM (
                    SELECT
                        is_new,
                        differs OR has_other_footprint OR is_change IS TRUE AS is_touched
                    FROM judged
                    LEFT JOIN modes USING (file_row)
                ) AS outcome
                """
            ).one()
        )

    def _update(self) -> None:
        """Served by buildings_pkey."""
        run = self.run
        compound = "staged.compound" if run.columns.has("compound") else "kept.compound"
        run.sql(
            f"""
            UPDATE buildings AS kept
            SET community_code = staged.community_code,
                name = staged.name,
                compound = {compound},
                households = staged.households,
                location = staged.location,
                footprint = CASE
                    WHEN has_other_footprint THEN staged.footprint
                    ELSE kept.footprint
                END,
                source_datum = :datum,
                source_longitude = staged.source_longitude,
                source_latitude = staged.source_latitude
            FROM judged
            JOIN staged USING (file_row)
            WHERE (differs OR has_other_footprint)
              AND kept.district_code = staged.district_code
              AND kept.code = staged.code
            """,
            datum=self._datum,
        )

    def _insert(self) -> None:
        self.run.sql(
            """
            INSERT INTO buildings (
                district_code, code, community_code, name, compound, households, location,
                footprint, source_datum, source_longitude, source_latitude
            )
            SELECT DISTINCT ON (district_code, code)
                district_code, code, community_code, name, compound, households, location,
                footprint, :datum, source_longitude, source_latitude
            FROM judged
            JOIN staged USING (file_row)
            WHERE is_new
            ORDER BY district_code, code
            """,
            datum=self._datum,
        )

    def _manage(self) -> None:
        """Brings the modes of buildings with a change to what all their changes come to.

        Served by building_managements_pkey.
        """
        run = self.run
        run.sql("DROP TABLE IF EXISTS timeline")
        run.sql(
            """
            CREATE TEMPORARY TABLE timeline ON COMMIT DROP AS
            WITH last_of_day AS (
                SELECT DISTINCT ON (district_code, code, day) district_code, code, day, mode
                FROM modes
                WHERE (district_code, code) IN (
                        SELECT district_code, code FROM modes WHERE is_change
                    )
                ORDER BY district_code, code, day, file_row
            ),
            compared AS (
                SELECT *, mode IS DISTINCT FROM lag(mode) OVER building AS is_change
                FROM last_of_day
                WINDOW building AS (PARTITION BY district_code, code ORDER BY day)
            )
            SELECT
                district_code, code AS building_code, mode, day AS valid_from,
                lead(day) OVER (PARTITION BY district_code, code ORDER BY day) AS valid_to
            FROM compared
            WHERE is_change
            """
        )
        run.sql(
            """
            DELETE FROM building_managements AS managed
            WHERE (district_code, building_code) IN (
                    SELECT district_code, code FROM modes WHERE is_change
                )
              AND NOT EXISTS (
                  SELECT 1
                  FROM timeline
                  WHERE (timeline.district_code, timeline.building_code)
                        = (managed.district_code, managed.building_code)
                    AND (timeline.mode, timeline.valid_from, timeline.valid_to)
                        IS NOT DISTINCT FROM (managed.mode, managed.valid_from, managed.valid_to)
              )
            """
        )
        run.sql(
            """
            INSERT INTO building_managements (
                district_code, building_code, mode, valid_from, valid_to
            )
            SELECT district_code, building_code, mode, valid_from, valid_to
            FROM timeline
            WHERE mode IS NOT NULL
            ON CONFLICT (district_code, building_code, valid_from) DO NOTHING
            """
        )


def _points(longitudes: list[float | None], latitudes: list[float | None]) -> shapes.Geometries:
    """WKB of points; None where either number is missing."""
    points: shapes.Geometries = np.full(len(longitudes), None, dtype=object)
    for i, (longitude, latitude) in enumerate(zip(longitudes, latitudes, strict=True)):
        if longitude is not None and latitude is not None:
            points[i] = _WKB_POINT.pack(1, 1, longitude, latitude)
    return points


def _is_polygon(wkb: bytes | None) -> bool:
    """Whether the geometry is a Polygon or MultiPolygon, by its head alone."""
    if wkb is None or len(wkb) < 5:
        return False
    (kind,) = struct.unpack_from("<I" if wkb[0] == 1 else ">I", wkb, 1)
    return (kind & 0xFFFF) % 1000 in (3, 6)


def _plain_numbers(numbers: NDArray[np.float64]) -> list[float | None]:
    """None where the point was missing."""
    return [None if number != number else number for number in numbers.tolist()]


_WKB_POINT = struct.Struct("<BIdd")
