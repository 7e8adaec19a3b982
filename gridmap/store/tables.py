"""The tables, all in one place, so that what is kept can be read in one sitting.

The district code is the tenant key: it leads every primary key and is part of every foreign key
and unique constraint of the tables that grow with a district. Regions and sponsors are shared
by districts and stay small.

Whatever changes in time has `valid_from` (first day it holds) and `valid_to` (first day it no
longer holds, NULL while it does), and an exclusion constraint that lets only one hold at a time.
Grids are referred to by code and date, so no foreign key can name one; the import checks them.

Every table is under row-level security. The step that makes one says who may do what with its rows:
see `gridmap.migrations.row_security`.
"""

from __future__ import annotations

from geoalchemy2 import Geometry
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

LONGITUDE_LATITUDE = 4326
"""EPSG code of every geometry kept: WGS 84 degrees, longitude first."""

REGION_LEVELS = ("PROVINCE", "CITY", "DISTRICT", "STREET", "COMMUNITY")
SPONSOR_LEVELS = ("CITY", "DISTRICT", "STREET", "COMMUNITY")
MANAGEMENT_MODES = ("COMMUNITY_LED", "PROFESSIONAL", "BASELINE_CLEANING", "SELF_MANAGED")

# 走访排查, 收集民意, 宣传政策, 代办服务.
VISIT_KINDS = ("VISIT", "OPINIONS", "POLICY", "ERRAND")

URGENCIES = ("ROUTINE", "URGENT", "EMERGENCY")
SOURCES = ("PHONE", "CHAT_GROUP", "HOTLINE_12345", "WALK")
STATES = (
    "SUBMITTED",
    "REGISTERED",
    "REJECTED",
    "MERGED",
    "DISPATCHED",
    "RETURNED",
    "ACCEPTED",
    "IN_PROGRESS",
    "SUSPENDED",
    "DONE",
    "VERIFIED",
    "REWORK",
    "CLOSED",
    "RATED",
)
REPORT_LEVELS = ("BUILDING", "GRID", "COMMUNITY", "STREET", "DISTRICT")
HANDLER_KINDS = ("SPONSOR", "GRID_WORKER", "BUILDING_MEMBER", "REGION")
STEPS = ("WHOLE", "REGISTER", "DISPATCH", "ACCEPT", "HANDLE", "VERIFY", "CLOSE")
TIME_UNITS = ("HOURS", "DAYS", "WORKING_HOURS", "WORKING_DAYS")
USER_ROLES = (
    "RESIDENT",
    "GRID_WORKER",
    "BUILDING_MEMBER",
    "SPONSOR",
    "COMMUNITY",
    "STREET",
    "DISTRICT",
    "AUDITOR",
    "ADMINISTRATOR",
)

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


class TransactionId(UserDefinedType[str]):
    """PostgreSQL's `xid8`, the number of a transaction, which is never given twice."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


class RowVersion(UserDefinedType[str]):
    """PostgreSQL's `xid`, as `xmin` has it: another one after each change of a row."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid"


# SQLAlchemy knows no such types when it meets them.
ischema_names["xid8"] = TransactionId
ischema_names["xid"] = RowVersion


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _names(table: str) -> Index:
    """Serves `gridmap.store.search`."""
    words = func.gridmap_words(Column("name", Text))
    return Index(f"{table}_name_idx", words, postgresql_using="gin")


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
    _names("regions"),
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
    _names("grids"),
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
    _names("buildings"),
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
    _names("sponsors"),
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

# What grid workers do at buildings. Nothing in it is ever changed or deleted: a trigger refuses,
# but to retention, which blanks the notes.
visits = Table(
    "visits",
    metadata,
    Column("district_code", CODE, nullable=False),
    # Made by the client, by which a visit that is sent again is known.
    Column("id", Uuid, nullable=False),
    Column("building_code", CODE, nullable=False),
    Column("worker_code", CODE, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("note", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("district_code", "id"),
    ForeignKeyConstraint(
        ["district_code", "building_code"], ["buildings.district_code", "buildings.code"]
    ),
    ForeignKeyConstraint(
        ["district_code", "worker_code"], ["workers.district_code", "workers.code"]
    ),
    CheckConstraint(_one_of("kind", VISIT_KINDS), name="kind"),
    Index("visits_building_idx", "district_code", "building_code", "at", "id"),
)

# 党员身份卡: which party member's card hangs at which building.
member_cards = Table(
    "member_cards",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("building_code", CODE, nullable=False),
    Column("name", Text, nullable=False),
    *_dates(),
    PrimaryKeyConstraint("district_code", "id"),
    ForeignKeyConstraint(
        ["district_code", "building_code"], ["buildings.district_code", "buildings.code"]
    ),
    _one_at_a_time("member_cards", "district_code", "name", "building_code", what="card"),
    Index("member_cards_building_idx", "district_code", "building_code"),
)

# What would become of grids, as it was shown. A plan is never changed.
boundary_plans = Table(
    "boundary_plans",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("author_role", Text, nullable=False),
    Column("author_subject", Text, nullable=False),
    # The first day of the change.
    Column("valid_from", Date, nullable=False),
    # The outlines and all else that was asked for, what came of it, and a digest of that.
    Column("draft", JSONB, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    PrimaryKeyConstraint("district_code", "id"),
    Index("boundary_plans_made_idx", "district_code", "made_at", "id"),
)

# The plans that were applied, by whom and why. Nothing in it or in the next is ever changed or
# deleted: a trigger refuses.
boundary_changes = Table(
    "boundary_changes",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("plan_id", Uuid, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    Column("author_role", Text, nullable=False),
    Column("author_subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("district_code", "plan_id"),
    ForeignKeyConstraint(
        ["district_code", "plan_id"], ["boundary_plans.district_code", "boundary_plans.id"]
    ),
)

# The grids of a change: those that ended or began then, and with whom they exchanged ground.
boundary_change_grids = Table(
    "boundary_change_grids",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("grid_code", CODE, nullable=False),
    Column("plan_id", Uuid, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("taken_from", ARRAY(CODE), nullable=False),
    Column("given_to", ARRAY(CODE), nullable=False),
    PrimaryKeyConstraint("district_code", "grid_code", "plan_id"),
    ForeignKeyConstraint(
        ["district_code", "plan_id"],
        ["boundary_changes.district_code", "boundary_changes.plan_id"],
    ),
)


# The characters and the pairs of neighbouring characters of a text: they find any part of it, in
# any language.
def make_words(connection: Connection) -> None:
    """Makes the function that tells them."""
    connection.exec_driver_sql(
        """
        CREATE FUNCTION gridmap_words(said text) RETURNS text[]
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000
        BEGIN ATOMIC
            SELECT array_agg(DISTINCT word)
            FROM (
                SELECT unnest(ARRAY[letter, letter || lead(letter) OVER (ORDER BY place)]) AS word
                FROM unnest(string_to_array(lower(said), NULL)) WITH ORDINALITY AS t (letter, place)
            ) AS words
            WHERE word IS NOT NULL;
        END
        """
    )


@event.listens_for(metadata, "before_create")
def _make_words(_: MetaData, connection: Connection, **__: object) -> None:
    make_words(connection)


# Two levels: a category has a parent or is one.
report_categories = Table(
    "report_categories",
    metadata,
    Column("code", CODE, primary_key=True),
    Column("name", Text, nullable=False),
    Column("parent_code", CODE, ForeignKey("report_categories.code")),
    Index(None, "parent_code"),
)

# How reports go in a region and all below it that says nothing else.
report_rules = Table(
    "report_rules",
    metadata,
    Column("region_code", CODE, ForeignKey("regions.code"), primary_key=True),
    # Who answers where no building and no grid has a sponsor (全域兜底).
    Column("default_sponsor_code", CODE, ForeignKey("sponsors.code")),
    Column("is_rated", Boolean),
)

# The most exact rule holds: of the district before any, of the category before its parent's before
# any, of the urgency before any. Empty is any.
deadlines = Table(
    "deadlines",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("category_code", CODE, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    PrimaryKeyConstraint("district_code", "category_code", "urgency", "step"),
    CheckConstraint(_one_of("urgency", ("", *URGENCIES)), name="urgency"),
    CheckConstraint(_one_of("step", STEPS), name="step"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint(_one_of("unit", TIME_UNITS), name="unit"),
)

# A report is changed by the actions of `gridmap.store.loop` alone, and each writes an event.
reports = Table(
    "reports",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("id", Uuid, nullable=False),
    # Counts up over all districts, in short numbers that can be said on the phone.
    Column("serial", BigInteger, Identity(always=True), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("category_code", CODE, ForeignKey("report_categories.code"), nullable=False),
    Column("urgency", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("location", Geometry("POINT", LONGITUDE_LATITUDE, spatial_index=False), nullable=False),
    # The position as it was given, beside the converted one.
    Column("source_datum", Text, nullable=False),
    Column("source_longitude", Double, nullable=False),
    Column("source_latitude", Double, nullable=False),
    Column("accuracy", Double),
    Column("captured_at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    # As of capture: the community, or else the smallest region that is known; the grid, NULL where
    # there is none and where it is still to be chosen; the building.
    Column("region_code", CODE, ForeignKey("regions.code"), nullable=False),
    Column("grid_code", CODE),
    Column("building_code", CODE),
    # Who answers: the sponsor of the building, of the grid, or the one of `report_rules`.
    Column("sponsor_code", CODE, ForeignKey("sponsors.code")),
    # Where on the ladder it is: 小事不出楼栋、大事不出社区.
    Column("level", Text, nullable=False),
    # To whom it is dispatched.
    Column("handler_kind", Text),
    Column("handler_code", CODE),
    # When it is to be closed, and when the step that it is in is to be done. NULL: no rule says.
    Column("due_at", DateTime(timezone=True)),
    Column("step_due_at", DateTime(timezone=True)),
    Column("state_since", DateTime(timezone=True), nullable=False),
    # The first action of somebody else than the reporter; the closing; the end of all work on it,
    # by closing, rejection or merging.
    Column("replied_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("rating", SmallInteger),
    Column("merged_into", Uuid),
    # A digest of what was sent, by which the same submission is known again.
    Column("submission", LargeBinary, nullable=False),
    # When personal data was taken out of it: see `gridmap.store.retention`.
    Column("anonymised_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("district_code", "id"),
    # So that no version is without its event.
    ForeignKeyConstraint(
        ["district_code", "id", "version"],
        ["report_events.district_code", "report_events.report_id", "report_events.version"],
        name="reports_event_fkey",
        deferrable=True,
        initially="DEFERRED",
        use_alter=True,
    ),
    ForeignKeyConstraint(
        ["district_code", "merged_into"],
        ["reports.district_code", "reports.id"],
        name="reports_merged_into_fkey",
    ),
    CheckConstraint(_one_of("state", STATES), name="state"),
    CheckConstraint(_one_of("urgency", URGENCIES), name="urgency"),
    CheckConstraint(_one_of("source", SOURCES), name="source"),
    CheckConstraint(_one_of("level", REPORT_LEVELS), name="level"),
    CheckConstraint(_one_of("handler_kind", HANDLER_KINDS), name="handler_kind"),
    CheckConstraint("num_nonnulls(handler_kind, handler_code) IN (0, 2)", name="handler"),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
    CheckConstraint("(merged_into IS NULL) = (state <> 'MERGED')", name="merged_into"),
    CheckConstraint(
        "(ended_at IS NULL) = (state NOT IN ('REJECTED', 'MERGED', 'CLOSED', 'RATED'))",
        name="ended_at",
    ),
    # Newest first, of all or of one of these.
    Index("reports_received_idx", "received_at", "id"),
    # Of one report, whatever its district: also where it is sent twice at the same moment.
    Index("reports_id_idx", "id", unique=True),
    Index("reports_serial_idx", "serial"),
    Index("reports_grid_idx", "grid_code", "received_at", "id"),
    Index("reports_sponsor_idx", "sponsor_code", "received_at", "id"),
    Index("reports_region_idx", "region_code", "received_at", "id"),
    Index("reports_category_idx", "category_code", "received_at", "id"),
    Index("reports_due_idx", "due_at"),
    *(
        Index(
            f"reports_{name}_idx",
            f"{name}_code",
            "received_at",
            "id",
            postgresql_where=text(f"{name}_code IS NOT NULL"),
        )
        for name in ("handler", "building")
    ),
    Index(
        "reports_merged_into_idx",
        "district_code",
        "merged_into",
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
    Index("reports_location_idx", "location", postgresql_using="gist"),
    Index(
        "reports_kept_idx",
        "ended_at",
        postgresql_where=text(
            "ended_at IS NOT NULL AND (anonymised_at IS NULL OR anonymised_at < ended_at)"
        ),
    ),
    # What is still to be done is a small part of what was ever reported.
    Index(
        "reports_open_idx",
        "received_at",
        "id",
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(
        "reports_open_location_idx",
        "location",
        postgresql_using="gist",
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(
        "reports_words_idx",
        func.gridmap_words(Column("description", Text)),
        postgresql_using="gin",
    ),
)

# Residents' names and phones, apart from all else, for those who handle the report.
reporters = Table(
    "reporters",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("report_id", Uuid, nullable=False),
    # Who was signed in as they sent it, and what they answered for.
    Column("subject", Text),
    Column("codes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("name", Text),
    Column("phone", Text),
    PrimaryKeyConstraint("district_code", "report_id"),
    ForeignKeyConstraint(["district_code", "report_id"], ["reports.district_code", "reports.id"]),
    Index(None, "subject"),
)

# What happened to a report, and who did it. Nothing in it is ever changed or deleted: a trigger
# refuses, but to retention, which blanks what may be about persons.
report_events = Table(
    "report_events",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("report_id", Uuid, nullable=False),
    # The report's version that it made.
    Column("version", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor_role", Text, nullable=False),
    Column("actor_subject", Text, nullable=False),
    Column("note", Text, nullable=False),
    # What the action was given and what it changed, by action.
    Column("details", JSONB, nullable=False),
    # By which those who follow know what they have not seen: see `gridmap.store.report_changes`.
    Column(
        "transaction",
        TransactionId,
        nullable=False,
        server_default=text("pg_current_xact_id()"),
    ),
    PrimaryKeyConstraint("district_code", "report_id", "version"),
    ForeignKeyConstraint(["district_code", "report_id"], ["reports.district_code", "reports.id"]),
    CheckConstraint(_one_of("state", STATES), name="state"),
    Index("report_events_transaction_idx", "transaction"),
)

# Uploaded before the report is, so that no district is known yet.
photos = Table(
    "photos",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Of the bytes that were sent, by which the same upload is known again.
    Column("digest", LargeBinary, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("uploaded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index(None, "uploaded_at"),
)

report_photos = Table(
    "report_photos",
    metadata,
    Column("district_code", CODE, nullable=False),
    Column("report_id", Uuid, nullable=False),
    # With which event it was sent.
    Column("version", Integer, nullable=False),
    Column("place", SmallInteger, nullable=False),
    Column("photo_id", Uuid, ForeignKey("photos.id"), nullable=False),
    PrimaryKeyConstraint("district_code", "report_id", "version", "place"),
    ForeignKeyConstraint(
        ["district_code", "report_id", "version"],
        ["report_events.district_code", "report_events.report_id", "report_events.version"],
    ),
    Index(None, "photo_id"),
)

# Who signs in here with a name and a password. Where an OpenID Connect issuer knows the people, it
# stays empty.
users = Table(
    "users",
    metadata,
    # As `gridmap.store.users.sign_in_name` writes it, so that it has one spelling.
    Column("name", Text, primary_key=True),
    # An argon2id hash, with its salt and costs.
    Column("password", Text, nullable=False),
    # Who they are as a viewer.
    Column("role", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("codes", ARRAY(Text), nullable=False),
    *_dates(),
    Column("is_disabled", Boolean, nullable=False, server_default=text("false")),
    Column("disabled_at", DateTime(timezone=True)),
    # Made by the demo, which alone signs them in.
    Column("is_demo", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint(_one_of("role", USER_ROLES), name="role"),
)

# Where somebody is signed in: one row from the sign-in to the sign-out, whose token changes each
# time that it is used. Tokens are kept as SHA-256 of what the client has.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_name", Text, ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    Column("token", LargeBinary, nullable=False),
    Column("token_before", LargeBinary),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("renewed_at", DateTime(timezone=True), nullable=False),
    Index(None, "user_name"),
    Index(None, "renewed_at"),
)

# Who wrote what, and who read personal data; by keys, without what was written or read. Nothing in
# it or in the next is ever changed or deleted, but entries of years ago: a trigger refuses.
audit_entries = Table(
    "audit_entries",
    metadata,
    # Empty where no district is meant.
    Column("district_code", CODE, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("role", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # What they signed in with, the address that they asked from, and the number of the request;
    # each is empty where there is none.
    Column("account", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("noun", Text, nullable=False),
    Column("ids", ARRAY(Text), nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    # By which the next seal knows what the one before has not seen.
    Column(
        "transaction",
        TransactionId,
        nullable=False,
        server_default=text("pg_current_xact_id()"),
    ),
    PrimaryKeyConstraint("district_code", "id"),
    Index("audit_entries_at_idx", "at", "id"),
    Index("audit_entries_transaction_idx", "transaction"),
)

# The chain: each seal holds entries by their digests, and the hash of the seal before. See
# `gridmap.store.audit_chain`.
audit_seals = Table(
    "audit_seals",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    # The state of the data up to which entries are sealed: see `gridmap.store.states`.
    Column("as_of", Text, nullable=False),
    Column("district_codes", ARRAY(CODE), nullable=False),
    Column("entry_ids", ARRAY(BigInteger), nullable=False),
    # SHA-256 of each, one behind the other.
    Column("digests", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

# How often something was done or tried lately, by a digest of what is counted. It is worth nothing
# after a crash, and so is not logged. See `gridmap.store.counts`.
counts = Table(
    "counts",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    # When the count is back at nothing.
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Index(None, "ends_at"),
    prefixes=["UNLOGGED"],
)

# Outlines as tiles show them, made by `gridmap.store.tile_shapes` from other tables' rows; it may
# be emptied at any time.
tile_shapes = Table(
    "tile_shapes",
    metadata,
    Column("district_code", CODE, nullable=False),
    # Whose outline: regions, grids, buildings.
    Column("noun", Text, nullable=False),
    Column("code", CODE, nullable=False),
    Column("valid_from", Date, nullable=False),
    # `xmin` of the row that the shapes were made from: they hold while it is the same.
    Column("row_version", RowVersion, nullable=False),
    # One for each zoom, as TWKB.
    Column("shapes", ARRAY(LargeBinary), nullable=False),
    PrimaryKeyConstraint("district_code", "noun", "code", "valid_from"),
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
