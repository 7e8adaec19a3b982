"""Reports, their events, reporters and photos, and the rules by which they go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATE = (
    "state IN ('SUBMITTED', 'REGISTERED', 'REJECTED', 'MERGED', 'DISPATCHED', 'RETURNED', "
    "'ACCEPTED', 'IN_PROGRESS', 'SUSPENDED', 'DONE', 'VERIFIED', 'REWORK', 'CLOSED', 'RATED')"
)

RULES = ("report_categories", "report_rules", "deadlines")

# What a city's inspectors look after, and the three dimensions of which residents speak. A list to
# begin with: districts import their own.
CATEGORIES = (
    ("01", "市容环境", "暴露垃圾 积存渣土 道路不洁 绿地脏乱 道路破损 私搭乱建 外立面不洁"),
    ("02", "宣传广告", "非法小广告 违章张贴悬挂 占道广告牌 招牌破损"),
    ("03", "施工管理", "施工扰民 工地扬尘 施工占道 无证掘路"),
    ("04", "街面秩序", "无照经营 店外经营 机动车乱停放 非机动车乱停放 乱堆物料 露天烧烤"),
    ("05", "突发事件", "路面塌陷 供水管破裂 燃气泄漏 下水道堵塞 供热管破裂 道路积水 道路结冰"),
    ("11", "社情民意", "咨询建议 投诉 邻里纠纷 困难求助"),
    ("12", "环境整治", "楼道杂物 设施维修 绿化养护 卫生死角"),
    ("13", "文化浸润", "文体活动 志愿服务 政策宣传"),
)

DEADLINE = ("district_code", "category_code", "urgency", "step", "amount", "unit")

# Opened and dispatched within an hour each, advice within 3 working days, complaints within 13; the
# rest is a beginning that districts replace.
DEADLINES = (
    ("", "", "", "WHOLE", 7, "WORKING_DAYS"),
    ("", "", "URGENT", "WHOLE", 2, "WORKING_DAYS"),
    ("", "", "EMERGENCY", "WHOLE", 24, "HOURS"),
    ("", "1101", "", "WHOLE", 3, "WORKING_DAYS"),
    ("", "1102", "", "WHOLE", 13, "WORKING_DAYS"),
    ("", "", "", "REGISTER", 1, "WORKING_HOURS"),
    ("", "", "", "DISPATCH", 1, "WORKING_HOURS"),
    ("", "", "EMERGENCY", "REGISTER", 1, "HOURS"),
    ("", "", "EMERGENCY", "DISPATCH", 1, "HOURS"),
    ("", "", "", "ACCEPT", 4, "WORKING_HOURS"),
    ("", "", "EMERGENCY", "ACCEPT", 1, "HOURS"),
    ("", "", "", "HANDLE", 5, "WORKING_DAYS"),
    ("", "", "URGENT", "HANDLE", 1, "WORKING_DAYS"),
    ("", "", "EMERGENCY", "HANDLE", 12, "HOURS"),
    ("", "1102", "", "HANDLE", 10, "WORKING_DAYS"),
    ("", "", "", "VERIFY", 1, "WORKING_DAYS"),
    ("", "", "", "CLOSE", 1, "WORKING_DAYS"),
)


class Xid8(sa.types.UserDefinedType[str]):
    def get_col_spec(self, **_: object) -> str:
        return "xid8"


def upgrade() -> None:
    # The characters and the pairs of neighbouring characters of a text. A body that is parsed once,
    # here, means the same with every search_path.
    op.execute(
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
    op.create_table(
        "deadlines",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("category_code", sa.Text(collation="C"), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "step IN ('WHOLE', 'REGISTER', 'DISPATCH', 'ACCEPT', 'HANDLE', 'VERIFY', 'CLOSE')",
            name=op.f("deadlines_step_check"),
        ),
        sa.CheckConstraint(
            "unit IN ('HOURS', 'DAYS', 'WORKING_HOURS', 'WORKING_DAYS')",
            name=op.f("deadlines_unit_check"),
        ),
        sa.CheckConstraint(
            "urgency IN ('', 'ROUTINE', 'URGENT', 'EMERGENCY')",
            name=op.f("deadlines_urgency_check"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("deadlines_amount_check")),
        sa.PrimaryKeyConstraint(
            "district_code", "category_code", "urgency", "step", name=op.f("deadlines_pkey")
        ),
    )
    op.create_table(
        "photos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column(
            "uploaded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("photos_pkey")),
    )
    op.create_index(op.f("photos_uploaded_at_idx"), "photos", ["uploaded_at"], unique=False)
    op.create_table(
        "report_categories",
        sa.Column("code", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_code", sa.Text(collation="C"), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_code"],
            ["report_categories.code"],
            name=op.f("report_categories_parent_code_fkey"),
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("report_categories_pkey")),
    )
    op.create_index(
        op.f("report_categories_parent_code_idx"),
        "report_categories",
        ["parent_code"],
        unique=False,
    )
    op.create_table(
        "report_rules",
        sa.Column("region_code", sa.Text(collation="C"), nullable=False),
        sa.Column("default_sponsor_code", sa.Text(collation="C"), nullable=True),
        sa.Column("is_rated", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["default_sponsor_code"],
            ["sponsors.code"],
            name=op.f("report_rules_default_sponsor_code_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["region_code"], ["regions.code"], name=op.f("report_rules_region_code_fkey")
        ),
        sa.PrimaryKeyConstraint("region_code", name=op.f("report_rules_pkey")),
    )
    op.create_geospatial_table(
        "reports",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("serial", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("category_code", sa.Text(collation="C"), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
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
        sa.Column("source_datum", sa.Text(), nullable=False),
        sa.Column("source_longitude", sa.Double(), nullable=False),
        sa.Column("source_latitude", sa.Double(), nullable=False),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("region_code", sa.Text(collation="C"), nullable=False),
        sa.Column("grid_code", sa.Text(collation="C"), nullable=True),
        sa.Column("building_code", sa.Text(collation="C"), nullable=True),
        sa.Column("sponsor_code", sa.Text(collation="C"), nullable=True),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("handler_kind", sa.Text(), nullable=True),
        sa.Column("handler_code", sa.Text(collation="C"), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("step_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rating", sa.SmallInteger(), nullable=True),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column("submission", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (state NOT IN ('REJECTED', 'MERGED', 'CLOSED', 'RATED'))",
            name=op.f("reports_ended_at_check"),
        ),
        sa.CheckConstraint(
            "(merged_into IS NULL) = (state <> 'MERGED')", name=op.f("reports_merged_into_check")
        ),
        sa.CheckConstraint(
            "handler_kind IN ('SPONSOR', 'GRID_WORKER', 'BUILDING_MEMBER', 'REGION')",
            name=op.f("reports_handler_kind_check"),
        ),
        sa.CheckConstraint(
            "level IN ('BUILDING', 'GRID', 'COMMUNITY', 'STREET', 'DISTRICT')",
            name=op.f("reports_level_check"),
        ),
        sa.CheckConstraint(
            "source IN ('PHONE', 'CHAT_GROUP', 'HOTLINE_12345', 'WALK')",
            name=op.f("reports_source_check"),
        ),
        sa.CheckConstraint(
            STATE,
            name=op.f("reports_state_check"),
        ),
        sa.CheckConstraint(
            "urgency IN ('ROUTINE', 'URGENT', 'EMERGENCY')", name=op.f("reports_urgency_check")
        ),
        sa.CheckConstraint(
            "num_nonnulls(handler_kind, handler_code) IN (0, 2)", name=op.f("reports_handler_check")
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("reports_rating_check")),
        sa.ForeignKeyConstraint(
            ["category_code"], ["report_categories.code"], name=op.f("reports_category_code_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["district_code", "merged_into"],
            ["reports.district_code", "reports.id"],
            name="reports_merged_into_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["region_code"], ["regions.code"], name=op.f("reports_region_code_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["sponsor_code"], ["sponsors.code"], name=op.f("reports_sponsor_code_fkey")
        ),
        sa.PrimaryKeyConstraint("district_code", "id", name=op.f("reports_pkey")),
    )
    op.create_index(
        "reports_category_idx", "reports", ["category_code", "received_at", "id"], unique=False
    )
    op.create_index("reports_due_idx", "reports", ["due_at"], unique=False)
    op.create_index("reports_grid_idx", "reports", ["grid_code", "received_at", "id"], unique=False)
    op.create_index("reports_id_idx", "reports", ["id"], unique=False)
    op.create_index("reports_serial_idx", "reports", ["serial"], unique=False)
    op.create_geospatial_index(
        "reports_location_idx",
        "reports",
        ["location"],
        unique=False,
        postgresql_using="gist",
        postgresql_ops={},
    )
    op.create_index(
        "reports_merged_into_idx",
        "reports",
        ["district_code", "merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_index(
        "reports_open_idx",
        "reports",
        ["received_at", "id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_geospatial_index(
        "reports_open_location_idx",
        "reports",
        ["location"],
        unique=False,
        postgresql_using="gist",
        postgresql_where=sa.text("ended_at IS NULL"),
        postgresql_ops={},
    )
    op.create_index("reports_received_idx", "reports", ["received_at", "id"], unique=False)
    op.create_index(
        "reports_region_idx", "reports", ["region_code", "received_at", "id"], unique=False
    )
    op.create_index(
        "reports_sponsor_idx", "reports", ["sponsor_code", "received_at", "id"], unique=False
    )
    op.create_index(
        "reports_words_idx",
        "reports",
        [sa.literal_column("gridmap_words(description)")],
        unique=False,
        postgresql_using="gin",
    )
    op.create_table(
        "report_events",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_role", sa.Text(), nullable=False),
        sa.Column("actor_subject", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "transaction", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.CheckConstraint(
            STATE,
            name=op.f("report_events_state_check"),
        ),
        sa.ForeignKeyConstraint(
            ["district_code", "report_id"],
            ["reports.district_code", "reports.id"],
            name=op.f("report_events_district_code_report_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "district_code", "report_id", "version", name=op.f("report_events_pkey")
        ),
    )
    op.create_index("report_events_transaction_idx", "report_events", ["transaction"], unique=False)
    op.create_table(
        "reporters",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column(
            "codes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["district_code", "report_id"],
            ["reports.district_code", "reports.id"],
            name=op.f("reporters_district_code_report_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("district_code", "report_id", name=op.f("reporters_pkey")),
    )
    op.create_table(
        "report_photos",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("photo_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["district_code", "report_id", "version"],
            ["report_events.district_code", "report_events.report_id", "report_events.version"],
            name=op.f("report_photos_district_code_report_id_version_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["photo_id"], ["photos.id"], name=op.f("report_photos_photo_id_fkey")
        ),
        sa.PrimaryKeyConstraint(
            "district_code", "report_id", "version", "place", name=op.f("report_photos_pkey")
        ),
    )
    op.create_index(op.f("report_photos_photo_id_idx"), "report_photos", ["photo_id"], unique=False)
    # Each report needs its event and each event its report, so that one of the two comes later.
    op.create_foreign_key(
        "reports_event_fkey",
        "reports",
        "report_events",
        ["district_code", "id", "version"],
        ["district_code", "report_id", "version"],
        initially="DEFERRED",
        deferrable=True,
    )
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(
        f"""
        CREATE FUNCTION report_events_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP <> 'TRUNCATE' OR EXISTS (SELECT FROM {schema}.report_events) THEN
                RAISE restrict_violation
                USING MESSAGE = 'Events of reports are never changed or deleted.';
            END IF;
            RETURN NULL;
        END
        $$
        """
    )
    for table in ("report_events", "report_photos"):
        op.execute(
            f"""
            CREATE TRIGGER {table}_are_final_by_row BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION report_events_are_final()
            """
        )
        op.execute(
            f"""
            CREATE TRIGGER {table}_are_final BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION report_events_are_final()
            """
        )
    op.execute(
        f"""
        CREATE FUNCTION report_rules_announce() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM {schema}.gridmap_announce('report_rules', '', NULL);
            RETURN NULL;
        END
        $$
        """
    )
    for table in RULES:
        op.execute(
            f"""
            CREATE TRIGGER {table}_announce AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION report_rules_announce()
            """
        )
    categories = sa.table(
        "report_categories", sa.column("code"), sa.column("name"), sa.column("parent_code")
    )
    op.bulk_insert(
        categories,
        [{"code": code, "name": name, "parent_code": None} for code, name, _ in CATEGORIES],
    )
    op.bulk_insert(
        categories,
        [
            {"code": f"{parent}{place:02}", "name": name, "parent_code": parent}
            for parent, _, names in CATEGORIES
            for place, name in enumerate(names.split(), start=1)
        ],
    )
    op.bulk_insert(
        sa.table("deadlines", *map(sa.column, DEADLINE)),
        [dict(zip(DEADLINE, deadline, strict=True)) for deadline in DEADLINES],
    )


def downgrade() -> None:
    op.drop_constraint("reports_event_fkey", "reports", type_="foreignkey")
    op.drop_index(op.f("report_photos_photo_id_idx"), table_name="report_photos")
    op.drop_table("report_photos")
    op.drop_table("reporters")
    op.drop_index("report_events_transaction_idx", table_name="report_events")
    op.drop_table("report_events")
    op.drop_index("reports_words_idx", table_name="reports", postgresql_using="gin")
    op.drop_index("reports_sponsor_idx", table_name="reports")
    op.drop_index("reports_region_idx", table_name="reports")
    op.drop_index("reports_received_idx", table_name="reports")
    op.drop_geospatial_index(
        "reports_open_location_idx",
        table_name="reports",
        postgresql_using="gist",
        postgresql_where=sa.text("ended_at IS NULL"),
        column_name="location",
    )
    op.drop_index(
        "reports_open_idx", table_name="reports", postgresql_where=sa.text("ended_at IS NULL")
    )
    op.drop_index(
        "reports_merged_into_idx",
        table_name="reports",
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.drop_geospatial_index(
        "reports_location_idx",
        table_name="reports",
        postgresql_using="gist",
        column_name="location",
    )
    op.drop_index("reports_serial_idx", table_name="reports")
    op.drop_index("reports_id_idx", table_name="reports")
    op.drop_index("reports_grid_idx", table_name="reports")
    op.drop_index("reports_due_idx", table_name="reports")
    op.drop_index("reports_category_idx", table_name="reports")
    op.drop_geospatial_table("reports")
    op.drop_table("report_rules")
    op.drop_index(op.f("report_categories_parent_code_idx"), table_name="report_categories")
    op.drop_table("report_categories")
    op.drop_index(op.f("photos_uploaded_at_idx"), table_name="photos")
    op.drop_table("photos")
    op.drop_table("deadlines")
    op.execute("DROP FUNCTION report_rules_announce()")
    op.execute("DROP FUNCTION report_events_are_final()")
    op.execute("DROP FUNCTION gridmap_words(text)")
