"""The database and the tables in the code are one."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from geoalchemy2 import alembic_helpers
from sqlalchemy import Connection, inspect

from gridmap import migrations
from gridmap.migrations import whole
from gridmap.store.database import tool_engine
from gridmap.store.tables import metadata
from tests.conftest import new_database


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "compare_server_default": True,
            "include_object": alembic_helpers.include_object,
        },
    )
    return list(compare_metadata(context, metadata))


def _constraints(connection: Connection) -> list[tuple[str, str]]:
    """Checks and exclusions too, which Alembic's comparison does not see."""
    rows = connection.exec_driver_sql(
        """
        SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
            AND conrelid::regclass::text NOT IN ('spatial_ref_sys', 'alembic_version')
        ORDER BY 1
        """
    )
    return [(name, definition) for name, definition in rows]


def test_the_tables_in_the_code_are_those_of_the_migrated_database(connection: Connection) -> None:
    assert _differences(connection) == []


def test_every_constraint_in_the_code_is_in_the_migrated_database(
    connection: Connection, cluster_url: str
) -> None:
    engine = tool_engine(new_database(cluster_url, "made_from_the_code"))
    with engine.connect() as made:
        made.exec_driver_sql("CREATE EXTENSION postgis; CREATE EXTENSION btree_gist")
        metadata.create_all(made)
        assert _constraints(connection) == _constraints(made)
    engine.dispose()


def test_a_downgrade_takes_everything_back_and_an_upgrade_brings_it_again(
    cluster_url: str,
) -> None:
    engine = tool_engine(new_database(cluster_url, "up_and_down"))
    with engine.connect() as connection:
        migrations.upgrade(connection)
        assert migrations.is_current(connection)
        before = _constraints(connection)

        migrations.downgrade(connection)
        assert not migrations.is_current(connection)
        kept = set(inspect(connection).get_table_names())
        assert kept == {"alembic_version", "spatial_ref_sys"}

        migrations.upgrade(connection)
        assert _constraints(connection) == before
    engine.dispose()


def test_all_that_the_steps_make_is_listed_so_that_what_a_restore_leaves_out_is_seen(
    connection: Connection,
) -> None:
    # Where a step was added, write into made.txt what this says is there and not listed.
    assert set(connection.scalars(whole._THERE)) == whole.MADE
