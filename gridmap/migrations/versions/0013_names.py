"""Find regions, sponsors, grids and buildings by a part of their name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = ("regions", "grids", "buildings", "sponsors")


def upgrade() -> None:
    for table in TABLES:
        op.create_index(
            f"{table}_name_idx",
            table,
            [sa.literal_column("gridmap_words(name)")],
            postgresql_using="gin",
        )


def downgrade() -> None:
    for table in TABLES:
        op.drop_index(f"{table}_name_idx", table_name=table)
