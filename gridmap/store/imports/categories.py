"""Importing categories of reports: two levels, updated in place; one is never taken away."""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.store.imports.codes import refuse_unfit
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import drop_refused, refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run

_LONGEST_CODE = 32


class CategoryImporter:
    STAGED: ClassVar[dict[str, str]] = {"code": "text", "name": "text", "parent_code": "text"}

    def __init__(self, run: Run) -> None:
        self.run = run

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:  # noqa: ARG002
        refuse_unfit(self.run, rows, _LONGEST_CODE)
        return rows.codes, rows.values["name"], rows.values["parent"]

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE report_categories IN SHARE ROW EXCLUSIVE MODE")
        refuse_repeated(run, "code")
        if not run.columns.has("parent"):
            run.sql(
                """
                UPDATE staged
                SET parent_code = kept.parent_code
                FROM report_categories AS kept
                WHERE kept.code = staged.code
                """
            )
            return
        refuse_unknown(
            run,
            "parent_code",
            "report_categories",
            "category",
            in_file_too=True,
            remedy="Correct the code, or add a row for that category.",
        )
        drop_refused(run)
        self._refuse_third_level()

    def _refuse_third_level(self) -> None:
        """Refuses rows whose parent has a parent itself, and rows with one that are parents.

        Both of the categories as they would be after the import.
        """
        run = self.run
        for row, code, parent, above in run.sql(
            """
            SELECT staged.file_row, staged.code, staged.parent_code, parent.parent_code
            FROM staged
            JOIN (
                SELECT code, parent_code FROM staged
                UNION ALL
                SELECT code, parent_code
                FROM report_categories
                WHERE code NOT IN (SELECT code FROM staged WHERE code IS NOT NULL)
            ) AS parent ON parent.code = staged.parent_code
            WHERE parent.parent_code IS NOT NULL
            """
        ):
            itself = "itself" if parent == code else f"{parent}, which lies below {above}"
            run.refuse(
                row,
                code,
                Kind.UNKNOWN_PARENT,
                f"the category lies below {itself}; there are two levels",
                "Name a main category, or leave the parent empty for one.",
            )
        for row, code, parent, children in run.sql(
            """
            SELECT staged.file_row, staged.code, staged.parent_code,
                string_agg(kept.code, ', ' ORDER BY kept.code)
            FROM staged
            JOIN report_categories AS kept ON kept.parent_code = staged.code
            WHERE staged.parent_code IS NOT NULL
              AND kept.code NOT IN (SELECT code FROM staged WHERE code IS NOT NULL)
            GROUP BY staged.file_row, staged.code, staged.parent_code
            """
        ):
            run.refuse(
                row,
                code,
                Kind.UNKNOWN_PARENT,
                f"{code} cannot lie below {parent} while {children} lie below {code}; there are "
                "two levels",
                "Leave the parent empty, or give those another parent in the same file.",
            )

    def merge(self) -> Counts:
        run = self.run
        # A child may come before its parent in the file: what a key names is looked for when a
        # statement is done. Served by report_categories_pkey.
        added = run.sql(
            """
            INSERT INTO report_categories (code, name, parent_code)
            SELECT code, name, parent_code
            FROM staged
            ON CONFLICT (code) DO NOTHING
            """
        ).rowcount
        changed = run.sql(
            """
            UPDATE report_categories AS kept
            SET name = staged.name, parent_code = staged.parent_code
            FROM staged
            WHERE kept.code = staged.code
              AND (staged.name, staged.parent_code)
                  IS DISTINCT FROM (kept.name, kept.parent_code)
            """
        ).rowcount
        staged = run.sql("SELECT count(*) FROM staged").scalar_one()
        return Counts(added, changed, staged - added - changed)
