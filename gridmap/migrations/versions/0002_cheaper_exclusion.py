"""Exclusion constraints led by a hash of the code, which costs an import a quarter of the time.

Codes that begin alike, as those of one district do, are what a GiST index on text sorts worst. The
code follows as an expression, lest PostgreSQL look codes up by an index that a hash leads.
Sponsorships of a building or grid had been looked up by the constraint's index, and now have one of
their own for that.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


class _Constraint(NamedTuple):
    table: str
    name: str
    keys: tuple[str, ...]
    is_partial: bool = False


_CONSTRAINTS = (
    _Constraint("grids", "grids_one_version_at_a_time", ("district_code", "code")),
    _Constraint(
        "worker_assignments",
        "worker_assignments_one_assignment_at_a_time",
        ("district_code", "worker_code", "grid_code"),
    ),
    _Constraint(
        "building_managements",
        "building_managements_one_mode_at_a_time",
        ("district_code", "building_code"),
    ),
    _Constraint(
        "sponsorships",
        "sponsorships_one_sponsor_of_a_building_at_a_time",
        ("district_code", "building_code"),
        is_partial=True,
    ),
    _Constraint(
        "sponsorships",
        "sponsorships_one_sponsor_of_a_grid_at_a_time",
        ("district_code", "grid_code"),
        is_partial=True,
    ),
)


def upgrade() -> None:
    for constraint in _CONSTRAINTS:
        *others, code = constraint.keys
        _replace(constraint, f"hashtextextended({code}, 0)", *others, f"textcat({code}, '')")
    for what in ("building", "grid"):
        op.create_index(
            f"sponsorships_{what}_idx",
            "sponsorships",
            ["district_code", f"{what}_code"],
            postgresql_where=sa.text(f"{what}_code IS NOT NULL"),
        )


def downgrade() -> None:
    op.drop_index("sponsorships_grid_idx", "sponsorships")
    op.drop_index("sponsorships_building_idx", "sponsorships")
    for constraint in _CONSTRAINTS:
        _replace(constraint, *constraint.keys)


def _replace(constraint: _Constraint, *keys: str) -> None:
    equal = ", ".join(f"{key} WITH =" for key in keys)
    where = f"WHERE ({constraint.keys[-1]} IS NOT NULL)" if constraint.is_partial else ""
    op.execute(f"ALTER TABLE {constraint.table} DROP CONSTRAINT {constraint.name}")
    op.execute(
        f"ALTER TABLE {constraint.table} ADD CONSTRAINT {constraint.name} "
        f"EXCLUDE USING gist ({equal}, daterange(valid_from, valid_to) WITH &&) {where}"
    )
