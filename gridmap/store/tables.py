"""The tables, all in one place, so that what is kept can be read in one sitting.

The district code is the tenant key: it leads every primary key and is part of every foreign key
and unique constraint of the tables that grow with a district. Regions and sponsors are shared
by districts and stay small.

Whatever changes in time has `valid_from` (first day it holds) and `valid_to` (first day it no
longer holds, NULL while it does), and an exclusion constraint that lets only one hold at a time.
Grids are referred to by code and date, so no foreign key can name one; the import checks them.
"""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint

LONGITUDE_LATITUDE = 4326
"""EPSG code of every geometry kept: WGS 84 degrees, longitude first."""

REGION_LEVELS = ("PROVINCE", "CITY", "DISTRICT", "STREET", "COMMUNITY")
SPONSOR_LEVELS = ("CITY", "DISTRICT", "STREET", "COMMUNITY")
MANAGEMENT_MODES = ("COMMUNITY_LED", "PROFESSIONAL", "BASELINE_CLEANING", "SELF_MANAGED")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

# Codes sort and compare by byte, so that "smallest code" means the same in SQL and in Python,
# and prefix searches can use the ordinary indexes.
CODE = Text(collation="C")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _one_at_a_time(
    table: str, *keys: str, what: str, where: str | None = None
) -> ExcludeConstraint:
    # A hash of the code leads, for GiST sorts codes that begin alike so badly that an import would
    # take four times as long. The code itself follows, so that no two hashes are ever confused, but
    # as an expression: PostgreSQL would take this index for one to look codes up by, and read it
    # whole for each.
    *others, code = keys
    return ExcludeConstraint(
        (func.hashtextextended(Column(code, CODE), 0), "="),
        *((key, "=") for key in others),
        (func.textcat(Column(code, CODE), ""), "="),
        (func.daterange(Column("valid_from", Date), Column("valid_to", Date)), "&&"),
        name=f"{table}_one_{what}_at_a_time",
        where=text(where) if where else None,
    )


def _dates() -> tuple[Column[object], Column[object], CheckConstraint]:
    return (
        Column("valid_from", Date, nullable=False),
        Column("valid_to", Date),
        CheckConstraint("valid_from < valid_to", name="dates_in_order"),
    )


regions = Table(
    "regions",
    metadata,
    Column("code", CODE, primary_key=True),
    Column("name", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("parent_code", CODE, ForeignKey("regions.code")),
    Column("district_code", CODE),
    Column("boundary", Geometry("MULTIPOLYGON", LONGITUDE_LATITUDE, spatial_index=False)),
    Column("source_datum", Text),
    CheckConstraint(_one_of("level", REGION_LEVELS), name="level"),
    Index(None, "parent_code"),
    Index("regions_boundary_idx", "boundary", postgresql_using="gist"),
)

grids = Table(
    "grids",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("code", CODE, nullable=False),
    Column("community_code", CODE, ForeignKey("regions.code"), nullable=False),
    Column("name", Text, nullable=False),
    Column(
        "boundary",
        Geometry("MULTIPOLYGON", LONGITUDE_LATITUDE, spatial_index=False),
        nullable=False,
    ),
    Column("source_datum", Text, nullable=False),
    *_dates(),
    PrimaryKeyConstraint("district_code", "code", "valid_from"),
    _one_at_a_time("grids", "district_code", "code", what="version"),
    Index("grids_code_idx", "code", "district_code"),
    Index(
        "grids_community_idx",
        "community_code",
        "code",
        "district_code",
        postgresql_include=["valid_from", "valid_to"],
    ),
    Index("grids_boundary_idx", "boundary", postgresql_using="gist"),
)

workers = Table(
    "workers",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("code", CODE, nullable=False),
    Column("name", Text, nullable=False),
    Column("phone", Text),
    PrimaryKeyConstraint("district_code", "code"),
)

worker_assignments = Table(
    "worker_assignments",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("worker_code", CODE, nullable=False),
    Column("grid_code", CODE, nullable=False),
    *_dates(),
    PrimaryKeyConstraint("district_code", "worker_code", "grid_code", "valid_from"),
    ForeignKeyConstraint(
        ["district_code", "worker_code"], ["workers.district_code", "workers.code"]
    ),
    _one_at_a_time(
        "worker_assignments", "district_code", "worker_code", "grid_code", what="assignment"
    ),
    Index("worker_assignments_grid_idx", "district_code", "grid_code"),
)

buildings = Table(
    "buildings",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("code", CODE, nullable=False),
    Column("community_code", CODE, ForeignKey("regions.code"), nullable=False),
    Column("name", Text, nullable=False),
    Column("compound", Text),
    Column("households", Integer, nullable=False),
    Column("location", Geometry("POINT", LONGITUDE_LATITUDE, spatial_index=False), nullable=False),
    Column("footprint", Geometry("MULTIPOLYGON", LONGITUDE_LATITUDE, spatial_index=False)),
    # The position as it was given, beside the converted one.
    Column("source_datum", Text, nullable=False),
    Column("source_longitude", Double, nullable=False),
    Column("source_latitude", Double, nullable=False),
    PrimaryKeyConstraint("district_code", "code"),
    CheckConstraint("households >= 0", name="households"),
    Index("buildings_code_idx", "code", "district_code"),
    Index("buildings_community_idx", "community_code"),
    Index("buildings_location_idx", "location", postgresql_using="gist"),
    Index("buildings_footprint_idx", "footprint", postgresql_using="gist"),
)

building_managements = Table(
    "building_managements",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("building_code", CODE, nullable=False),
    Column("mode", Text, nullable=False),
    *_dates(),
    PrimaryKeyConstraint("district_code", "building_code", "valid_from"),
    ForeignKeyConstraint(
        ["district_code", "building_code"], ["buildings.district_code", "buildings.code"]
    ),
    CheckConstraint(_one_of("mode", MANAGEMENT_MODES), name="mode"),
    _one_at_a_time("building_managements", "district_code", "building_code", what="mode"),
)

sponsors = Table(
    "sponsors",
    metadata,
    Column("code", CODE, primary_key=True),
    Column("name", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("region_code", CODE, ForeignKey("regions.code"), nullable=False),
    Column("leader", Text),
    Column("leader_role", Text),
    CheckConstraint(_one_of("level", SPONSOR_LEVELS), name="level"),
    Index(None, "region_code"),
)

sponsorships = Table(
    "sponsorships",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("sponsor_code", CODE, ForeignKey("sponsors.code"), nullable=False),
    Column("building_code", CODE),
    Column("grid_code", CODE),
    *_dates(),
    PrimaryKeyConstraint("district_code", "id"),
    ForeignKeyConstraint(
        ["district_code", "building_code"], ["buildings.district_code", "buildings.code"]
    ),
    CheckConstraint("num_nonnulls(building_code, grid_code) = 1", name="building_or_grid"),
    _one_at_a_time(
        "sponsorships",
        "district_code",
        "building_code",
        what="sponsor_of_a_building",
        where="building_code IS NOT NULL",
    ),
    _one_at_a_time(
        "sponsorships",
        "district_code",
        "grid_code",
        what="sponsor_of_a_grid",
        where="grid_code IS NOT NULL",
    ),
    Index(
        "sponsorships_sponsor_idx",
        "sponsor_code",
        "district_code",
        "building_code",
        postgresql_include=["valid_from", "valid_to"],
    ),
    Index(
        "sponsorships_building_idx",
        "district_code",
        "building_code",
        postgresql_where=text("building_code IS NOT NULL"),
    ),
    Index(
        "sponsorships_grid_idx",
        "district_code",
        "grid_code",
        postgresql_where=text("grid_code IS NOT NULL"),
    ),
)

imports = Table(
    "imports",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("noun", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("datum", Text),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
