"""Regions, grids, workers, buildings, sponsors, sponsorships and the log of imports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    # Equality of codes beside overlap of dates, in one exclusion constraint.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("datum", sa.Text(), nullable=True),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column(
            "imported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("imports_pkey")),
    )
    op.create_geospatial_table(
        "regions",
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("parent_code", sa.Text(collation="C"), nullable=True),
        sa.Column("district_code", sa.Text(collation="C"), nullable=True),
        sa.Column(
            "boundary",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.Column("source_datum", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "level IN ('PROVINCE', 'CITY', 'DISTRICT', 'STREET', 'COMMUNITY')",
            name=op.f("regions_level_check"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_code"], ["regions.code"], name=op.f("regions_parent_code_fkey")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("regions_pkey")),
    )
    op.create_geospatial_index(
        "regions_boundary_idx",
        "regions",
        ["boundary"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(op.f("regions_parent_code_idx"), "regions", ["parent_code"], unique=False)
    op.create_table(
        "workers",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("district_code", "code", name=op.f("workers_pkey")),
    )
    op.create_geospatial_table(
        "buildings",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("community_code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("compound", sa.Text(), nullable=True),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.Column(
            "location",
            Geometry(
                geometry_type="POINT",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column(
            "footprint",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
            ),
            nullable=True,
        ),
        sa.Column("source_datum", sa.Text(), nullable=False),
        sa.Column("source_longitude", sa.Double(), nullable=False),
        sa.Column("source_latitude", sa.Double(), nullable=False),
        sa.CheckConstraint("households >= 0", name=op.f("buildings_households_check")),
        sa.ForeignKeyConstraint(
            ["community_code"], ["regions.code"], name=op.f("buildings_community_code_fkey")
        ),
        sa.PrimaryKeyConstraint("district_code", "code", name=op.f("buildings_pkey")),
    )
    op.create_index("buildings_community_idx", "buildings", ["community_code"], unique=False)
    op.create_index("buildings_code_idx", "buildings", ["code", "district_code"], unique=False)
    op.create_geospatial_index(
        "buildings_footprint_idx",
        "buildings",
        ["footprint"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_index(
        "buildings_location_idx",
        "buildings",
        ["location"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_geospatial_table(
        "grids",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("community_code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "boundary",
            Geometry(
                geometry_type="MULTIPOLYGON",
                srid=4326,
                dimension=2,
                spatial_index=False,
                from_text="ST_GeomFromEWKT",
                name="geometry",
                nullable=False,
            ),
            nullable=False,
        ),
        sa.Column("source_datum", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("district_code"), "="),
            (sa.column("code"), "="),
            (sa.text("daterange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="grids_one_version_at_a_time",
        ),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("grids_dates_in_order_check")),
        sa.ForeignKeyConstraint(
            ["community_code"], ["regions.code"], name=op.f("grids_community_code_fkey")
        ),
        sa.PrimaryKeyConstraint("district_code", "code", "valid_from", name=op.f("grids_pkey")),
    )
    op.create_geospatial_index(
        "grids_boundary_idx",
        "grids",
        ["boundary"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index("grids_community_idx", "grids", ["community_code"], unique=False)
    op.create_index("grids_code_idx", "grids", ["code", "district_code"], unique=False)
    op.create_table(
        "sponsors",
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("region_code", sa.Text(collation="C"), nullable=False),
        sa.Column("leader", sa.Text(), nullable=True),
        sa.Column("leader_role", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "level IN ('CITY', 'DISTRICT', 'STREET', 'COMMUNITY')",
            name=op.f("sponsors_level_check"),
        ),
        sa.ForeignKeyConstraint(
            ["region_code"], ["regions.code"], name=op.f("sponsors_region_code_fkey")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("sponsors_pkey")),
    )
    op.create_index(op.f("sponsors_region_code_idx"), "sponsors", ["region_code"], unique=False)
    op.create_table(
        "worker_assignments",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("worker_code", sa.Text(collation="C"), nullable=False),
        sa.Column("grid_code", sa.Text(collation="C"), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("district_code"), "="),
            (sa.column("worker_code"), "="),
            (sa.column("grid_code"), "="),
            (sa.text("daterange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="worker_assignments_one_assignment_at_a_time",
        ),
        sa.CheckConstraint(
            "valid_from < valid_to", name=op.f("worker_assignments_dates_in_order_check")
        ),
        sa.ForeignKeyConstraint(
            ["district_code", "worker_code"],
            ["workers.district_code", "workers.code"],
            name=op.f("worker_assignments_district_code_worker_code_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "district_code",
            "worker_code",
            "grid_code",
            "valid_from",
            name=op.f("worker_assignments_pkey"),
        ),
    )
    op.create_index(
        "worker_assignments_grid_idx",
        "worker_assignments",
        ["district_code", "grid_code"],
        unique=False,
    )
    op.create_table(
        "building_managements",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("building_code", sa.Text(collation="C"), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("district_code"), "="),
            (sa.column("building_code"), "="),
            (sa.text("daterange(valid_from, valid_to)"), "&&"),
            using="gist",
            name="building_managements_one_mode_at_a_time",
        ),
        sa.CheckConstraint(
            "mode IN ('COMMUNITY_LED', 'PROFESSIONAL', 'BASELINE_CLEANING', 'SELF_MANAGED')",
            name=op.f("building_managements_mode_check"),
        ),
        sa.CheckConstraint(
            "valid_from < valid_to", name=op.f("building_managements_dates_in_order_check")
        ),
        sa.ForeignKeyConstraint(
            ["district_code", "building_code"],
            ["buildings.district_code", "buildings.code"],
            name=op.f("building_managements_district_code_building_code_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "district_code", "building_code", "valid_from", name=op.f("building_managements_pkey")
        ),
    )
    op.create_table(
        "sponsorships",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("sponsor_code", sa.Text(collation="C"), nullable=False),
        sa.Column("building_code", sa.Text(collation="C"), nullable=True),
        sa.Column("grid_code", sa.Text(collation="C"), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("district_code"), "="),
            (sa.column("building_code"), "="),
            (sa.text("daterange(valid_from, valid_to)"), "&&"),
            where=sa.text("building_code IS NOT NULL"),
            using="gist",
            name="sponsorships_one_sponsor_of_a_building_at_a_time",
        ),
        postgresql.ExcludeConstraint(
            (sa.column("district_code"), "="),
            (sa.column("grid_code"), "="),
            (sa.text("daterange(valid_from, valid_to)"), "&&"),
            where=sa.text("grid_code IS NOT NULL"),
            using="gist",
            name="sponsorships_one_sponsor_of_a_grid_at_a_time",
        ),
        sa.CheckConstraint(
            "num_nonnulls(building_code, grid_code) = 1",
            name=op.f("sponsorships_building_or_grid_check"),
        ),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("sponsorships_dates_in_order_check")),
        sa.ForeignKeyConstraint(
            ["district_code", "building_code"],
            ["buildings.district_code", "buildings.code"],
            name=op.f("sponsorships_district_code_building_code_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["sponsor_code"], ["sponsors.code"], name=op.f("sponsorships_sponsor_code_fkey")
        ),
        sa.PrimaryKeyConstraint("district_code", "id", name=op.f("sponsorships_pkey")),
    )
    op.create_index(
        "sponsorships_sponsor_idx", "sponsorships", ["sponsor_code", "district_code"], unique=False
    )


def downgrade() -> None:
    # The extensions stay: other tables of the same database may need them.
    op.drop_index("sponsorships_sponsor_idx", table_name="sponsorships")
    op.drop_table("sponsorships")
    op.drop_table("building_managements")
    op.drop_index("worker_assignments_grid_idx", table_name="worker_assignments")
    op.drop_table("worker_assignments")
    op.drop_index(op.f("sponsors_region_code_idx"), table_name="sponsors")
    op.drop_table("sponsors")
    op.drop_index("grids_community_idx", table_name="grids")
    op.drop_index("grids_code_idx", table_name="grids")
    op.drop_geospatial_index(
        "grids_boundary_idx", table_name="grids", postgresql_using="gist", column_name="boundary"
    )
    op.drop_geospatial_table("grids")
    op.drop_geospatial_index(
        "buildings_location_idx",
        table_name="buildings",
        postgresql_using="gist",
        column_name="location",
    )
    op.drop_geospatial_index(
        "buildings_footprint_idx",
        table_name="buildings",
        postgresql_using="gist",
        column_name="footprint",
    )
    op.drop_index("buildings_community_idx", table_name="buildings")
    op.drop_index("buildings_code_idx", table_name="buildings")
    op.drop_geospatial_table("buildings")
    op.drop_table("workers")
    op.drop_index(op.f("regions_parent_code_idx"), table_name="regions")
    op.drop_geospatial_index(
        "regions_boundary_idx",
        table_name="regions",
        postgresql_using="gist",
        column_name="boundary",
    )
    op.drop_geospatial_table("regions")
    op.drop_table("imports")
