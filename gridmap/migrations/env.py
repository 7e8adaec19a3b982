"""Alembic's entry: migrations run on a connection that the caller holds.

By hand, `alembic` finds the database through DATABASE_URL (see alembic.ini).
"""

from __future__ import annotations

import os

from alembic import context
from geoalchemy2 import alembic_helpers
from sqlalchemy import Connection

from gridmap.store.database import tool_engine
from gridmap.store.tables import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=alembic_helpers.include_object,
        process_revision_directives=alembic_helpers.writer,
        render_item=alembic_helpers.render_item,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if held := context.config.attributes.get("connection"):
    run(held)
else:
    with tool_engine(os.environ["DATABASE_URL"]).connect() as opened:
        run(opened)
        opened.commit()
