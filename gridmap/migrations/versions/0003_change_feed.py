"""Tell listeners of the channel gridmap_changes which rows have changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Of each table: the district of a row, and the code by which those who listen load it again.
TABLES = {
    "regions": ("''", "code"),
    "grids": ("district_code", "code"),
    "buildings": ("district_code", "code"),
    "sponsors": ("''", "code"),
    "sponsorships": ("district_code", "coalesce(building_code, grid_code)"),
}
EVENTS = {
    "insert": "REFERENCING NEW TABLE AS changed",
    "update": "REFERENCING OLD TABLE AS changed NEW TABLE AS became",
    "delete": "REFERENCING OLD TABLE AS changed",
    "truncate": "",
}


def upgrade() -> None:
    connection = op.get_bind()
    # A payload has less than 8000 bytes, or pg_notify fails, and the writer's statement with it.
    # So the codes are dealt out by their running total of bytes, one payload for each multiple of
    # what a payload holds less its head and the longest code, for the code that passes the multiple
    # is in it whole. A code too long for a payload of its own is not told; then all of the table
    # may have changed.
    #
    # A body that is parsed once, here, means the same with every search_path.
    connection.exec_driver_sql(
        """
        CREATE FUNCTION gridmap_announce(table_name text, district_code text, codes text[])
        RETURNS void
        LANGUAGE sql
        BEGIN ATOMIC
            WITH head AS (
                SELECT
                    '{"table":' || to_json(table_name)
                        || ',"district":' || to_json(district_code) || ',"codes":' AS head
            ),
            word AS MATERIALIZED (
                SELECT to_json(code)::text AS word FROM unnest(codes) AS code
            ),
            dealt AS (
                SELECT
                    word,
                    sum(octet_length(word) + 1) OVER (ROWS UNBOUNDED PRECEDING) / greatest(
                        7990 - octet_length(head) - (SELECT max(octet_length(word)) FROM word), 1
                    ) AS place
                FROM word, head
            ),
            payload AS (
                SELECT head || '[' || string_agg(word, ',') || ']}' AS payload
                FROM dealt, head
                GROUP BY head, place
                UNION ALL
                SELECT head || 'null}' FROM head WHERE codes IS NULL
            )
            SELECT pg_notify(
                'gridmap_changes',
                CASE
                    WHEN octet_length(payload) < 8000 THEN payload
                    ELSE '{"table":' || to_json(table_name) || ',"district":"","codes":null}'
                END
            )
            FROM payload;
        END
        """
    )
    schema = connection.scalar(sa.text("SELECT quote_ident(current_schema())"))
    for table, (district, code) in TABLES.items():
        told = f"PERFORM {schema}.gridmap_announce('{table}', district, array_agg(code)) FROM"
        connection.exec_driver_sql(
            f"""
            CREATE FUNCTION {table}_announce() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'TRUNCATE' THEN
                    PERFORM {schema}.gridmap_announce('{table}', '', NULL);
                ELSIF TG_OP = 'UPDATE' THEN
                    {told} (
                        SELECT {district} AS district, {code} AS code FROM changed
                        UNION
                        SELECT {district}, {code} FROM became
                    ) AS told
                    GROUP BY district;
                ELSE
                    {told} (
                        SELECT DISTINCT {district} AS district, {code} AS code FROM changed
                    ) AS told
                    GROUP BY district;
                END IF;
                RETURN NULL;
            END
            $$
            """
        )
        for event, rows in EVENTS.items():
            connection.exec_driver_sql(
                f"""
                CREATE TRIGGER {table}_announce_{event} AFTER {event} ON {table} {rows}
                FOR EACH STATEMENT EXECUTE FUNCTION {table}_announce()
                """
            )


def downgrade() -> None:
    for table in TABLES:
        for event in EVENTS:
            op.execute(f"DROP TRIGGER {table}_announce_{event} ON {table}")
        op.execute(f"DROP FUNCTION {table}_announce()")
    op.execute("DROP FUNCTION gridmap_announce(text, text, text[])")
