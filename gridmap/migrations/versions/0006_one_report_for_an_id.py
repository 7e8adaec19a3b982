"""No two reports with one id, not even in two districts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Citus takes no unique index that leaves out the column by which the table is distributed.
    if op.get_bind().scalar(sa.text("SELECT TRUE FROM pg_extension WHERE extname = 'citus'")):
        return
    op.drop_index("reports_id_idx", table_name="reports")
    op.create_index("reports_id_idx", "reports", ["id"], unique=True)


def downgrade() -> None:
    op.drop_index("reports_id_idx", table_name="reports")
    op.create_index("reports_id_idx", "reports", ["id"], unique=False)
