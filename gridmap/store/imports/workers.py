"""Importing grid workers: one row for each worker and grid, the person's own values repeated.

A person is updated in place; a column the file does not have leaves what is kept. Worker, grid and
first day say which assignment a row means; a row that does not say its first day means the one that
holds on the import's day, if there is one. Its last day may be set later. A row without a grid is
about the person only, and says the district unless the worker is known.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.store.imports.codes import refuse_unfit
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.dates import (
    begins,
    meant,
    refuse_dates_out_of_order,
    refuse_undated_ends,
)
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run


class WorkerImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "code": "text",
        "name": "text",
        "phone": "text",
        "named_district_code": "text",
        "grid_code": "text",
        "district_code": "text",
        "valid_from": "date",
        "is_dated": "boolean",
        "valid_to": "date",
    }

    def __init__(self, run: Run) -> None:
        self.run = run

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:  # noqa: ARG002
        refuse_unfit(self.run, rows)
        refuse_dates_out_of_order(self.run, rows)
        return (
            rows.codes,
            rows.values["name"],
            rows.values["phone"],
            rows.values["district"],
            rows.values["grid"],
            [None] * len(rows.codes),
            *begins(self.run, rows),
            rows.values["valid_to"],
        )

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE workers, worker_assignments IN SHARE ROW EXCLUSIVE MODE")
        refuse_unknown(run, "grid_code", "grids", "grid", kind=Kind.UNKNOWN_CODE)
        refuse_unknown(run, "named_district_code", "regions", "district")
        self._settle_districts()
        self._refuse_two_persons()
        self._judge()
        refuse_repeated(run, "code", "district_code", "grid_code", "begins_on", table="judged")
        self._refuse_two_at_a_time()

    def _settle_districts(self) -> None:
        """The grid's district, else the one the row names, else that of the worker as kept.

        Served by grids_code_idx; workers are few enough to be read through.
        """
        run = self.run
        run.sql(
            """
            UPDATE staged
            SET district_code = COALESCE(
                (
                    SELECT min(grids.district_code)
                    FROM grids
                    WHERE grids.code = staged.grid_code
                      AND grids.district_code
                          = COALESCE(staged.named_district_code, grids.district_code)
                ),
                CASE WHEN grid_code IS NULL THEN named_district_code END
            )
            """
        )
        run.sql(
            """
            UPDATE staged
            SET district_code = COALESCE(
                (
                    SELECT min(other.district_code)
                    FROM staged AS other
                    WHERE other.code = staged.code
                ),
                (SELECT min(workers.district_code) FROM workers WHERE workers.code = staged.code)
            )
            WHERE district_code IS NULL AND grid_code IS NULL
            """
        )
        for row, code, grid, named in run.sql(
            """
            SELECT file_row, code, grid_code, named_district_code
            FROM staged
            WHERE district_code IS NULL
              AND code IS NOT NULL
              AND (grid_code IS NULL OR grid_code IN (SELECT code FROM grids))
            """
        ):
            if grid:
                run.refuse(
                    row,
                    code,
                    Kind.UNKNOWN_CODE,
                    f"grid {grid} is not in district {named}",
                    "Correct the grid or the district, or leave the district empty.",
                )
            else:
                run.refuse(
                    row,
                    code,
                    Kind.MISSING_VALUE,
                    "the row names neither a grid nor a district",
                    "Fill in the column grid, or a column district with the district's code.",
                )

    def _refuse_two_persons(self) -> None:
        run = self.run
        for row, code, name, first, other in run.sql(
            """
            SELECT file_row, code, name, first, first_name
            FROM (
                SELECT
                    file_row, code, name, phone,
                    first_value(file_row) OVER person AS first,
                    first_value(name) OVER person AS first_name,
                    first_value(phone) OVER person AS first_phone
                FROM staged
                WHERE code IS NOT NULL
                WINDOW person AS (PARTITION BY district_code, code ORDER BY file_row)
            ) AS rows_of_person
            WHERE (name, phone) IS DISTINCT FROM (first_name, first_phone)
            """
        ):
            run.refuse(
                row,
                code,
                Kind.BAD_VALUE,
                f"row {first} has another name or phone for the same code ({other}, here {name})",
                "Give each person a code of their own, or the same name and phone in every row.",
            )

    def _judge(self) -> None:
        """Makes `judged`: for each row, the kept assignment it means, if there is one."""
        run = self.run
        run.sql("DROP TABLE IF EXISTS judged")
        # Served by workers_pkey and worker_assignments_pkey.
        run.sql(
            f"""
            CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
            SELECT
                staged.*,
                person.code IS NULL AS is_new,
                (staged.name, {self._phone("person")}) IS DISTINCT FROM (person.name, person.phone)
                    AS differs,
                kept.valid_from AS kept_from,
                kept.valid_from IS NOT NULL
                    AND staged.valid_to IS NOT NULL
                    AND staged.valid_to IS DISTINCT FROM kept.valid_to AS ends_anew,
                COALESCE(kept.valid_from, staged.valid_from) AS begins_on,
                COALESCE(staged.valid_to, kept.valid_to) AS ends_on
            FROM staged
            LEFT JOIN workers AS person USING (district_code, code)
            LEFT JOIN {meant("worker_assignments", _SAME)} ON TRUE
            """
        )
        refuse_undated_ends(run, "code", where="grid_code IS NOT NULL")

    def _phone(self, kept: str) -> str:
        return "staged.phone" if self.run.columns.has("phone") else f"{kept}.phone"

    def _refuse_two_at_a_time(self) -> None:
        """Served by worker_assignments_pkey."""
        run = self.run
        for row, code, grid, begin, other_row, other_begin, other_end in run.sql(
            """
            WITH claim AS (
                SELECT file_row, district_code, code, grid_code, begins_on, ends_on
                FROM judged
                WHERE grid_code IS NOT NULL
            ),
            beside AS (
                SELECT
                    CAST(NULL AS integer), district_code, worker_code, grid_code,
                    valid_from, valid_to
                FROM worker_assignments
                WHERE (district_code, worker_code, grid_code, valid_from) NOT IN (
                        SELECT district_code, code, grid_code, kept_from
                        FROM judged
                        WHERE kept_from IS NOT NULL
                    )
            )
            SELECT
                claim.file_row, claim.code, claim.grid_code, claim.begins_on,
                other.file_row, other.begins_on, other.ends_on
            FROM claim
            JOIN (SELECT * FROM claim UNION ALL SELECT * FROM beside) AS other
              USING (district_code, code, grid_code)
            WHERE (other.file_row IS NULL OR other.file_row < claim.file_row)
              AND claim.begins_on <> other.begins_on
              AND claim.begins_on < COALESCE(other.ends_on, 'infinity')
              AND other.begins_on < COALESCE(claim.ends_on, 'infinity')
            """
        ):
            where = f"row {other_row}" if other_row else "an assignment that is kept"
            until = f" until {other_end}" if other_end else ""
            run.refuse(
                row,
                code,
                Kind.DATE_CONFLICT,
                f"the worker has grid {grid} already from {other_begin}{until}, by {where}; the "
                f"row begins on {begin}",
                f"Give a valid_from of {other_begin}, or end the earlier assignment first.",
            )

    def merge(self) -> Counts:
        run = self.run
        run.sql(
            f"""
            UPDATE workers AS kept
            SET name = staged.name, phone = {self._phone("kept")}
            FROM judged AS staged
            WHERE differs
              AND NOT is_new
              AND kept.district_code = staged.district_code
              AND kept.code = staged.code
            """
        )
        run.sql(
            """
            INSERT INTO workers (district_code, code, name, phone)
            SELECT DISTINCT district_code, code, name, phone
            FROM judged
            WHERE is_new
            """
        )
        run.sql(
            """
            UPDATE worker_assignments AS kept
            SET valid_to = judged.valid_to
            FROM judged
            WHERE ends_anew
              AND kept.district_code = judged.district_code
              AND kept.worker_code = judged.code
              AND kept.grid_code = judged.grid_code
              AND kept.valid_from = judged.kept_from
            """
        )
        run.sql(
            """
            INSERT INTO worker_assignments (
                district_code, worker_code, grid_code, valid_from, valid_to
            )
            SELECT district_code, code, grid_code, valid_from, valid_to
            FROM judged
            WHERE grid_code IS NOT NULL AND kept_from IS NULL
            """
        )
        return Counts(
            *run.sql(
                """
                SELECT
                    count(*) FILTER (WHERE is_added),
                    count(*) FILTER (WHERE NOT is_added AND (differs OR ends_anew)),
                    count(*) FILTER (WHERE NOT is_added AND NOT (differs OR ends_anew))
                FROM (
                    SELECT
                        CASE WHEN grid_code IS NULL THEN is_new ELSE kept_from IS NULL END
                            AS is_added,
                        differs,
                        ends_anew
                    FROM judged
                ) AS outcome
                """
            ).one()
        )


# How a row and the kept one that it means are alike.
_SAME = """
    kept.district_code = staged.district_code
    AND kept.worker_code = staged.code
    AND kept.grid_code = staged.grid_code
"""
