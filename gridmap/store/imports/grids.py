"""Importing grids: dated versions of outlines that must not overlap.

A row is compared with the version that begins on the day it names, or else with the newest:

- the same outline, name and community: unchanged, whatever the day (a last day that is new is set);
- different, on a later day: the version is closed on that day and a new one begins, to end when
  the closed one was to end unless the row says otherwise;
- different, on the day the newest version began: that version is corrected in place;
- different, on an earlier day: refused, for the past is not rewritten.

Several rows of one code are its versions, each until the next one's first day unless it says an
earlier end. Such a row means the version that begins on its very day: as what came before and after
is told, it is never taken for another that looks the same. Grids that the file does not name are
left alone.

No two grids may overlap on any day. Versions that the file brings are compared with each other and
with those of other grids while PostgreSQL still writes; older versions of the grids that it names,
which may now end too late for a new neighbour, once all is written.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import shapely
from numpy.typing import NDArray

from gridmap.errors import Conflict
from gridmap.geo.batches import Batch
from gridmap.geo.checks import GeometryKind
from gridmap.geo.overlaps import Overlap, OverlapFinder
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
from gridmap.store.imports.dates import begins, refuse_dates_out_of_order, refuse_end
from gridmap.store.imports.datums import refuse_shifted_grids
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run
from gridmap.store.imports.staging import batches_of

_DIGITS = 15

# The first day of the version that a staged row, with its verdict, is when all is written.
_FIRST_DAY = """
CASE WHEN verdict IN ('unchanged', 'ended', 'corrected') THEN kept_from ELSE staged.valid_from END
"""


class GridImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "code": "text",
        "name": "text",
        "community_code": "text",
        "district_code": "text",
        "valid_from": "date",
        "is_dated": "boolean",
        "valid_to": "date",
        "boundary": "geometry(MultiPolygon, 4326)",
    }

    def __init__(self, run: Run) -> None:
        self.run = run
        self._datum = str(run.datum)
        self._written = 0
        self._finder = run.resources.enter_context(OverlapFinder())
        self._extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
        run.sql("LOCK TABLE grids IN SHARE ROW EXCLUSIVE MODE")
        self._make_judged()
        if run.is_standard:
            run.meanwhile = self._take_in

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:
        run = self.run
        if run.is_standard:
            refuse_other_than_digits(
                run, rows, (_DIGITS,), f"a grid has {_DIGITS}: its community's 12 and 3 of its own"
            )
            refuse_other_community(run, rows)
        else:
            refuse_unfit(run, rows)
        refuse_dates_out_of_order(run, rows)
        given = batch.geometries
        if given is None:
            run.columns.need("boundary")
            given = shapes.texts(rows.values["boundary"])
        sound = shapes.checked(run, rows, given, GeometryKind.POLYGON)
        outlines = shapes.in_wgs84(run, sound)
        self._collect(outlines, rows.numbers)
        communities, districts = communities_of(run, rows)
        return (
            rows.codes,
            rows.values["name"],
            communities,
            districts,
            *begins(run, rows),
            rows.values["valid_to"],
            shapes.as_wkb(outlines),
        )

    def _collect(self, outlines: NDArray[np.object_], numbers: list[int]) -> None:
        there = np.flatnonzero(~shapely.is_missing(outlines))
        if len(there):
            self._finder.add(outlines[there], np.array(numbers)[there])
            west, south, east, north = shapely.total_bounds(outlines[there])
            self._extent[:2] = np.minimum(self._extent[:2], (west, south))
            self._extent[2:] = np.maximum(self._extent[2:], (east, north))

    def check(self) -> None:
        run = self.run
        settle_districts(run)
        refuse_repeated(run, "code", "district_code", "valid_from")
        refuse_unknown(run, "community_code", "regions", "community")
        self._look_for_overlaps()
        for batch in run.left:
            self._take_in(*batch)
        self._take_in_histories()
        self._judge()
        refuse_shifted_grids(run)

    def _make_judged(self) -> None:
        """Makes `judged`, for rows that name a kept grid: what is to become of them."""
        self.run.sql("DROP TABLE IF EXISTS judged")
        self.run.sql(
            """
            CREATE TEMPORARY TABLE judged (
                file_row integer,
                district_code text,
                code text,
                valid_from date,
                valid_to date,
                kept_from date,
                kept_to date,
                newest_from date,
                next_from date,
                is_of_history boolean DEFAULT FALSE,
                same_words boolean,
                same_outline boolean,
                verdict text
            ) ON COMMIT DROP
            """
        )

    def _take_in(self, first: int, last: int) -> None:
        """Compares staged rows with the kept ones, and writes the grids that are new at once.

        The rest of the file is read meanwhile; a row that is refused later undoes it all. Of rows
        with one code only the first is written (see `_take_in_histories`), of those in an unknown
        community none, for the checks will refuse them. Served by grids_pkey.
        """
        run = self.run
        run.sql(
            """
            INSERT INTO judged (
                file_row, district_code, code, valid_from, valid_to,
                kept_from, kept_to, newest_from, same_words, same_outline
            )
            SELECT
                file_row, district_code, code, valid_from, valid_to,
                kept_from, kept_to, newest_from, same_words, same_outline
            FROM (
                SELECT
                    staged.*,
                    kept.valid_from AS kept_from,
                    kept.valid_to AS kept_to,
                    max(kept.valid_from) OVER (PARTITION BY file_row) AS newest_from,
                    (staged.name, staged.community_code) = (kept.name, kept.community_code)
                        AS same_words,
                    staged.boundary = kept.boundary AS same_outline,
                    row_number() OVER (
                        PARTITION BY file_row
                        ORDER BY kept.valid_from = staged.valid_from DESC, kept.valid_from DESC
                    ) AS place
                FROM staged
                JOIN grids AS kept USING (district_code, code)
                WHERE file_row BETWEEN :first AND :last
            ) AS version
            WHERE place = 1
            """,
            first=first,
            last=last,
        )
        if run.is_refused:
            return
        self._written += run.sql(
            """
            INSERT INTO grids (
                district_code, code, community_code, name, boundary, source_datum,
                valid_from, valid_to
            )
            SELECT DISTINCT ON (district_code, code)
                district_code, code, community_code, name, boundary, :datum, valid_from, valid_to
            FROM staged
            WHERE file_row BETWEEN :first AND :last
              AND community_code IN (SELECT code FROM regions)
              AND (valid_to IS NULL OR valid_to > valid_from)
              AND NOT EXISTS (SELECT 1 FROM judged WHERE judged.file_row = staged.file_row)
            ORDER BY district_code, code, file_row
            """,
            first=first,
            last=last,
            datum=self._datum,
        ).rowcount

    def _take_in_histories(self) -> None:
        """Writes all versions of new grids that have several rows, and tells others' rows apart.

        Rows of one code may lie in different batches, so that this waits until all are there.
        """
        run = self.run
        run.sql("DROP TABLE IF EXISTS histories")
        run.sql(
            """
            CREATE TEMPORARY TABLE histories ON COMMIT DROP AS
            SELECT
                file_row, district_code, code,
                lead(valid_from) OVER version AS next_from,
                lead(file_row) OVER version AS next_row,
                bool_or(judged.file_row IS NULL) OVER (PARTITION BY district_code, code) AS is_new
            FROM staged
            LEFT JOIN judged USING (file_row, district_code, code, valid_from)
            WHERE (district_code, code) IN (
                    SELECT district_code, code
                    FROM staged
                    GROUP BY district_code, code
                    HAVING count(*) > 1
                )
            WINDOW version AS (PARTITION BY district_code, code ORDER BY valid_from, file_row)
            """
        )
        for row, code, begin, end in run.sql(
            """
            SELECT file_row, staged.code, valid_from, valid_to
            FROM histories
            JOIN staged USING (file_row)
            WHERE NOT is_dated AND valid_to <= valid_from
            """
        ):
            refuse_end(run, row, code, begin, end)
        for row, code, end, other, begin in run.sql(
            """
            SELECT file_row, staged.code, valid_to, next_row, next_from
            FROM histories
            JOIN staged USING (file_row)
            WHERE valid_to > next_from AND valid_from < next_from
            """
        ):
            run.refuse(
                row,
                code,
                Kind.DATE_CONFLICT,
                f"the row holds until {end}, but row {other} has a version of the grid from "
                f"{begin} on",
                f"Give a valid_to of {begin} or earlier, or leave it empty.",
            )
        if run.is_refused:
            return
        # Their first versions were written as if they were the only ones.
        self._written -= run.sql(
            """
            DELETE FROM grids
            USING histories
            WHERE is_new
              AND grids.district_code = histories.district_code
              AND grids.code = histories.code
            """
        ).rowcount
        run.sql(
            """
            DELETE FROM judged
            USING histories
            WHERE is_new AND judged.file_row = histories.file_row
            """
        )
        self._written += run.sql(
            """
            INSERT INTO grids (
                district_code, code, community_code, name, boundary, source_datum,
                valid_from, valid_to
            )
            SELECT
                staged.district_code, staged.code, community_code, name, boundary, :datum,
                valid_from, COALESCE(valid_to, next_from)
            FROM histories
            JOIN staged USING (file_row)
            WHERE is_new
            """,
            datum=self._datum,
        ).rowcount
        run.sql(
            """
            UPDATE judged
            SET next_from = histories.next_from, is_of_history = TRUE
            FROM histories
            WHERE NOT is_new AND judged.file_row = histories.file_row
            """
        )

    def _judge(self) -> None:
        """Gives the verdicts, and refuses rows whose dates contradict what is kept."""
        run = self.run
        run.sql("ANALYZE judged")
        same = shapes.rows_of_same_shape(
            run,
            """
            SELECT file_row, ST_AsBinary(staged.boundary), ST_AsBinary(kept.boundary)
            FROM judged
            JOIN staged USING (file_row)
            JOIN grids AS kept
              ON kept.district_code = judged.district_code
             AND kept.code = judged.code
             AND kept.valid_from = judged.kept_from
            WHERE NOT judged.same_outline
            """,
        )
        run.sql(
            "UPDATE judged SET same_outline = TRUE WHERE file_row = ANY(CAST(:rows AS integer[]))",
            rows=same,
        )
        run.sql(
            """
            UPDATE judged
            SET verdict = CASE
                WHEN is_of_history THEN CASE
                    WHEN kept_from = valid_from AND same_words AND same_outline
                        AND (valid_to IS NULL OR valid_to = kept_to) THEN 'unchanged'
                    WHEN valid_from > newest_from THEN 'version'
                    WHEN valid_from < newest_from THEN 'conflict'
                    WHEN same_words AND same_outline THEN 'ended'
                    ELSE 'corrected'
                END
                WHEN same_words AND same_outline AND valid_to = kept_to THEN 'unchanged'
                WHEN same_words AND same_outline AND valid_from >= kept_to THEN 'version'
                WHEN same_words AND same_outline AND valid_to IS NULL THEN 'unchanged'
                WHEN kept_from < newest_from THEN 'conflict'
                WHEN same_words AND same_outline AND valid_to > kept_from THEN 'ended'
                WHEN valid_from > kept_from THEN 'version'
                WHEN valid_from = kept_from THEN 'corrected'
                ELSE 'conflict'
            END
            """
        )
        for row, code, begins_on, newest in run.sql(
            """
            SELECT file_row, code, valid_from, newest_from
            FROM judged
            WHERE verdict = 'conflict'
            """
        ):
            run.refuse(
                row,
                code,
                Kind.DATE_CONFLICT,
                f"the row begins on {begins_on}, but the newest version of the grid began on "
                f"{newest}",
                f"Give a valid_from of {newest} to correct that version, or later for a new one.",
            )
        for row, code, begin, end in run.sql(
            """
            SELECT file_row, staged.code, staged.valid_from, staged.valid_to
            FROM staged
            LEFT JOIN judged USING (file_row)
            WHERE NOT staged.is_dated
              AND staged.valid_to <= staged.valid_from
              AND (verdict IS NULL OR verdict IN ('version', 'corrected'))
              AND file_row NOT IN (SELECT file_row FROM histories)
            """
        ):
            refuse_end(run, row, code, begin, end)

    def _look_for_overlaps(self) -> None:
        """Adds the kept grids near by that the file does not name, and starts the search."""
        run = self.run
        if not np.isfinite(self._extent).all():
            return
        self._add_kept()
        search = run.pool.submit(self._search, self._finder)
        run.pending.append(lambda: self._report(search.result()))
        run.pending.append(self._look_at_older_versions)

    def _add_kept(self) -> None:
        """Makes `beside`, where kept versions have keys below 0. Served by grids_boundary_idx."""
        run = self.run
        west, south, east, north = self._extent.tolist()
        run.sql("DROP TABLE IF EXISTS beside")
        # PostgreSQL knows nothing yet of the grids just written, and may look up each of them here.
        run.sql("CREATE INDEX ON staged (code)")
        run.sql(
            """
            CREATE TEMPORARY TABLE beside ON COMMIT DROP AS
            SELECT -row_number() OVER () AS key, district_code, code, valid_from
            FROM grids
            WHERE boundary && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
              AND (valid_to IS NULL OR valid_to > (SELECT min(valid_from) FROM staged))
              AND NOT EXISTS (
                  SELECT 1
                  FROM staged
                  WHERE staged.district_code = grids.district_code AND staged.code = grids.code
              )
            """,
            west=west,
            south=south,
            east=east,
            north=north,
        )
        self._add_to(self._finder, "beside", known=True)

    def _look_at_older_versions(self) -> None:
        """Compares versions that the file's rows follow with rows that begin before their end.

        As a rule all rows begin on one day, on which the older versions end, and there are none.
        Served by grids_pkey.
        """
        run = self.run
        if run.is_refused or not run.sql("SELECT EXISTS (SELECT FROM judged)").scalar_one():
            return
        run.sql("DROP TABLE IF EXISTS brought, older")
        run.sql(
            f"""
            CREATE TEMPORARY TABLE brought ON COMMIT DROP AS
            SELECT
                file_row AS key, staged.district_code, staged.code, {_FIRST_DAY} AS valid_from,
                verdict IS DISTINCT FROM 'unchanged' AS is_changed
            FROM staged
            LEFT JOIN judged USING (file_row)
            """
        )
        found = run.sql(
            """
            CREATE TEMPORARY TABLE older ON COMMIT DROP AS
            SELECT
                (SELECT COALESCE(min(key), 0) FROM beside) - row_number() OVER () AS key,
                district_code, code, valid_from
            FROM grids
            WHERE (district_code, code) IN (SELECT district_code, code FROM judged)
              AND (district_code, code, valid_from) NOT IN (
                  SELECT district_code, code, valid_from FROM brought
              )
              AND COALESCE(valid_to, 'infinity')
                  > (SELECT min(valid_from) FROM brought WHERE is_changed)
            """
        ).rowcount
        if not found:
            return
        run.sql("INSERT INTO beside SELECT * FROM older")
        with OverlapFinder() as finder:
            self._add_to(finder, "older", known=True)
            self._add_to(finder, "(SELECT * FROM brought WHERE is_changed) AS changed", known=False)
            self._report([pair for pair in self._search(finder) if pair.first < 0])

    def _add_to(self, finder: OverlapFinder, versions: str, *, known: bool) -> None:
        for rows in batches_of(
            self.run.connection,
            f"""
            SELECT key, ST_AsBinary(boundary)
            FROM {versions}
            JOIN grids USING (district_code, code, valid_from)
            """,
        ):
            keys, outlines = zip(*rows, strict=True)
            finder.add(shapely.from_wkb(outlines), np.array(keys), known=known)

    def _search(self, finder: OverlapFinder) -> list[Overlap]:
        return list(finder.overlaps(self.run.options.sliver_tolerance_metres))

    def _report(self, overlaps: list[Overlap]) -> None:
        """Each overlap of two grids on a day at the later row of the file.

        A version holds for the days that are written by now; one that is not, as its row says.
        """
        run = self.run
        found = {
            tuple(sorted((overlap.first, overlap.second), reverse=True)): overlap
            for overlap in overlaps
        }
        if not found:
            return
        rows, others = zip(*found, strict=True)
        for row, code, other, theirs in run.sql(
            f"""
            WITH version (key, district_code, code, valid_from, valid_to) AS (
                SELECT
                    file_row, staged.district_code, staged.code,
                    COALESCE(grids.valid_from, staged.valid_from),
                    COALESCE(
                        CASE WHEN grids.code IS NULL THEN staged.valid_to ELSE grids.valid_to END,
                        'infinity'
                    )
                FROM staged
                LEFT JOIN judged USING (file_row)
                LEFT JOIN grids
                  ON grids.district_code = staged.district_code
                 AND grids.code = staged.code
                 AND grids.valid_from = {_FIRST_DAY}
                UNION ALL
                SELECT
                    key, district_code, code, valid_from, COALESCE(grids.valid_to, 'infinity')
                FROM beside
                JOIN grids USING (district_code, code, valid_from)
            )
            SELECT mine.key, mine.code, theirs.key, theirs.code
            FROM unnest(CAST(:rows AS bigint[]), CAST(:others AS bigint[])) AS pair (mine, theirs)
            JOIN version AS mine ON mine.key = pair.mine
            JOIN version AS theirs ON theirs.key = pair.theirs
            WHERE (mine.district_code, mine.code) <> (theirs.district_code, theirs.code)
              AND mine.valid_from < theirs.valid_to
              AND theirs.valid_from < mine.valid_to
            ORDER BY mine.key, theirs.key DESC
            """,
            rows=list(rows),
            others=list(others),
        ):
            overlap = found[row, other]
            whose = f"grid {theirs} of row {other}" if other > 0 else f"the kept grid {theirs}"
            (run.refuse if run.is_standard else run.warn)(
                row,
                code,
                Kind.OVERLAP,
                f"overlaps {whose} by {overlap.area_m2:,.0f} m², {overlap.width_metres:.1f} m "
                f"wide, at {overlap.longitude:.6f}, {overlap.latitude:.6f} (WGS 84)",
                "Move the boundary between the two, so that they share it.",
            )

    def merge(self) -> Counts:
        run = self.run
        run.sql(
            """
            UPDATE grids
            SET valid_to = version.valid_from
            FROM (
                SELECT district_code, code, newest_from, min(valid_from) AS valid_from
                FROM judged
                WHERE verdict = 'version'
                GROUP BY district_code, code, newest_from
            ) AS version
            WHERE grids.district_code = version.district_code
              AND grids.code = version.code
              AND grids.valid_from = version.newest_from
              AND (grids.valid_to IS NULL OR grids.valid_to > version.valid_from)
            """
        )
        run.sql(
            """
            UPDATE grids
            SET valid_to = judged.valid_to
            FROM judged
            WHERE judged.verdict = 'ended'
              AND grids.district_code = judged.district_code
              AND grids.code = judged.code
              AND grids.valid_from = judged.kept_from
            """
        )
        run.sql(
            """
            UPDATE grids
            SET name = staged.name,
                community_code = staged.community_code,
                boundary = staged.boundary,
                source_datum = :datum,
                valid_to = COALESCE(staged.valid_to, grids.valid_to)
            FROM judged
            JOIN staged USING (file_row)
            WHERE judged.verdict = 'corrected'
              AND grids.district_code = judged.district_code
              AND grids.code = judged.code
              AND grids.valid_from = judged.kept_from
            """,
            datum=self._datum,
        )
        run.sql(
            """
            INSERT INTO grids (
                district_code, code, community_code, name, boundary, source_datum,
                valid_from, valid_to
            )
            SELECT
                staged.district_code, staged.code, staged.community_code, staged.name,
                staged.boundary, :datum, staged.valid_from,
                COALESCE(
                    staged.valid_to,
                    judged.next_from,
                    CASE WHEN judged.kept_to > staged.valid_from THEN judged.kept_to END
                )
            FROM staged
            JOIN judged USING (file_row)
            WHERE judged.verdict = 'version'
            ORDER BY staged.district_code, staged.code
            """,
            datum=self._datum,
        )
        counts = Counts(
            *run.sql(
                """
                SELECT
                    count(*) FILTER (WHERE verdict IS NULL),
                    count(*) FILTER (WHERE verdict <> 'unchanged'),
                    count(*) FILTER (WHERE verdict = 'unchanged')
                FROM staged
                LEFT JOIN judged USING (file_row)
                """
            ).one()
        )
        if counts.added != self._written:
            raise Conflict(
                f"Of {counts.added} new grids only {self._written} could be written, so nothing "
                "was. Import the file again; if that does not help, report it as a fault."
            )
        return counts
