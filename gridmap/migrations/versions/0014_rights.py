"""Keep what is told to few from whoever sees the rows, and have entries say when they were made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gridmap.migrations.row_security import AUDITOR, SERVER, VIEWER

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# What anybody is told of a row. Not of a worker the phone, not whose a card is, not who leads a
# sponsor, and not what was seen at a visit and by whom.
COLUMNS = {
    "workers": ("district_code", "code", "name"),
    "sponsors": ("code", "name", "level", "region_code", "leader_role"),
    "member_cards": ("district_code", "id", "building_code", "valid_from", "valid_to"),
    "visits": ("district_code", "id", "building_code", "kind", "at", "received_at"),
}

# A view sees with its owner's rights, and asks who the viewer is. They look after the building: an
# office of its regions, who walks a grid that it stands in today, or whoever sees all.
WORDS = f"""
    CREATE VIEW visit_words WITH (security_barrier) AS
    SELECT visits.district_code, visits.id, visits.worker_code, visits.note
    FROM visits
    JOIN buildings
        ON buildings.district_code = visits.district_code AND buildings.code = visits.building_code
    WHERE current_user = '{AUDITOR}'
        OR buildings.community_code = ANY (CAST((SELECT gridmap_viewer_regions()) AS text[]))
        OR buildings.district_code = ANY (
            CASE
                WHEN (SELECT gridmap_viewer_handler_kind()) = 'REGION'
                THEN CAST((SELECT gridmap_viewer_districts()) AS text[])
            END
        )
        OR EXISTS (
            SELECT
            FROM grids
            WHERE grids.district_code = buildings.district_code
                AND grids.code = ANY (
                    CAST((SELECT gridmap_viewer_codes('GRID_WORKER')) AS text[])
                )
                AND grids.valid_from <= (now() AT TIME ZONE 'Asia/Shanghai')::date
                AND coalesce(
                    grids.valid_to > (now() AT TIME ZONE 'Asia/Shanghai')::date, TRUE
                )
                AND ST_Covers(grids.boundary, buildings.location)
        )
"""

# An entry says when it was made by the clock here, whoever writes it and whatever they say.
AT = """
    CREATE FUNCTION audit_entries_say_when() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.at := clock_timestamp();
        NEW.transaction := pg_current_xact_id();
        RETURN NEW;
    END
    $$
"""
AT_TRIGGER = """
    CREATE TRIGGER audit_entries_say_when BEFORE INSERT ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_say_when()
"""


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        op.execute(f"REVOKE SELECT ON {table} FROM {SERVER}, {VIEWER}")
        op.execute(f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {SERVER}, {VIEWER}")
    op.execute(sa.text(WORDS))
    op.execute(f"GRANT SELECT ON visit_words TO {VIEWER}, {AUDITOR}")
    op.execute(AT)
    op.execute(AT_TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_entries_say_when ON audit_entries")
    op.execute("DROP FUNCTION audit_entries_say_when()")
    op.execute("DROP VIEW visit_words")
    for table, columns in COLUMNS.items():
        op.execute(f"REVOKE SELECT ({', '.join(columns)}) ON {table} FROM {SERVER}, {VIEWER}")
        op.execute(f"GRANT SELECT ON {table} TO {SERVER}, {VIEWER}")
