"""Importing deadlines: each row is a rule, updated in place; one without an amount is taken away.

Empty cells for category, urgency and district mean any.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import drop_refused, refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run


class DeadlineImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "district_code": "text",
        "category_code": "text",
        "urgency": "text",
        "step": "text",
        "amount": "integer",
        "unit": "text",
    }

    def __init__(self, run: Run) -> None:
        self.run = run

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:  # noqa: ARG002
        # A row may lack an amount; but a file without them would take all its rules away.
        self.run.columns.need("amount", "unit")
        units = rows.values["unit"]
        for i, amount in enumerate(rows.values["amount"]):
            if amount is not None and units[i] is None and i not in rows.unread["unit"]:
                self.run.refuse(
                    rows.numbers[i],
                    rows.codes[i],
                    Kind.MISSING_VALUE,
                    f"the time limit is {amount}, but of what is not said",
                    "Fill in the unit: HOURS, DAYS, WORKING_HOURS or WORKING_DAYS.",
                )
        named = ("district", "category", "urgency", "step", "amount", "unit")
        return tuple(rows.values[name] for name in named)

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE deadlines IN SHARE ROW EXCLUSIVE MODE")
        drop_refused(run)  # a word that was not understood would mean any here
        refuse_repeated(
            run,
            "step",
            "category_code",
            "urgency",
            "district_code",
            code="category_code",
            remedy="Remove one of the two rows.",
        )
        refuse_unknown(
            run,
            "category_code",
            "report_categories",
            "category",
            kind=Kind.UNKNOWN_CODE,
            code="category_code",
            remedy="Correct the code, or import categories with it first.",
        )
        refuse_unknown(run, "district_code", "regions", "district", code="category_code")
        for row, category, district, level in run.sql(
            """
            SELECT file_row, category_code, staged.district_code, level
            FROM staged
            JOIN regions ON regions.code = staged.district_code
            WHERE level <> 'DISTRICT'
            """
        ):
            run.refuse(
                row,
                category,
                Kind.UNKNOWN_PARENT,
                f"region {district} is a {level}, and deadlines are a district's",
                "Name a district, or leave the cell empty for all.",
            )

    def merge(self) -> Counts:
        run = self.run
        # From here on empty is any, as it is kept.
        run.sql(
            """
            UPDATE staged
            SET district_code = coalesce(district_code, ''),
                category_code = coalesce(category_code, ''),
                urgency = coalesce(urgency, '')
            """
        )
        key = "(district_code, category_code, urgency, step)"
        # Served by deadlines_pkey.
        removed = run.sql(
            f"DELETE FROM deadlines WHERE {key} IN (SELECT {key[1:-1]} FROM staged "
            "WHERE amount IS NULL)"
        ).rowcount
        changed = run.sql(
            """
            UPDATE deadlines AS kept
            SET amount = staged.amount, unit = staged.unit
            FROM staged
            WHERE kept.district_code = staged.district_code
              AND kept.category_code = staged.category_code
              AND kept.urgency = staged.urgency
              AND kept.step = staged.step
              AND (kept.amount, kept.unit) IS DISTINCT FROM (staged.amount, staged.unit)
            """
        ).rowcount
        added = run.sql(
            """
            INSERT INTO deadlines (district_code, category_code, urgency, step, amount, unit)
            SELECT district_code, category_code, urgency, step, amount, unit
            FROM staged
            WHERE amount IS NOT NULL
            ON CONFLICT DO NOTHING
            """
        ).rowcount
        staged = run.sql("SELECT count(*) FROM staged").scalar_one()
        return Counts(added, changed + removed, staged - added - changed - removed)
