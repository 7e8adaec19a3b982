"""How the database came to its shape: Alembic's steps, and the ways to take them."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc

from gridmap.errors import Unavailable


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Brings the database to `revision`, in the connection's transaction.

    Raises Unavailable when PostGIS or btree_gist is not there and this user may not add it.
    """
    try:
        command.upgrade(_config(connection), revision)
    except exc.DBAPIError as error:
        if "extension" in str(error.orig):
            raise Unavailable(
                f"The database refused an extension: {str(error.orig).strip()}\n"
                "Ask its administrator for: CREATE EXTENSION postgis; CREATE EXTENSION btree_gist;"
            ) from error
        raise


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Takes the database back to `revision`, in the connection's transaction."""
    command.downgrade(_config(connection), revision)


def is_current(connection: Connection) -> bool:
    """Whether every step has been taken."""
    heads = set(ScriptDirectory.from_config(_config(connection)).get_heads())
    return set(MigrationContext.configure(connection).get_current_heads()) == heads


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "gridmap:migrations")
    config.attributes["connection"] = connection
    return config
