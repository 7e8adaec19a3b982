"""Importing sponsorships: who answers for a building or a grid, from when and until when.

Sponsor, building or grid, and the first day say which sponsorship a row means; a row that does not
say its first day means the one that holds on the import's day, if there is one. Its last day may be
set later. The district is needed only where several have a building or grid of that code.

A building or grid has one sponsor at a time. A row that means no kept sponsorship begins one; and
of the kept one that holds on its first day,

- if that began on the same day, it takes the place: the sponsor is corrected, and the last day too
  if the row says one;
- if that began before, it is the end.

Refused is what would have two sponsors even so: two rows of the file at one time, or a row that
runs on into a sponsorship that is kept and begins later.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.dates import begins, refuse_dates_out_of_order, refuse_undated_ends
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import (
    drop_refused,
    find_district,
    refuse_repeated,
    refuse_unknown,
)
from gridmap.store.imports.run import Run


class SponsorshipImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "sponsor_code": "text",
        "building_code": "text",
        "grid_code": "text",
        "named_district_code": "text",
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
            rows.values["district"],
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
        for target in _TARGETS:
            table = f"{target}s"
            refuse_unknown(
                run,
                f"{target}_code",
                table,
                target,
                kind=Kind.UNKNOWN_CODE,
                code="sponsor_code",
            )
            find_district(run, target, table, code="sponsor_code")
        drop_refused(run)
        self._judge()
        for code in ("building_code", "grid_code"):
            refuse_repeated(
                run,
                code,
                "district_code",
                "sponsor_code",
                "begins_on",
                table="judged",
                code="sponsor_code",
            )
        drop_refused(run, "judged")
        self._refuse_two_at_a_time()

    def _judge(self) -> None:
        """Makes `judged`: for each row, the kept sponsorship it means or corrects, if there is one.

        Served by the indexes of the constraints of one sponsor at a time.
        """
        run = self.run
        run.sql("DROP TABLE IF EXISTS judged")
        candidates = " UNION ALL ".join(
            f"""
            SELECT
                staged.file_row, kept.id, kept.valid_from, kept.valid_to,
                kept.sponsor_code <> staged.sponsor_code AS is_corrected
            FROM staged
            JOIN sponsorships AS kept
              ON kept.district_code = staged.district_code
             AND kept.{target}_code = staged.{target}_code
            WHERE kept.valid_from = staged.valid_from
               OR kept.sponsor_code = staged.sponsor_code
              AND NOT staged.is_dated
              AND (
                  kept.valid_to = staged.valid_to
                  OR kept.valid_from <= staged.valid_from
                  AND (kept.valid_to IS NULL OR kept.valid_to > staged.valid_from)
              )
            """
            for target in _TARGETS
        )
        run.sql(
            f"""
            CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
            SELECT
                staged.*, kept.id AS kept_id,
                COALESCE(
                    kept.is_corrected
                        OR staged.valid_to IS NOT NULL
                        AND staged.valid_to IS DISTINCT FROM kept.valid_to,
                    FALSE
                ) AS is_changed,
                COALESCE(kept.valid_from, staged.valid_from) AS begins_on,
                COALESCE(staged.valid_to, kept.valid_to) AS ends_on
            FROM staged
            LEFT JOIN (
                SELECT DISTINCT ON (file_row) *
                FROM ({candidates}) AS candidate
                ORDER BY file_row, is_corrected, valid_from DESC
            ) AS kept USING (file_row)
            """
        )
        refuse_undated_ends(run, "sponsor_code")

    def _refuse_two_at_a_time(self) -> None:
        """Compares what the file's rows come to with each other, and with what is kept beside them.

        Served by the indexes of the constraints of one sponsor at a time.
        """
        run = self.run
        for target in _TARGETS:
            for row, sponsor, code, begin, other_row, other, other_begin, other_end in run.sql(
                f"""
                WITH claim AS (
                    SELECT
                        file_row, sponsor_code, district_code, {target}_code AS code,
                        begins_on, ends_on, kept_id
                    FROM judged
                    WHERE {target}_code IS NOT NULL
                ),
                later AS (
                    SELECT
                        CAST(NULL AS integer) AS file_row, sponsor_code, district_code,
                        {target}_code AS code, valid_from AS begins_on, valid_to AS ends_on
                    FROM sponsorships
                    WHERE (district_code, {target}_code) IN (
                            SELECT district_code, code FROM claim
                        )
                      AND id NOT IN (SELECT kept_id FROM claim WHERE kept_id IS NOT NULL)
                ),
                other AS (
                    SELECT file_row, sponsor_code, district_code, code, begins_on, ends_on
                    FROM claim
                    UNION ALL
                    SELECT *
                    FROM later
                )
                SELECT
                    claim.file_row, claim.sponsor_code, claim.code, claim.begins_on,
                    other.file_row, other.sponsor_code, other.begins_on, other.ends_on
                FROM claim
                JOIN other USING (district_code, code)
                WHERE claim.begins_on < COALESCE(other.ends_on, 'infinity')
                  AND other.begins_on < COALESCE(claim.ends_on, 'infinity')
                  AND CASE
                      WHEN other.file_row IS NULL THEN other.begins_on > claim.begins_on
                      ELSE other.file_row < claim.file_row
                  END
                """
            ):
                where = f"row {other_row}" if other_row else "the kept sponsorship"
                until = f" until {other_end}" if other_end else ""
                (first_begin, first, first_where), (day, _, _) = sorted(
                    ((other_begin, other, where), (begin, sponsor, f"row {row}"))
                )
                run.refuse(
                    row,
                    sponsor,
                    Kind.DATE_CONFLICT,
                    f"{target} {code} would have two sponsors from {day}: {sponsor} from "
                    f"{begin}, and by {where} {other} from {other_begin}{until}",
                    "Remove one of the two rows, or correct the first day of one."
                    if begin == other_begin
                    else f"End {first_where}: give the row of sponsor {first}, {target} {code}, "
                    f"valid_from {first_begin}, a valid_to of {day} or before.",
                )

    def merge(self) -> Counts:
        run = self.run
        self._close()
        # Served by sponsorships_pkey.
        changed = run.sql(
            """
            UPDATE sponsorships
            SET sponsor_code = judged.sponsor_code, valid_to = judged.ends_on
            FROM judged
            WHERE is_changed
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

    def _close(self) -> None:
        """Ends what is kept and not named by the file where a new sponsorship begins meanwhile."""
        for target in _TARGETS:
            self.run.sql(
                f"""
                UPDATE sponsorships AS kept
                SET valid_to = next.day
                FROM (
                    SELECT kept.district_code, kept.id, min(judged.begins_on) AS day
                    FROM judged
                    JOIN sponsorships AS kept
                      ON kept.district_code = judged.district_code
                     AND kept.{target}_code = judged.{target}_code
                    WHERE judged.kept_id IS NULL
                      AND kept.valid_from < judged.begins_on
                      AND (kept.valid_to IS NULL OR kept.valid_to > judged.begins_on)
                    GROUP BY kept.district_code, kept.id
                ) AS next
                WHERE kept.district_code = next.district_code AND kept.id = next.id
                """
            )


_TARGETS = ("building", "grid")
