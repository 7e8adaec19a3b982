"""The audit log, and what lets retention take personal data out of what is final otherwise."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import UserDefinedType

from gridmap.migrations.row_security import AUDITED, AUDITOR, kept, protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


class Xid8(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


TABLES = ("audit_entries", "audit_seals")

# What retention may write, in a transaction that says so: of which columns, or whether it deletes.
RETAINED = {
    "report_events": ("Events of reports", ("note", "details", "actor_subject", "transaction")),
    "visits": ("Visits", ("note",)),
}


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("district_code", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.func.clock_timestamp(),
            nullable=False,
        ),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("ids", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "details",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "transaction", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("district_code", "id", name=op.f("audit_entries_pkey")),
    )
    op.create_index("audit_entries_at_idx", "audit_entries", ["at", "id"])
    op.create_index("audit_entries_transaction_idx", "audit_entries", ["transaction"])
    op.create_table(
        "audit_seals",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.Text(), nullable=False),
        sa.Column("district_codes", postgresql.ARRAY(sa.Text(collation="C")), nullable=False),
        sa.Column("entry_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("audit_seals_pkey")),
    )
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    may_go = "AND OLD.at < now() - interval '180 days'"
    for table, more in zip(TABLES, (may_go, "AND FALSE"), strict=True):
        op.execute(
            f"""
            CREATE FUNCTION {table}_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'DELETE' AND current_setting('gridmap.retention', TRUE) = 'on' {more}
                THEN
                    RETURN OLD;
                END IF;
                IF TG_OP <> 'TRUNCATE' OR EXISTS (SELECT FROM {schema}.{table}) THEN
                    RAISE restrict_violation
                    USING MESSAGE = 'The audit log is never changed or shortened.';
                END IF;
                RETURN NULL;
            END
            $$
            """
        )
        op.execute(
            f"""
            CREATE TRIGGER {table}_are_final_by_row BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_are_final()
            """
        )
        op.execute(
            f"""
            CREATE TRIGGER {table}_are_final BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION {table}_are_final()
            """
        )
    op.add_column("reports", sa.Column("anonymised_at", sa.DateTime(timezone=True)))
    op.create_index(
        "reports_kept_idx",
        "reports",
        ["ended_at"],
        postgresql_where=sa.text(
            "ended_at IS NOT NULL AND (anonymised_at IS NULL OR anonymised_at < ended_at)"
        ),
    )
    op.add_column("users", sa.Column("disabled_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE users SET disabled_at = now() WHERE is_disabled")
    for table, (what, columns) in RETAINED.items():
        others = f"'{{{','.join(columns)}}}'::text[]"
        op.execute(
            f"""
            CREATE OR REPLACE FUNCTION {table}_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP = 'UPDATE' AND current_setting('gridmap.retention', TRUE) = 'on'
                    AND to_jsonb(NEW) - {others} = to_jsonb(OLD) - {others}
                THEN
                    RETURN NEW;
                END IF;
                IF TG_OP <> 'TRUNCATE' OR EXISTS (SELECT FROM {schema}.{table}) THEN
                    RAISE restrict_violation
                    USING MESSAGE = '{what} are never changed or deleted.';
                END IF;
                RETURN NULL;
            END
            $$
            """
        )
    op.execute(
        f"""
        CREATE FUNCTION report_photos_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND current_setting('gridmap.retention', TRUE) = 'on' THEN
                RETURN OLD;
            END IF;
            IF TG_OP <> 'TRUNCATE' OR EXISTS (SELECT FROM {schema}.report_photos) THEN
                RAISE restrict_violation
                USING MESSAGE = 'Photos of reports are never changed or deleted.';
            END IF;
            RETURN NULL;
        END
        $$
        """
    )
    _have_photos_final_by("report_photos_are_final")
    # Whoever has seen a photo knows its id: sent in anew with that, it would be theirs for ever.
    op.execute(
        f"""
        CREATE FUNCTION report_photos_are_of_one() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (
                SELECT
                FROM {schema}.report_photos AS taken
                WHERE taken.photo_id = NEW.photo_id
                    AND (taken.district_code, taken.report_id)
                        <> (NEW.district_code, NEW.report_id)
            ) THEN
                RAISE foreign_key_violation
                USING MESSAGE = 'A photo is of one report: report_photos has it of another.';
            END IF;
            RETURN NEW;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER report_photos_are_of_one BEFORE INSERT ON report_photos
        FOR EACH ROW EXECUTE FUNCTION report_photos_are_of_one()
        """
    )
    for table in TABLES:
        protect(op.get_bind(), table, kept("SELECT, INSERT"), AUDITED)
    op.execute(f"GRANT SELECT (disabled_at) ON users TO {AUDITOR}")


def downgrade() -> None:
    _have_photos_final_by("report_events_are_final")
    op.execute("DROP FUNCTION report_photos_are_final()")
    op.execute("DROP TRIGGER report_photos_are_of_one ON report_photos")
    op.execute("DROP FUNCTION report_photos_are_of_one()")
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for table, (what, _) in RETAINED.items():
        op.execute(
            f"""
            CREATE OR REPLACE FUNCTION {table}_are_final() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF TG_OP <> 'TRUNCATE' OR EXISTS (SELECT FROM {schema}.{table}) THEN
                    RAISE restrict_violation
                    USING MESSAGE = '{what} are never changed or deleted.';
                END IF;
                RETURN NULL;
            END
            $$
            """
        )
    op.drop_column("users", "disabled_at")
    op.drop_index("reports_kept_idx", table_name="reports")
    op.drop_column("reports", "anonymised_at")
    for table in reversed(TABLES):
        op.drop_table(table)
        op.execute(f"DROP FUNCTION {table}_are_final()")


def _have_photos_final_by(function: str) -> None:
    for name, when in (("by_row", "UPDATE OR DELETE"), ("", "TRUNCATE")):
        trigger = "report_photos_are_final" + (f"_{name}" if name else "")
        op.execute(f"DROP TRIGGER {trigger} ON report_photos")
        op.execute(
            f"""
            CREATE TRIGGER {trigger} BEFORE {when} ON report_photos
            FOR EACH {"ROW" if name else "STATEMENT"} EXECUTE FUNCTION {function}()
            """
        )
