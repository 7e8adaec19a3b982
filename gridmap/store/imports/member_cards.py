"""Importing member cards: which party member's card hangs at which building, from when until when.

Building, member's name and first day say which card a row means; a row that does not say its first
day means the one that hangs on the import's day, if there is one. Its last day may be set later.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.dates import (
    begins,
    meant,
    refuse_dates_out_of_order,
    refuse_undated_ends,
)
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import (
    drop_refused,
    find_district,
    refuse_repeated,
    refuse_unknown,
)
from gridmap.store.imports.run import Run
from gridmap.store.member_cards import LONGEST_NAME


class MemberCardImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "building_code": "text",
        "name": "text",
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
        for i, name in enumerate(rows.values["name"]):
            if name is not None and not (len(name) <= LONGEST_NAME and name.isprintable()):
                run.refuse(
                    rows.numbers[i],
                    rows.codes[i],
                    Kind.BAD_VALUE,
                    f"“{name[:LONGEST_NAME]}” is no name",
                    f"Give up to {LONGEST_NAME} characters that can be seen.",
                )
        refuse_dates_out_of_order(run, rows)
        return (
            rows.codes,
            rows.values["name"],
            rows.values["district"],
            [None] * len(rows.codes),
            *begins(run, rows),
            rows.values["valid_to"],
        )

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE member_cards IN SHARE ROW EXCLUSIVE MODE")
        refuse_unknown(
            run,
            "building_code",
            "buildings",
            "building",
            kind=Kind.UNKNOWN_CODE,
            code="building_code",
        )
        find_district(run, "building", "buildings", code="building_code")
        drop_refused(run)
        self._judge()
        refuse_repeated(
            run,
            "building_code",
            "district_code",
            "name",
            "begins_on",
            table="judged",
            code="building_code",
            remedy="Remove one of the two rows.",
        )
        drop_refused(run, "judged")
        self._refuse_two_at_a_time()

    def _judge(self) -> None:
        """Makes `judged`: for each row, the kept card it means, if there is one.

        Served by member_cards_building_idx.
        """
        run = self.run
        run.sql("DROP TABLE IF EXISTS judged")
        run.sql(
            f"""
            CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
            SELECT
                staged.*,
                kept.id AS kept_id,
                staged.valid_to IS NOT NULL
                    AND kept.id IS NOT NULL
                    AND staged.valid_to IS DISTINCT FROM kept.valid_to AS ends_anew,
                COALESCE(kept.valid_from, staged.valid_from) AS begins_on,
                COALESCE(staged.valid_to, kept.valid_to) AS ends_on
            FROM staged
            LEFT JOIN {meant("member_cards", _SAME)} ON TRUE
            """
        )
        refuse_undated_ends(run, "building_code")

    def _refuse_two_at_a_time(self) -> None:
        """Served by member_cards_building_idx. The name is not said: problems are printed."""
        run = self.run
        for row, building, begin, other_row, other_begin in run.sql(
            """
            WITH beside AS (
                SELECT
                    CAST(NULL AS integer) AS file_row, district_code, building_code, name,
                    valid_from AS begins_on, valid_to AS ends_on
                FROM member_cards
                WHERE (district_code, building_code) IN (
                        SELECT district_code, building_code FROM judged
                    )
                  AND id NOT IN (SELECT kept_id FROM judged WHERE kept_id IS NOT NULL)
            ),
            other AS (
                SELECT file_row, district_code, building_code, name, begins_on, ends_on
                FROM judged
                UNION ALL
                SELECT *
                FROM beside
            )
            SELECT
                claim.file_row, claim.building_code, claim.begins_on, other.file_row,
                other.begins_on
            FROM judged AS claim
            JOIN other USING (district_code, building_code, name)
            WHERE (other.file_row IS NULL OR other.file_row < claim.file_row)
              AND claim.begins_on < COALESCE(other.ends_on, 'infinity')
              AND other.begins_on < COALESCE(claim.ends_on, 'infinity')
            """
        ):
            where = f"row {other_row}" if other_row else "a card that is kept"
            run.refuse(
                row,
                building,
                Kind.DATE_CONFLICT,
                f"the member's card hangs there already from {other_begin} on, by {where}; the row "
                f"begins on {begin}",
                f"Give a valid_from of {other_begin}, or end the earlier card first.",
            )

    def merge(self) -> Counts:
        run = self.run
        changed = run.sql(
            """
            UPDATE member_cards AS kept
            SET valid_to = judged.valid_to
            FROM judged
            WHERE ends_anew
              AND kept.district_code = judged.district_code
              AND kept.id = judged.kept_id
            """
        ).rowcount
        added = run.sql(
            """
            INSERT INTO member_cards (district_code, building_code, name, valid_from, valid_to)
            SELECT district_code, building_code, name, valid_from, valid_to
            FROM judged
            WHERE kept_id IS NULL
            ORDER BY file_row
            """
        ).rowcount
        staged = run.sql("SELECT count(*) FROM staged").scalar_one()
        return Counts(added, changed, staged - added - changed)


# How a row and the kept one that it means are alike.
_SAME = """
    kept.district_code = staged.district_code
    AND kept.building_code = staged.building_code
    AND kept.name = staged.name
"""
