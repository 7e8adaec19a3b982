"""How the database came to its shape: Alembic's steps, and the ways to take them."""

from __future__ import annotations

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc

from gridmap.errors import Unavailable
from gridmap.migrations import row_security, whole


def upgrade(connection: Connection, revision: str = "head") -> list[str]:
    """Brings the database to `revision`, in the connection's transaction.

    Gives what a restore had left out and is made anew. Raises Unavailable when PostGIS, btree_gist
    or a role is not there and this user may not add it, and for what else a restore has left out.
    """
    mended: list[str] = []
    try:
        command.upgrade(_config(connection), revision)
        if is_current(connection):
            mended = whole.mend(connection)
            row_security.settle(connection)
            whole.check(connection, whole.RESTORE)
    except exc.DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.InsufficientPrivilege) and "role" in str(
            error.orig
        ):
            raise Unavailable(
                f"The database refused a role: {str(error.orig).partition(chr(10))[0]}\n"
                f"Ask its administrator for: {row_security.in_words()}"
            ) from error
        if "extension" in str(error.orig):
            raise Unavailable(
                f"The database refused an extension: {str(error.orig).strip()}\n"
                "Ask its administrator for: CREATE EXTENSION postgis; CREATE EXTENSION btree_gist;"
            ) from error
        raise
    return mended


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Takes the database back to `revision`, in the connection's transaction."""
    command.downgrade(_config(connection), revision)


def require_current(connection: Connection) -> None:
    """Raises Unavailable unless every step has been taken, and what they make is there."""
    if not is_current(connection):
        raise Unavailable("The database is not up to date; run `gridmap migrate` first.")
    whole.check(connection)


def is_current(connection: Connection) -> bool:
    """Whether every step has been taken."""
    heads = set(ScriptDirectory.from_config(_config(connection)).get_heads())
    return set(MigrationContext.configure(connection).get_current_heads()) == heads


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "gridmap:migrations")
    config.attributes["connection"] = connection
    return config
