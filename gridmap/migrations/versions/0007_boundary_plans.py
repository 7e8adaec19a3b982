"""Plans of other boundaries, and which of them were applied by whom and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

FINAL = ("boundary_changes", "boundary_change_grids")


def upgrade() -> None:
    op.create_table(
        "boundary_plans",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_role", sa.Text(), nullable=False),
        sa.Column("author_subject", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("draft", postgresql.JSONB(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("district_code", "id", name=op.f("boundary_plans_pkey")),
    )
    op.create_index("boundary_plans_made_idx", "boundary_plans", ["district_code", "made_at", "id"])
    op.create_table(
        "boundary_changes",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("author_role", sa.Text(), nullable=False),
        sa.Column("author_subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["district_code", "plan_id"],
            ["boundary_plans.district_code", "boundary_plans.id"],
            name=op.f("boundary_changes_district_code_plan_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("district_code", "plan_id", name=op.f("boundary_changes_pkey")),
    )
    op.create_table(
        "boundary_change_grids",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("grid_code", sa.Text(collation="C"), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("taken_from", postgresql.ARRAY(sa.Text(collation="C")), nullable=False),
        sa.Column("given_to", postgresql.ARRAY(sa.Text(collation="C")), nullable=False),
        sa.ForeignKeyConstraint(
            ["district_code", "plan_id"],
            ["boundary_changes.district_code", "boundary_changes.plan_id"],
            name=op.f("boundary_change_grids_district_code_plan_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "district_code", "grid_code", "plan_id", name=op.f("boundary_change_grids_pkey")
        ),
    )
    op.execute(
        """
        CREATE FUNCTION boundary_changes_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            is_empty boolean;
        BEGIN
            IF TG_OP = 'TRUNCATE' THEN
                EXECUTE format(
                    'SELECT NOT EXISTS (SELECT FROM %I.%I)', TG_TABLE_SCHEMA, TG_TABLE_NAME
                ) INTO is_empty;
                IF is_empty THEN
                    RETURN NULL;
                END IF;
            END IF;
            RAISE restrict_violation
            USING MESSAGE = 'Changes of boundaries are never changed or deleted.';
        END
        $$
        """
    )
    for table in FINAL:
        op.execute(
            f"""
            CREATE TRIGGER {table}_are_final_by_row BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION boundary_changes_are_final()
            """
        )
        op.execute(
            f"""
            CREATE TRIGGER {table}_are_final BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION boundary_changes_are_final()
            """
        )


def downgrade() -> None:
    op.drop_table("boundary_change_grids")
    op.drop_table("boundary_changes")
    op.drop_index("boundary_plans_made_idx", table_name="boundary_plans")
    op.drop_table("boundary_plans")
    op.execute("DROP FUNCTION boundary_changes_are_final()")
