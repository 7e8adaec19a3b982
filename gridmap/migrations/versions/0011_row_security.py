"""Put every table under row-level security: who may do what with which rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gridmap.migrations.row_security import (
    AUDITED,
    AUDITOR,
    KEEPER,
    PUBLIC,
    ROLES,
    SERVER,
    VIEWER,
    Rule,
    kept,
    make_roles,
    protect,
    seen,
    unprotect,
)

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# What viewers say of themselves, and what follows from it. Bodies that are parsed once, here, mean
# the same with every search_path. `gridmap.codes` is an array as PostgreSQL writes it.
FUNCTIONS = {
    # What the viewer answers for, where they are of one of these roles.
    "gridmap_viewer_codes(VARIADIC roles text[])": """
        RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT CASE
                WHEN current_setting('gridmap.role', TRUE) = ANY (roles)
                THEN CAST(current_setting('gridmap.codes', TRUE) AS text[])
                ELSE '{}'
            END;
        END
    """,
    # The districts of an office, and those in which the grids or buildings are that the viewer
    # looks after.
    "gridmap_viewer_districts()": """
        RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT coalesce(array_agg(district_code), '{}')
            FROM (
                SELECT code AS district_code
                FROM regions
                WHERE level = 'DISTRICT'
                    AND code = ANY (gridmap_viewer_codes('COMMUNITY', 'STREET', 'DISTRICT'))
                UNION
                SELECT district_code
                FROM grids
                WHERE code = ANY (gridmap_viewer_codes('GRID_WORKER'))
                UNION
                SELECT district_code
                FROM buildings
                WHERE code = ANY (gridmap_viewer_codes('BUILDING_MEMBER'))
            ) AS found;
        END
    """,
    # The communities in which the buildings are that the viewer looks after.
    "gridmap_viewer_communities()": """
        RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT coalesce(array_agg(DISTINCT district_code || ' ' || community_code), '{}')
            FROM buildings
            WHERE code = ANY (gridmap_viewer_codes('BUILDING_MEMBER'));
        END
    """,
    # The regions of an office and all below them. Of a district the code of its rows says it.
    "gridmap_viewer_regions()": """
        RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            WITH RECURSIVE tree AS (
                SELECT code
                FROM regions
                WHERE level <> 'DISTRICT'
                    AND code = ANY (gridmap_viewer_codes('COMMUNITY', 'STREET', 'DISTRICT'))
                UNION
                SELECT regions.code
                FROM regions
                JOIN tree ON regions.parent_code = tree.code
            )
            SELECT coalesce(array_agg(code), '{}') FROM tree;
        END
    """,
    # What a report's handler is called where it is the viewer: their codes, or their name.
    "gridmap_viewer_handles()": """
        RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT CASE
                WHEN current_setting('gridmap.role', TRUE) IN ('GRID_WORKER', 'BUILDING_MEMBER')
                THEN ARRAY[current_setting('gridmap.subject', TRUE)]
                ELSE gridmap_viewer_codes('SPONSOR', 'COMMUNITY', 'STREET', 'DISTRICT')
            END;
        END
    """,
    "gridmap_viewer_handler_kind()": """
        RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT CASE
                WHEN current_setting('gridmap.role', TRUE) IN ('COMMUNITY', 'STREET', 'DISTRICT')
                THEN 'REGION'
                ELSE current_setting('gridmap.role', TRUE)
            END;
        END
    """,
}

# The ids of the reports that the viewer sent: signed in, and then for something that they answer
# for now; or those that their receipt names. The rows that say it are for few to see, and so it is
# asked with the owner's rights.
SENT_FUNCTION = """
    CREATE FUNCTION gridmap_viewer_sent() RETURNS uuid[]
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT coalesce(array_agg(id), '{}')
        FROM (
            SELECT report_id AS id
            FROM
                reporters,
                (SELECT CAST(current_setting('gridmap.codes') AS text[]) AS codes) AS viewer
            WHERE subject = current_setting('gridmap.role', TRUE)
                    || '/' || nullif(current_setting('gridmap.subject', TRUE), '')
                AND (
                    reporters.codes && viewer.codes
                    OR (reporters.codes @> viewer.codes AND reporters.codes <@ viewer.codes)
                )
            UNION ALL
            SELECT id
            FROM reports
            WHERE district_code = split_part(current_setting('gridmap.report', TRUE), '/', 1)
                AND id = CAST(
                    nullif(split_part(current_setting('gridmap.report', TRUE), '/', 2), '') AS uuid
                )
        ) AS sent;
    END
"""

# The number after the last event's transaction, whoever may see that event: see
# `gridmap.store.states`.
LAST_EVENT_FUNCTION = """
    CREATE FUNCTION gridmap_events_end() RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
    BEGIN ATOMIC
        SELECT 1 + coalesce(
            (
                SELECT CAST(CAST(transaction AS text) AS bigint)
                FROM report_events
                ORDER BY report_events.transaction DESC
                LIMIT 1
            ),
            0
        );
    END
"""

# The keeper fills the table, and only its owner may have it looked through.
ANALYZE_FUNCTION = """
    CREATE FUNCTION gridmap_analyze_tile_shapes() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp
    AS $$ BEGIN ANALYZE tile_shapes; END $$
"""


def _any(function: str, type_: str = "text") -> str:
    """One of what a function gives, which is asked once for a statement."""
    return f"ANY (CAST((SELECT {function}) AS {type_}[]))"


def _any_code(role: str) -> str:
    """One of the viewer's codes, where they are of this role."""
    return _any(f"gridmap_viewer_codes('{role}')")


IN_THEIR_DISTRICTS = f"district_code = {_any('gridmap_viewer_districts()')}"
SENT = f"id = {_any('gridmap_viewer_sent()', 'uuid')}"
WALKED = f"grid_code = {_any_code('GRID_WORKER')} AND {IN_THEIR_DISTRICTS}"
LIVED_IN = f"building_code = {_any_code('BUILDING_MEMBER')} AND {IN_THEIR_DISTRICTS}"
ANSWERED_FOR = f"sponsor_code = {_any_code('SPONSOR')}"
# Codes of workers are those of one district, and names of members are nobody's alone, so that
# either is meant only where the person is at home.
HANDLED = f"""
    handler_code = {_any("gridmap_viewer_handles()")}
    AND handler_kind = (SELECT gridmap_viewer_handler_kind())
    AND CASE handler_kind
        WHEN 'GRID_WORKER' THEN {IN_THEIR_DISTRICTS}
        WHEN 'BUILDING_MEMBER'
        THEN district_code || ' ' || region_code = {_any("gridmap_viewer_communities()")}
        ELSE TRUE
    END
"""
OF_DISTRICT = """
    district_code = ANY (
        CASE
            WHEN (SELECT gridmap_viewer_handler_kind()) = 'REGION'
            THEN CAST((SELECT gridmap_viewer_districts()) AS text[])
        END
    )
"""
OF_REGION = f"region_code = {_any('gridmap_viewer_regions()')}"
# An office acts on what is on its rung of the ladder or below, and is told of persons there.
LADDER = "ARRAY['BUILDING', 'GRID', 'COMMUNITY', 'STREET', 'DISTRICT']"
OF_OFFICE = f"""
    array_position({LADDER}, level)
        <= array_position({LADDER}, current_setting('gridmap.role', TRUE))
    AND (({OF_DISTRICT}) OR {OF_REGION})
"""

OF_A_REPORT_THEY_SEE = """
    EXISTS (
        SELECT
        FROM reports
        WHERE reports.district_code = {table}.district_code AND reports.id = {table}.report_id
    )
"""
OF_A_REPORT_THEY_ACT_ON = f"""
    EXISTS (
        SELECT
        FROM reports
        WHERE reports.district_code = reporters.district_code
            AND reports.id = reporters.report_id
            AND (({SENT}) OR ({WALKED}) OR ({HANDLED}) OR ({OF_OFFICE}))
    )
"""
IN_A_REPORT_THEY_SEE = """
    EXISTS (SELECT FROM report_photos WHERE report_photos.photo_id = photos.id)
"""

USERS = ("name", "role", "subject", "codes", "valid_from", "valid_to", "is_disabled", "is_demo")

RULES: dict[str, tuple[Rule, ...]] = {
    "regions": (PUBLIC,),
    "grids": (PUBLIC, kept("INSERT, UPDATE")),
    "workers": (PUBLIC,),
    "worker_assignments": (PUBLIC, kept("UPDATE, DELETE")),
    "buildings": (PUBLIC, kept("UPDATE")),
    "building_managements": (PUBLIC,),
    "sponsors": (PUBLIC,),
    "sponsorships": (PUBLIC, kept("INSERT, UPDATE, DELETE")),
    "visits": (PUBLIC, kept("INSERT")),
    "member_cards": (PUBLIC, kept("INSERT, UPDATE, DELETE")),
    "boundary_plans": (PUBLIC, kept("INSERT")),
    "boundary_changes": (PUBLIC, kept("INSERT")),
    "boundary_change_grids": (PUBLIC, kept("INSERT")),
    "report_categories": (PUBLIC,),
    "deadlines": (PUBLIC,),
    "report_rules": (PUBLIC,),
    "reports": (
        kept("SELECT, INSERT, UPDATE"),
        AUDITED,
        seen("sent", SENT),
        seen("walked", WALKED),
        seen("lived_in", LIVED_IN),
        seen("answered_for", ANSWERED_FOR),
        seen("handled", HANDLED),
        seen("of_district", OF_DISTRICT),
        seen("of_region", OF_REGION),
    ),
    "reporters": (
        kept("SELECT, INSERT"),
        AUDITED,
        seen("of_report", OF_A_REPORT_THEY_ACT_ON),
    ),
    "report_events": (
        kept("SELECT, INSERT"),
        AUDITED,
        seen("of_report", OF_A_REPORT_THEY_SEE.format(table="report_events")),
    ),
    "photos": (
        kept("SELECT, INSERT, UPDATE, DELETE"),
        AUDITED,
        seen("of_report", IN_A_REPORT_THEY_SEE),
    ),
    "report_photos": (
        kept("SELECT, INSERT"),
        AUDITED,
        seen("of_report", OF_A_REPORT_THEY_SEE.format(table="report_photos")),
    ),
    "users": (kept("SELECT"), Rule("auditor", (AUDITOR,), columns=USERS)),
    "sessions": (kept("SELECT, INSERT, UPDATE, DELETE"),),
    "counts": (kept("SELECT, INSERT, UPDATE, DELETE"),),
    "tile_shapes": (PUBLIC, kept("INSERT, UPDATE, DELETE")),
    "imports": (AUDITED,),
}


def upgrade() -> None:
    connection = op.get_bind()
    make_roles(connection)
    schema = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(ROLES)}")
    op.execute(f"GRANT SELECT ON alembic_version TO {SERVER}, {KEEPER}")
    # By which a viewer's own reports are found among all, and those dispatched to them.
    op.create_index("reporters_subject_idx", "reporters", ["subject"])
    for column in ("handler_code", "building_code"):
        op.create_index(
            f"reports_{column.removesuffix('_code')}_idx",
            "reports",
            [column, "received_at", "id"],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    for signature, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {signature} {body}")
    op.execute(SENT_FUNCTION)
    op.execute(LAST_EVENT_FUNCTION)
    op.execute(ANALYZE_FUNCTION.format(schema=schema))
    for function, roles in (
        ("gridmap_viewer_sent()", (VIEWER,)),
        ("gridmap_events_end()", ROLES),
        ("gridmap_analyze_tile_shapes()", (KEEPER,)),
    ):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {', '.join(roles)}")
    for table, rules in RULES.items():
        protect(connection, table, *rules)
    # Who may do what is for the owner's commands to say.
    op.execute(f"GRANT UPDATE (password) ON users TO {KEEPER}")


def downgrade() -> None:
    connection = op.get_bind()
    for table in RULES:
        unprotect(connection, table)
    op.execute("DROP FUNCTION gridmap_analyze_tile_shapes()")
    op.execute("DROP FUNCTION gridmap_events_end()")
    op.execute("DROP FUNCTION gridmap_viewer_sent()")
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature.replace('VARIADIC roles ', '')}")
    op.drop_index("reports_building_idx", table_name="reports")
    op.drop_index("reports_handler_idx", table_name="reports")
    op.drop_index("reporters_subject_idx", table_name="reporters")
    op.execute(f"REVOKE ALL ON alembic_version FROM {', '.join(ROLES)}")
    schema = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(f"REVOKE ALL ON SCHEMA {schema} FROM {', '.join(ROLES)}")
