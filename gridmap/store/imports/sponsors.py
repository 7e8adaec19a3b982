"""Importing sponsors: updated in place. A column the file does not have leaves what is kept."""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.store.imports.codes import refuse_unfit
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import refuse_repeated, refuse_unknown
from gridmap.store.imports.run import Run

_LONGEST_CODE = 32


class SponsorImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "code": "text",
        "name": "text",
        "level": "text",
        "region_code": "text",
        "leader": "text",
        "leader_role": "text",
    }

    def __init__(self, run: Run) -> None:
        self.run = run

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:  # noqa: ARG002
        refuse_unfit(self.run, rows, _LONGEST_CODE)
        named = ("name", "level", "region", "leader", "leader_role")
        return rows.codes, *(rows.values[name] for name in named)

    def check(self) -> None:
        run = self.run
        run.sql("LOCK TABLE sponsors IN SHARE ROW EXCLUSIVE MODE")
        refuse_repeated(run, "code")
        refuse_unknown(run, "region_code", "regions", "region")

    def merge(self) -> Counts:
        run = self.run
        leader = "staged.leader" if run.columns.has("leader") else "kept.leader"
        role = "staged.leader_role" if run.columns.has("leader_role") else "kept.leader_role"
        # Served by sponsors_pkey.
        changed = run.sql(
            f"""
            UPDATE sponsors AS kept
            SET name = staged.name,
                level = staged.level,
                region_code = staged.region_code,
                leader = {leader},
                leader_role = {role}
            FROM staged
            WHERE kept.code = staged.code
              AND (staged.name, staged.level, staged.region_code, {leader}, {role})
                  IS DISTINCT FROM
                  (kept.name, kept.level, kept.region_code, kept.leader, kept.leader_role)
            """
        ).rowcount
        added = run.sql(
            """
            INSERT INTO sponsors (code, name, level, region_code, leader, leader_role)
            SELECT code, name, level, region_code, leader, leader_role
            FROM staged
            ON CONFLICT (code) DO NOTHING
            """
        ).rowcount
        staged = run.sql("SELECT count(*) FROM staged").scalar_one()
        return Counts(added, changed, staged - added - changed)
