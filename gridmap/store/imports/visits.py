"""Importing visits: what grid workers did at buildings, a row each.

A row is named by its `id`, which exports write; without one, by district, building, worker, kind
and moment. What is kept already is passed over, since a visit is never changed.
"""

from __future__ import annotations

from typing import Any, ClassVar

from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.options import Counts
from gridmap.store.imports.rules import (
    drop_refused,
    find_district,
    refuse_repeated,
    refuse_unknown,
)
from gridmap.store.imports.run import Run
from gridmap.store.visits import LONGEST_NOTE


class VisitImporter:
    STAGED: ClassVar[dict[str, str]] = {
        "building_code": "text",
        "worker_code": "text",
        "kind": "text",
        "at": "timestamptz",
        "note": "text",
        "id": "uuid",
        "named_district_code": "text",
        "district_code": "text",
    }

    def __init__(self, run: Run) -> None:
        self.run = run

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:  # noqa: ARG002
        notes = rows.values["note"]
        for i, note in enumerate(notes):
            if note is not None and len(note) > LONGEST_NOTE:
                self.run.refuse(
                    rows.numbers[i],
                    rows.codes[i],
                    Kind.BAD_VALUE,
                    f"the note has {len(note)} characters",
                    f"Shorten it to {LONGEST_NOTE}.",
                )
        return (
            rows.codes,
            rows.values["worker"],
            rows.values["kind"],
            rows.values["at"],
            [note or "" for note in notes],
            rows.values["id"],
            rows.values["district"],
            [None] * len(rows.codes),
        )

    def check(self) -> None:
        run = self.run
        refuse_unknown(
            run,
            "building_code",
            "buildings",
            "building",
            kind=Kind.UNKNOWN_CODE,
            code="building_code",
        )
        find_district(run, "building", "buildings", code="building_code")
        self._refuse_unknown_workers()
        drop_refused(run)
        # Version 8 of RFC 9562 is for numbers of one's own making. The same moment is written in
        # one way.
        run.sql(
            """
            UPDATE staged
            SET id = CAST(
                overlay(overlay(md5(concat_ws(
                    E'\\n', district_code, building_code, worker_code, kind, extract(epoch FROM at)
                )) PLACING '8' FROM 13) PLACING '8' FROM 17) AS uuid
            )
            WHERE id IS NULL
            """
        )
        refuse_repeated(
            run,
            "id",
            "district_code",
            code="building_code",
            remedy="Remove one of the two rows, or say the time of each.",
        )
        self._refuse_changed()

    def _refuse_unknown_workers(self) -> None:
        """Served by workers_pkey."""
        run = self.run
        for row, building, worker, district in run.sql(
            """
            SELECT file_row, building_code, worker_code, district_code
            FROM staged
            WHERE district_code IS NOT NULL
              AND NOT EXISTS (
                  SELECT 1
                  FROM workers
                  WHERE workers.district_code = staged.district_code
                    AND workers.code = staged.worker_code
              )
              AND worker_code IS NOT NULL
            """
        ):
            run.refuse(
                row,
                building,
                Kind.UNKNOWN_CODE,
                f"worker {worker} is not known in district {district}",
                "Correct the code, or import workers with it first.",
            )

    def _refuse_changed(self) -> None:
        """Served by visits_pkey."""
        run = self.run
        for row, building, named in run.sql(
            """
            SELECT file_row, staged.building_code, staged.id
            FROM staged
            JOIN visits AS kept USING (district_code, id)
            WHERE (kept.building_code, kept.worker_code, kept.kind, kept.at, kept.note)
                <> (staged.building_code, staged.worker_code, staged.kind, staged.at, staged.note)
            """
        ):
            run.refuse(
                row,
                building,
                Kind.BAD_VALUE,
                f"visit {named} is kept with other words",
                "A visit is never changed. Leave the row as it was exported, or remove it.",
            )

    def merge(self) -> Counts:
        run = self.run
        added = run.sql(
            """
            INSERT INTO visits (district_code, id, building_code, worker_code, kind, at, note)
            SELECT district_code, id, building_code, worker_code, kind, at, note
            FROM staged
            ORDER BY file_row
            ON CONFLICT DO NOTHING
            """
        ).rowcount
        staged = run.sql("SELECT count(*) FROM staged").scalar_one()
        return Counts(added, 0, staged - added)
