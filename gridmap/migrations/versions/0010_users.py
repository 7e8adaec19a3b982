"""Who signs in here, where they are signed in, and counts of what is done too often."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROLE = (
    "role IN ('RESIDENT', 'GRID_WORKER', 'BUILDING_MEMBER', 'SPONSOR', 'COMMUNITY', 'STREET', "
    "'DISTRICT', 'AUDITOR', 'ADMINISTRATOR')"
)


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("codes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("is_disabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_demo", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("users_dates_in_order_check")),
        sa.CheckConstraint(ROLE, name=op.f("users_role_check")),
        sa.PrimaryKeyConstraint("name", name=op.f("users_pkey")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("token_before", sa.LargeBinary(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_name"], ["users.name"], name=op.f("sessions_user_name_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
    )
    op.create_index(op.f("sessions_renewed_at_idx"), "sessions", ["renewed_at"], unique=False)
    op.create_index(op.f("sessions_user_name_idx"), "sessions", ["user_name"], unique=False)
    op.create_table(
        "counts",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("counts_pkey")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("counts_ends_at_idx"), "counts", ["ends_at"], unique=False)


def downgrade() -> None:
    op.drop_table("counts")
    op.drop_table("sessions")
    op.drop_table("users")
