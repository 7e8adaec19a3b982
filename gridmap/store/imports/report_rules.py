"""Importing what regions say of their reports: a row a region, updated in place.

An empty cell leaves it to the region above, and a column the file does not have what is kept.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run


class ReportRuleImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "region_code": "text",
        "default_sponsor_code": "text",
        "is_rated": "boolean",
    }

    def __init__(self, run: Run) -> None:
        self.run = run

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:  # noqa: ARG002
        return rows.values["region"], rows.values["default_sponsor"], rows.values["rated"]

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE report_rules IN SHARE ROW EXCLUSIVE MODE")
        refuse_repeated(
            run, "region_code", code="region_code", remedy="Remove one of the two rows."
        )
        refuse_unknown(run, "region_code", "regions", "region", code="region_code")
        refuse_unknown(
            run,
            "default_sponsor_code",
            "sponsors",
            "sponsor",
            kind=Kind.UNKNOWN_CODE,
            code="region_code",
        )

    def merge(self) -> Counts:
        run = self.run
        for field, column in (("default_sponsor", "default_sponsor_code"), ("rated", "is_rated")):
            if not run.columns.has(field):
                run.sql(
                    f"""
                    UPDATE staged
                    SET {column} = kept.{column}
                    FROM report_rules AS kept
                    WHERE kept.region_code = staged.region_code
                    """
                )
        # Served by report_rules_pkey.
        changed = run.sql(
            """
            UPDATE report_rules AS kept
            SET default_sponsor_code = staged.default_sponsor_code, is_rated = staged.is_rated
            FROM staged
            WHERE kept.region_code = staged.region_code
              AND (kept.default_sponsor_code, kept.is_rated)
                  IS DISTINCT FROM (staged.default_sponsor_code, staged.is_rated)
            """
        ).rowcount
        added = run.sql(
            """
            INSERT INTO report_rules (region_code, default_sponsor_code, is_rated)
            SELECT region_code, default_sponsor_code, is_rated
            FROM staged
            WHERE num_nonnulls(default_sponsor_code, is_rated) > 0
            ON CONFLICT (region_code) DO NOTHING
            """
        ).rowcount
        # A region that says nothing has no rule.
        run.sql(
            """
            DELETE FROM report_rules
            WHERE default_sponsor_code IS NULL
              AND is_rated IS NULL
              AND region_code IN (SELECT region_code FROM staged)
            """
        )
        staged = run.sql("SELECT count(*) FROM staged").scalar_one()
        return Counts(added, changed, staged - added - changed)
