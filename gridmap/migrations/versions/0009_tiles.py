"""Keep outlines as tiles show them, and tell of changes of who manages buildings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import UserDefinedType

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

EVENTS = {
    "insert": "REFERENCING NEW TABLE AS changed",
    "update": "REFERENCING OLD TABLE AS changed NEW TABLE AS became",
    "delete": "REFERENCING OLD TABLE AS changed",
    "truncate": "",
}


class Xid(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid"


def upgrade() -> None:
    op.create_table(
        "tile_shapes",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("row_version", Xid(), nullable=False),
        sa.Column("shapes", sa.ARRAY(sa.LargeBinary()), nullable=False),
        sa.PrimaryKeyConstraint(
            "district_code", "noun", "code", "valid_from", name=op.f("tile_shapes_pkey")
        ),
    )
    # As 0003 does for the buildings themselves.
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    told = f"PERFORM {schema}.gridmap_announce('buildings', district_code, array_agg(code)) FROM"
    op.execute(
        f"""
        CREATE FUNCTION building_managements_announce() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'TRUNCATE' THEN
                PERFORM {schema}.gridmap_announce('buildings', '', NULL);
            ELSIF TG_OP = 'UPDATE' THEN
                {told} (
                    SELECT district_code, building_code AS code FROM changed
                    UNION
                    SELECT district_code, building_code FROM became
                ) AS told
                GROUP BY district_code;
            ELSE
                {told} (SELECT DISTINCT district_code, building_code AS code FROM changed) AS told
                GROUP BY district_code;
            END IF;
            RETURN NULL;
        END
        $$
        """
    )
    for event, rows in EVENTS.items():
        op.execute(
            f"""
            CREATE TRIGGER building_managements_announce_{event}
            AFTER {event} ON building_managements {rows}
            FOR EACH STATEMENT EXECUTE FUNCTION building_managements_announce()
            """
        )


def downgrade() -> None:
    for event in EVENTS:
        op.execute(f"DROP TRIGGER building_managements_announce_{event} ON building_managements")
    op.execute("DROP FUNCTION building_managements_announce()")
    op.drop_table("tile_shapes")
