"""Who has an account, time zones of visits, when they were stored, and rebuilds of the booking history."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0009"
down_revision = "0008"
FIRST_REBUILD = {
    "id": UUID(int=9),
    "requested_at": datetime(2026, 11, 29, tzinfo=UTC),
    "phase": "reading",
    "read_count": 0,
    "removed_count": 0,
    "steps": 0,
}  # gives the visits that were stored before their times and zones, as soon as the service runs


def upgrade() -> None:
    op.add_column("patients", sa.Column("has_account", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(sa.text("UPDATE patients SET has_account = (account_version > 0)"))
    op.add_column("visits", sa.Column("time_zone", binary_string(64)))
    op.add_column("visits", sa.Column("stored_at", UtcDateTime))
    rebuilds = op.create_table(
        "history_rebuilds",
        sa.Column("id", Id, primary_key=True),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime),
        sa.Column("phase", binary_string(16), nullable=False),
        sa.Column("cursor", binary_string(200)),
        sa.Column("read_count", sa.Integer, nullable=False),
        sa.Column("removed_count", sa.Integer, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("steps", sa.Integer, nullable=False),
    )
    op.create_index("history_rebuilds_by_state", "history_rebuilds", ["finished_at", "requested_at", "id"])
    if op.get_bind().scalar(sa.text("SELECT COUNT(*) FROM visits")):
        op.bulk_insert(rebuilds, [FIRST_REBUILD])


def downgrade() -> None:
    op.drop_table("history_rebuilds")
    op.drop_column("visits", "stored_at")
    op.drop_column("visits", "time_zone")
    op.drop_column("patients", "has_account")
