"""Indexes that hold what lists and counts ask for, so that these need not read the rows."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("grids_community_idx", table_name="grids")
    op.create_index(
        "grids_community_idx",
        "grids",
        ["community_code", "code", "district_code"],
        unique=False,
        postgresql_include=["valid_from", "valid_to"],
    )
    op.drop_index("sponsorships_sponsor_idx", table_name="sponsorships")
    op.create_index(
        "sponsorships_sponsor_idx",
        "sponsorships",
        ["sponsor_code", "district_code", "building_code"],
        unique=False,
        postgresql_include=["valid_from", "valid_to"],
    )


def downgrade() -> None:
    op.drop_index("sponsorships_sponsor_idx", table_name="sponsorships")
    op.create_index(
        "sponsorships_sponsor_idx", "sponsorships", ["sponsor_code", "district_code"], unique=False
    )
    op.drop_index("grids_community_idx", table_name="grids")
    op.create_index("grids_community_idx", "grids", ["community_code"], unique=False)
