"""Importing sponsorships: who answers for a building or a grid, from when and until when.

Sponsor, building or grid, and the first day say which sponsorship a row means; a row that does not
say its first day means the one that holds on the import's day, if there is one. Its last day may be
set later. A building or grid has one sponsor at a time: a row that would give it two is refused,
and says which of the two to end.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.dates import begins, refuse_dates_out_of_order, refuse_end
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import drop_refused, refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run


class SponsorshipImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "sponsor_code": "text",
        "building_code": "text",
        "grid_code": "text",
        "district_code": "text",
        "valid_from": "date",
        "is_dated": "boolean",
        "valid_to": "date",
    }

    def __init__(self, run: Run) -> None:
        self.run = run

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:  # noqa: ARG002
        run = self.run
        buildings, grids = rows.values["building"], rows.values["grid"]
        for i, pair in enumerate(zip(buildings, grids, strict=True)):
            if None not in pair or pair == (None, None):
                run.refuse(
                    rows.numbers[i],
                    rows.codes[i],
                    Kind.MISSING_VALUE if pair == (None, None) else Kind.BAD_VALUE,
                    "the row names neither a building nor a grid"
                    if pair == (None, None)
                    else f"the row names both building {pair[0]} and grid {pair[1]}",
                    "Name one of the two; make two rows if the sponsor answers for both.",
                )
                buildings[i] = grids[i] = None
        refuse_dates_out_of_order(run, rows)
        return (
            rows.codes,
            buildings,
            grids,
            [None] * len(rows.codes),
            *begins(run, rows),
            rows.values["valid_to"],
        )

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE sponsorships IN SHARE ROW EXCLUSIVE MODE")
        refuse_unknown(
            run,
            "sponsor_code",
            "sponsors",
            "sponsor",
            kind=Kind.UNKNOWN_CODE,
            code="sponsor_code",
        )
        for target, table in (("building", "buildings"), ("grid", "grids")):
            refuse_unknown(
                run,
                f"{target}_code",
                table,
                target,
                kind=Kind.UNKNOWN_CODE,
                code="sponsor_code",
            )
            self._find_district(target, table)
        drop_refused(run)
        self._judge()
        for code in ("building_code", "grid_code"):
            refuse_repeated(
                run, code, "sponsor_code", "begins_on", table="judged", code="sponsor_code"
            )
        drop_refused(run, "judged")
        self._refuse_two_at_a_time()

    def _find_district(self, target: str, table: str) -> None:
        """Served by the table's index on the code."""
        run = self.run
        run.sql(
            f"""
            UPDATE staged
            SET district_code = (
                SELECT min(district_code) FROM {table} WHERE {table}.code = staged.{target}_code
            )
            WHERE {target}_code IS NOT NULL
            """
        )
        for row, sponsor, code in run.sql(
            f"""
            SELECT file_row, sponsor_code, {target}_code
            FROM staged
            WHERE EXISTS (
                SELECT 1
                FROM {table}
                WHERE {table}.code = staged.{target}_code
                  AND {table}.district_code > staged.district_code
            )
            """
        ):
            run.refuse(
                row,
                sponsor,
                Kind.UNKNOWN_CODE,
                f"several districts have a {target} {code}",
                f"Give each {target} a code of its own.",
            )

    def _judge(self) -> None:
        """Makes `judged`: for each row, the kept sponsorship it means, if there is one."""
        run = self.run
        run.sql("DROP TABLE IF EXISTS judged")
        # Served by sponsorships_sponsor_idx.
        run.sql(
            """
            CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
            SELECT
                staged.*, kept.id AS kept_id,
                kept.id IS NOT NULL
                    AND staged.valid_to IS NOT NULL
                    AND staged.valid_to IS DISTINCT FROM kept.valid_to AS ends_anew,
                COALESCE(kept.valid_from, staged.valid_from) AS begins_on,
                COALESCE(staged.valid_to, kept.valid_to) AS ends_on
            FROM staged
            LEFT JOIN LATERAL (
                SELECT *
                FROM sponsorships AS kept
                WHERE kept.sponsor_code = staged.sponsor_code
                  AND kept.district_code = staged.district_code
                  AND (kept.building_code = staged.building_code
                       OR kept.grid_code = staged.grid_code)
                  AND (
                      kept.valid_from = staged.valid_from
                      OR NOT staged.is_dated AND (
                          kept.valid_to = staged.valid_to
                          OR kept.valid_from <= staged.valid_from
                          AND (kept.valid_to IS NULL OR kept.valid_to > staged.valid_from)
                      )
                  )
                ORDER BY kept.valid_from = staged.valid_from DESC, kept.valid_from DESC
                LIMIT 1
            ) AS kept ON TRUE
            """
        )
        for row, sponsor, begin, end in run.sql(
            """
            SELECT file_row, sponsor_code, begins_on, ends_on
            FROM judged
            WHERE NOT is_dated AND ends_on <= begins_on
            """
        ):
            refuse_end(run, row, sponsor, begin, end)

    def _refuse_two_at_a_time(self) -> None:
        """Compares what the file's rows come to with each other, and with what is kept beside them.

        Served by the exclusion constraints' indexes.
        """
        run = self.run
        for target in ("building", "grid"):
            for row, sponsor, code, begin, other_row, other, other_begin, other_end in run.sql(
                f"""
                WITH claim AS (
                    SELECT
                        file_row, sponsor_code, district_code, {target}_code AS code,
                        begins_on, ends_on, kept_id
                    FROM judged
                    WHERE {target}_code IS NOT NULL
                ),
                beside AS (
                    SELECT
                        CAST(NULL AS integer) AS file_row, sponsor_code, district_code,
                        {target}_code AS code, valid_from AS begins_on, valid_to AS ends_on,
                        id AS kept_id
                    FROM sponsorships
                    WHERE (district_code, {target}_code) IN (
                            SELECT district_code, code FROM claim
                        )
                      AND id NOT IN (SELECT kept_id FROM claim WHERE kept_id IS NOT NULL)
                )
                SELECT
                    claim.file_row, claim.sponsor_code, claim.code, claim.begins_on,
                    other.file_row, other.sponsor_code, other.begins_on, other.ends_on
                FROM claim
                JOIN (SELECT * FROM claim UNION ALL SELECT * FROM beside) AS other
                  ON other.district_code = claim.district_code
                 AND other.code = claim.code
                WHERE (other.file_row IS NULL OR other.file_row < claim.file_row)
                  AND (claim.sponsor_code, claim.begins_on)
                      IS DISTINCT FROM (other.sponsor_code, other.begins_on)
                  AND claim.begins_on < COALESCE(other.ends_on, 'infinity')
                  AND other.begins_on < COALESCE(claim.ends_on, 'infinity')
                """
            ):
                where = f"row {other_row}" if other_row else "the kept sponsorship"
                until = f" until {other_end}" if other_end else ""
                earlier, later = sorted(
                    ((other_begin, other, where), (begin, sponsor, f"row {row}"))
                )
                run.refuse(
                    row,
                    sponsor,
                    Kind.DATE_CONFLICT,
                    f"{target} {code} would have two sponsors from {later[0]}: {sponsor} from "
                    f"{begin}, and by {where} {other} from {other_begin}{until}",
                    f"End {earlier[2]}: give the row of sponsor {earlier[1]}, {target} {code}, "
                    f"valid_from {earlier[0]}, a valid_to of {later[0]} or before.",
                )

    def merge(self) -> Counts:
        run = self.run
        # Served by sponsorships_pkey.
        changed = run.sql(
            """
            UPDATE sponsorships
            SET valid_to = judged.valid_to
            FROM judged
            WHERE ends_anew
              AND sponsorships.district_code = judged.district_code
              AND sponsorships.id = judged.kept_id
            """
        ).rowcount
        added = run.sql(
            """
            INSERT INTO sponsorships (
                district_code, sponsor_code, building_code, grid_code, valid_from, valid_to
            )
            SELECT district_code, sponsor_code, building_code, grid_code, valid_from, valid_to
            FROM judged
            WHERE kept_id IS NULL
            ORDER BY file_row
            """
        ).rowcount
        staged = run.sql("SELECT count(*) FROM staged").scalar_one()
        return Counts(added, changed, staged - added - changed)
