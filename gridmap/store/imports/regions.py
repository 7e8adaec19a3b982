"""Importing regions: checked against their parents, updated in place.

A row without an outline leaves the outline that is kept; so does, with free codes, a row without a
level or a parent.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.checks import GeometryKind
from gridmap.geo.problems import Kind
from gridmap.store.imports import shapes
from gridmap.store.imports.codes import (
    DIGITS_OF_REGIONS,
    DISTRICT_DIGITS,
    PARENT_DIGITS,
    refuse_other_than_digits,
    refuse_unfit,
)
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run


class RegionImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "code": "text",
        "name": "text",
        "level": "text",
        "parent_code": "text",
        "district_code": "text",
        "boundary": "geometry(MultiPolygon, 4326)",
        "source_datum": "text",
    }

    def __init__(self, run: Run) -> None:
        self.run = run

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:
        run = self.run
        if run.is_standard:
            refuse_other_than_digits(
                run,
                rows,
                tuple(DIGITS_OF_REGIONS),
                "a province has 2, a city 4, a district 6, a street 9 and a community 12",
            )
            self._refuse_contradictions(rows)
            levels = [code and DIGITS_OF_REGIONS[len(code)] for code in rows.codes]
            parents = [
                code and (code[: PARENT_DIGITS.get(len(code), 0)] or None) for code in rows.codes
            ]
            districts = [
                code[:DISTRICT_DIGITS] if code and len(code) >= DISTRICT_DIGITS else None
                for code in rows.codes
            ]
        else:
            refuse_unfit(run, rows)
            levels, parents = rows.values["level"], rows.values["parent"]
            districts = [None] * len(rows.codes)
        given = batch.geometries
        if given is None:
            given = shapes.texts(rows.values["boundary"])
        outlines: list[bytes | None] = [None] * len(rows.codes)
        datums: list[str | None] = [None] * len(rows.codes)
        if any(each is not None for each in given):
            datum = run.datum
            sound = shapes.checked_where_given(run, rows, given, GeometryKind.POLYGON)
            outlines = shapes.as_wkb(shapes.in_wgs84(run, sound))
            datums = [None if outline is None else str(datum) for outline in outlines]
        return rows.codes, rows.values["name"], levels, parents, districts, outlines, datums

    def _refuse_contradictions(self, rows: Rows) -> None:
        named = zip(rows.codes, rows.values["level"], rows.values["parent"], strict=True)
        for row, (code, level, parent) in zip(rows.numbers, named, strict=True):
            if code is None:
                continue
            if level not in (None, DIGITS_OF_REGIONS[len(code)]):
                self.run.refuse(
                    row,
                    code,
                    Kind.BAD_VALUE,
                    f"the row says {level}, but a code of {len(code)} digits is a "
                    f"{DIGITS_OF_REGIONS[len(code)]}",
                    "Correct the code or the level.",
                )
            above = code[: PARENT_DIGITS.get(len(code), 0)]
            if parent not in (None, above):
                self.run.refuse(
                    row,
                    code,
                    Kind.UNKNOWN_PARENT,
                    f"the row says its parent is {parent}, but the code lies in {above or 'none'}",
                    "Correct the code or the parent; a code begins with its parent's.",
                )

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE regions IN SHARE ROW EXCLUSIVE MODE")
        refuse_repeated(run, "code")
        refuse_unknown(run, "parent_code", "regions", "its parent", in_file_too=True)
        if not run.is_standard:
            self._settle_free_regions()

    def _settle_free_regions(self) -> None:
        """Levels, parents and districts of free codes: as said, as kept, or as is usual."""
        run = self.run
        run.sql(
            """
            UPDATE staged
            SET level = COALESCE(staged.level, kept.level),
                parent_code = COALESCE(staged.parent_code, kept.parent_code)
            FROM regions AS kept
            WHERE kept.code = staged.code
            """
        )
        run.sql("UPDATE staged SET level = 'DISTRICT' WHERE level IS NULL")
        # All that lies above each row, in the file or kept; by how many steps.
        run.sql(
            """
            CREATE TEMPORARY TABLE above ON COMMIT DROP AS
            WITH RECURSIVE parent (code, parent_code, level, district_code) AS (
                SELECT code, parent_code, level, NULL
                FROM staged
                UNION ALL
                SELECT code, parent_code, level, district_code
                FROM regions
                WHERE code NOT IN (SELECT code FROM staged WHERE code IS NOT NULL)
            ),
            above (code, ancestor, steps) AS (
                SELECT code, parent_code, 1
                FROM staged
                WHERE parent_code IS NOT NULL
                UNION ALL
                SELECT above.code, parent.parent_code, above.steps + 1
                FROM above
                JOIN parent ON parent.code = above.ancestor
                WHERE parent.parent_code IS NOT NULL AND above.steps < :levels
            )
            SELECT above.code, above.ancestor, above.steps, parent.level
            FROM above
            JOIN parent ON parent.code = above.ancestor
            """,
            levels=_MOST_LEVELS,
        )
        for row, code in run.sql(
            """
            SELECT file_row, code
            FROM staged
            WHERE EXISTS (
                SELECT 1 FROM above WHERE above.code = staged.code AND steps = :levels
            )
            """,
            levels=_MOST_LEVELS,
        ):
            run.refuse(
                row,
                code,
                Kind.UNKNOWN_PARENT,
                f"its parents go on for {_MOST_LEVELS} levels or in a circle",
                "Correct the parents; there are five levels.",
            )
        run.sql(
            """
            UPDATE staged
            SET district_code = CASE
                WHEN level IN ('PROVINCE', 'CITY') THEN NULL
                WHEN level = 'DISTRICT' THEN code
                ELSE COALESCE(
                    (
                        SELECT ancestor
                        FROM above
                        WHERE above.code = staged.code AND above.level = 'DISTRICT'
                        ORDER BY steps
                        LIMIT 1
                    ),
                    code
                )
            END
            """
        )
        run.sql("DROP TABLE above")

    def merge(self) -> Counts:
        run = self.run
        # Served by regions_pkey.
        same_outline = shapes.rows_of_same_shape(
            run,
            """
            SELECT file_row, ST_AsBinary(staged.boundary), ST_AsBinary(kept.boundary)
            FROM staged
            JOIN regions AS kept USING (code)
            WHERE NOT staged.boundary = kept.boundary
            """,
        )
        changed = run.sql(
            """
            UPDATE regions AS kept
            SET name = staged.name,
                level = staged.level,
                parent_code = staged.parent_code,
                district_code = staged.district_code,
                boundary = COALESCE(staged.boundary, kept.boundary),
                source_datum = COALESCE(staged.source_datum, kept.source_datum)
            FROM staged
            WHERE kept.code = staged.code
              AND (
                  (staged.name, staged.level, staged.parent_code, staged.district_code)
                  IS DISTINCT FROM (kept.name, kept.level, kept.parent_code, kept.district_code)
                  OR (
                      staged.boundary IS NOT NULL
                      AND (kept.boundary IS NULL OR NOT staged.boundary = kept.boundary)
                      AND file_row <> ALL (CAST(:same_outline AS integer[]))
                  )
              )
            """,
            same_outline=same_outline,
        ).rowcount
        added = run.sql(
            """
            INSERT INTO regions (
                code, name, level, parent_code, district_code, boundary, source_datum
            )
            SELECT code, name, level, parent_code, district_code, boundary, source_datum
            FROM staged
            WHERE NOT EXISTS (SELECT 1 FROM regions AS kept WHERE kept.code = staged.code)
            """
        ).rowcount
        staged = run.sql("SELECT count(*) FROM staged").scalar_one()
        return Counts(added, changed, staged - added - changed)


# Twice as many as there are levels; more is a circle.
_MOST_LEVELS = 10
