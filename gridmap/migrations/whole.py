"""Whether a database holds all that its steps have made.

A restore leaves out what whoever runs it may not make, says so among other words, and goes on; the
database then counts as migrated. `made.txt` names all that the steps make, a line each, so that
what is not there is seen. Indexes are not in it: without one answers are slow, and not wrong.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text

from gridmap.errors import Unavailable
from gridmap.store.tables import make_words, metadata

MADE = frozenset(Path(__file__).with_name("made.txt").read_text("utf-8").splitlines())

SCHEMA = "(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('alembic_version'))"
"""The schema that the steps are in, as SQL. Others may stand before it in a search path."""

_MOST_NAMED = 5


def mend(connection: Connection) -> list[str]:
    """Makes anew what may be missing and anybody may make: a function, and indexes.

    Gives their names. The function is one that a dump asks only a superuser to make, and indexes
    are of it.
    """
    made = []
    if connection.scalar(text("SELECT to_regprocedure('gridmap_words(text)') IS NULL")):
        make_words(connection)
        made.append("function gridmap_words(text)")
    there = set(
        connection.scalars(text(f"SELECT relname FROM pg_class WHERE relnamespace = {SCHEMA}"))
    )
    for table in metadata.sorted_tables:
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            if table.name in there and index.name not in there:
                index.create(connection)
                made.append(f"index {index.name}")
    return made


def missing(connection: Connection) -> list[str]:
    """What the steps have made and is not there, of all but indexes."""
    return sorted(MADE.difference(connection.scalars(_THERE)))


def check(
    connection: Connection, remedy: str = "Run `gridmap migrate`, which mends it or says how."
) -> None:
    """Raises Unavailable, with the remedy, where something is missing."""
    if lacks := missing(connection):
        more = len(lacks) - _MOST_NAMED
        named = ", ".join(lacks[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise Unavailable(f"The database lacks what its migrations have made: {named}. {remedy}")


RESTORE = (
    "A restore leaves out what whoever runs it may not make, and rights where it is told to. Make "
    "the roles, restore the dump as a superuser into an empty database, and migrate that."
)
"""What helps where `mend` does not."""

# Of a schema, without what belongs to extensions.
_THERE = text(
    f"""
    WITH relations AS (
        SELECT oid, relname, relkind, relacl, relrowsecurity, relforcerowsecurity
        FROM pg_class
        WHERE relnamespace = {SCHEMA}
            AND relkind IN ('r', 'p', 'v', 'm', 'S')
            AND NOT EXISTS (
                SELECT
                FROM pg_depend
                WHERE classid = CAST('pg_class' AS regclass)
                    AND objid = pg_class.oid
                    AND deptype = 'e'
            )
    )
    SELECT CASE WHEN relkind = 'S' THEN 'sequence ' ELSE 'table ' END || relname FROM relations
    UNION ALL
    SELECT 'row security of ' || relname FROM relations WHERE relrowsecurity AND relforcerowsecurity
    UNION ALL
    SELECT 'function ' || proname || '(' || pg_get_function_identity_arguments(oid) || ')'
    FROM pg_proc
    WHERE pronamespace = {SCHEMA}
        AND NOT EXISTS (
            SELECT
            FROM pg_depend
            WHERE classid = CAST('pg_proc' AS regclass)
                AND objid = pg_proc.oid
                AND deptype = 'e'
        )
    UNION ALL
    SELECT 'trigger ' || relname || '.' || tgname
    FROM relations JOIN pg_trigger ON tgrelid = relations.oid
    WHERE NOT tgisinternal AND tgenabled <> 'D'
    UNION ALL
    SELECT 'constraint ' || relname || '.' || conname
    FROM relations JOIN pg_constraint ON conrelid = relations.oid
    WHERE contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT 'policy ' || relname || '.' || polname
    FROM relations JOIN pg_policy ON polrelid = relations.oid
    UNION ALL
    SELECT 'right ' || privilege_type || ' ' || relname || ' of ' || rolname
    FROM relations CROSS JOIN aclexplode(relacl) JOIN pg_roles ON pg_roles.oid = grantee
    WHERE rolname LIKE 'gridmap\\_%'
    UNION ALL
    SELECT 'right ' || privilege_type || ' ' || relname || '.' || attname || ' of ' || rolname
    FROM relations
    JOIN pg_attribute ON attrelid = relations.oid
    CROSS JOIN aclexplode(attacl)
    JOIN pg_roles ON pg_roles.oid = grantee
    WHERE rolname LIKE 'gridmap\\_%'
    """
)
