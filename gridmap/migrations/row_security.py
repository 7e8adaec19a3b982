"""Puts tables under row-level security: who may do what with which rows.

Every table is put under it by the step that makes it, with `protect`, and by nothing else. There
are four roles, which the server takes and no person has:

- `gridmap_server` is the server for anybody: it sees what is public.
- `gridmap_viewer` is the server for one viewer, whom it names for a transaction by the settings
  `gridmap.role`, `gridmap.subject`, `gridmap.codes` and `gridmap.report`. It reads alone.
- `gridmap_auditor` is the server for a viewer who sees all. It reads alone.
- `gridmap_keeper` is the server for itself: it takes reports in, keeps maps in memory, signs people
  in, and writes what a viewer may write, after the code has found that they may.

Migrations, imports, exports and the other commands are the tables' owner, whom a policy lets do
all. Roles belong to the whole cluster, so that databases share them and `downgrade` leaves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from sqlalchemy import Connection, text

from gridmap.migrations.whole import SCHEMA

SERVER, VIEWER = "gridmap_server", "gridmap_viewer"
AUDITOR, KEEPER = "gridmap_auditor", "gridmap_keeper"
ROLES = (SERVER, VIEWER, AUDITOR, KEEPER)

# What a connection of the server may become within a transaction. Nobody becomes the keeper.
_TAKEN = {SERVER: (VIEWER, AUDITOR)}


class Rule(NamedTuple):
    """That these roles have `privileges` on the rows for which `rows` holds.

    `columns`: the only ones, where privileges is SELECT; none is all.
    """

    name: str
    roles: Sequence[str]
    privileges: str = "SELECT"
    rows: str = "TRUE"
    columns: Sequence[str] = ()


PUBLIC = Rule("everybody", ROLES)
"""Anybody may see it."""

AUDITED = Rule("auditor", (AUDITOR,))
"""Whoever sees all may see it."""


def kept(privileges: str) -> Rule:
    """The server's own work needs `privileges`, as in "SELECT, INSERT"."""
    return Rule("keeper", (KEEPER,), privileges)


def seen(name: str, rows: str) -> Rule:
    """A viewer sees the rows for which this holds; what several such rules say adds up.

    A function of the viewer's settings is written `(SELECT function())`, which is asked once for a
    statement and not for every row.
    """
    return Rule(name, (VIEWER,), rows=rows)


def protect(connection: Connection, table: str, *rules: Rule) -> None:
    """Lets the owner do all with the rows of a table, and others what the rules say."""
    connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    connection.exec_driver_sql(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    connection.exec_driver_sql(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (TRUE)")
    for rule in rules:
        roles = ", ".join(rule.roles)
        columns = f" ({', '.join(rule.columns)})" if rule.columns else ""
        # Of what is granted, for there is a policy for all that may be done.
        connection.exec_driver_sql(f"GRANT {rule.privileges}{columns} ON {table} TO {roles}")
        connection.exec_driver_sql(
            f"CREATE POLICY {rule.name} ON {table} TO {roles} USING ({rule.rows})"
        )


def unprotect(connection: Connection, table: str) -> None:
    """Takes back what `protect` has said."""
    policies = connection.execute(
        text("SELECT polname FROM pg_policy WHERE polrelid = to_regclass(:table)"),
        {"table": table},
    )
    for name in policies.scalars().all():
        connection.exec_driver_sql(f"DROP POLICY {name} ON {table}")
    connection.exec_driver_sql(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    connection.exec_driver_sql(f"REVOKE ALL ON {table} FROM {', '.join(ROLES)}")


def make_roles(connection: Connection) -> None:
    """Makes the roles that are not there, and lets the server take those that it takes.

    Whoever makes them may serve as them. Others may do so for a database of theirs in the same
    cluster at the same moment, and whoever comes later finds it done.
    """
    missing = set(ROLES) - set(
        connection.execute(
            text("SELECT rolname FROM pg_roles WHERE rolname = ANY (:roles)"),
            {"roles": list(ROLES)},
        ).scalars()
    )
    for role in ROLES:
        if role in missing:
            _unless_done(
                connection, f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT"
            )
    for role, others in _TAKEN.items():
        for other in others:
            granted = connection.scalar(
                text(
                    """
                    SELECT EXISTS (
                        SELECT
                        FROM pg_auth_members
                        WHERE roleid = CAST(:other AS regrole) AND member = CAST(:role AS regrole)
                    )
                    """
                ),
                {"role": role, "other": other},
            )
            if not granted:
                _unless_done(connection, f"GRANT {other} TO {role}")
    is_superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
    if missing and not connection.scalar(text(is_superuser)):
        _unless_done(connection, f"GRANT {SERVER}, {KEEPER} TO CURRENT_USER")


def in_words() -> str:
    """What somebody who may has to say where whoever migrates may not make roles."""
    made = (f"CREATE ROLE {role} NOINHERIT;" for role in ROLES)
    taken = (f"GRANT {', '.join(others)} TO {role};" for role, others in _TAKEN.items())
    return " ".join([*made, *taken])


def make_logins(connection: Connection, password: str | None = None) -> None:
    """Lets the server log in as the two roles in which it connects.

    Without a password, where the cluster asks for none. Raises psycopg's InsufficientPrivilege for
    whoever may not alter them.
    """
    for role in (SERVER, KEEPER):
        said = ""
        if password is not None:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            # Its hash alone, for statements may be logged.
            hashed = driver.pgconn.encrypt_password(password.encode(), role.encode())
            said = f" PASSWORD '{hashed.decode()}'"
        connection.exec_driver_sql(f"ALTER ROLE {role} LOGIN{said}")


def _unless_done(connection: Connection, statement: str) -> None:
    """Who makes the same at the same moment fails in a way that depends on who was how fast."""
    connection.exec_driver_sql(
        f"""
        DO $$
        BEGIN
            {statement};
        EXCEPTION WHEN duplicate_object OR unique_violation OR internal_error THEN
            NULL;
        END
        $$
        """
    )


# Functions of operators that indexes serve. They tell nothing of a value but their result, also not
# by an error. PostgreSQL is to know it, or it looks through all rows of a viewer one by one before
# it asks an index where they lie or what they say.
_LEAKPROOF = (
    "geometry_overlaps(geometry, geometry)",
    "arraycontains(anyarray, anyarray)",
    "gridmap_words(text)",
)


def settle(connection: Connection) -> None:
    """What a restore may have lost: the policies for the owner name whoever owns the tables now,
    and indexes serve viewers, if it is a superuser who may say so."""
    _settle_owner(connection)
    _settle_indexes(connection)


def _settle_indexes(connection: Connection) -> None:
    rows = connection.execute(
        text(
            """
            SELECT CAST(pg_proc.oid AS regprocedure)
            FROM pg_proc, pg_roles
            WHERE pg_proc.oid = ANY (CAST(CAST(:functions AS text[]) AS regprocedure[]))
                AND NOT proleakproof
                AND rolname = current_user
                AND rolsuper
            """
        ),
        {"functions": list(_LEAKPROOF)},
    )
    for function in rows.scalars().all():
        connection.exec_driver_sql(f"ALTER FUNCTION {function} LEAKPROOF")


def _settle_owner(connection: Connection) -> None:
    rows = connection.exec_driver_sql(
        f"""
        SELECT CAST(pg_class.oid AS regclass), policy.oid IS NOT NULL
        FROM pg_class
        LEFT JOIN pg_policy AS policy ON policy.polrelid = pg_class.oid AND polname = 'owner'
        WHERE relrowsecurity
            AND pg_get_userbyid(relowner) = current_user
            AND relnamespace = {SCHEMA}
            AND polroles IS DISTINCT FROM ARRAY[relowner]
        """
    )
    for table, has_policy in rows.all():
        connection.exec_driver_sql(
            f"ALTER POLICY owner ON {table} TO CURRENT_USER"
            if has_policy
            else f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (TRUE)"
        )
