"""Visits of grid workers, and the cards of party members at buildings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "visits",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("building_code", sa.Text(collation="C"), nullable=False),
        sa.Column("worker_code", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.CheckConstraint(
            "kind IN ('VISIT', 'OPINIONS', 'POLICY', 'ERRAND')", name=op.f("visits_kind_check")
        ),
        sa.ForeignKeyConstraint(
            ["district_code", "building_code"],
            ["buildings.district_code", "buildings.code"],
            name=op.f("visits_district_code_building_code_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["district_code", "worker_code"],
            ["workers.district_code", "workers.code"],
            name=op.f("visits_district_code_worker_code_fkey"),
        ),
        sa.PrimaryKeyConstraint("district_code", "id", name=op.f("visits_pkey")),
    )
    op.create_index("visits_building_idx", "visits", ["district_code", "building_code", "at", "id"])
    op.create_table(
        "member_cards",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("building_code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("member_cards_dates_in_order_check")),
        sa.ForeignKeyConstraint(
            ["district_code", "building_code"],
            ["buildings.district_code", "buildings.code"],
            name=op.f("member_cards_district_code_building_code_fkey"),
        ),
        sa.PrimaryKeyConstraint("district_code", "id", name=op.f("member_cards_pkey")),
        postgresql.ExcludeConstraint(
            (sa.text("hashtextextended(building_code, 0)"), "="),
            (sa.column("district_code"), "="),
            (sa.column("name"), "="),
            (sa.text("textcat(building_code, '')"), "="),
            (sa.text("daterange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="member_cards_one_card_at_a_time",
        ),
    )
    op.create_index("member_cards_building_idx", "member_cards", ["district_code", "building_code"])
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(
        f"""
        CREATE FUNCTION visits_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'TRUNCATE' OR EXISTS (SELECT FROM {schema}.visits) THEN
                RAISE restrict_violation USING MESSAGE = 'Visits are never changed or deleted.';
            END IF;
            RETURN NULL;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER visits_are_final_by_row BEFORE UPDATE OR DELETE ON visits
        FOR EACH ROW EXECUTE FUNCTION visits_are_final()
        """
    )
    op.execute(
        """
        CREATE TRIGGER visits_are_final BEFORE TRUNCATE ON visits
        FOR EACH STATEMENT EXECUTE FUNCTION visits_are_final()
        """
    )


def downgrade() -> None:
    op.drop_index("member_cards_building_idx", table_name="member_cards")
    op.drop_table("member_cards")
    op.drop_index("visits_building_idx", table_name="visits")
    op.drop_table("visits")
    op.execute("DROP FUNCTION visits_are_final()")
