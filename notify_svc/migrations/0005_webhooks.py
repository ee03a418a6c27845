"""Webhooks, their deliveries, and the sequences of events."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, RowNumber, UtcDateTime, binary_string

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", Id, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("status", binary_string(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("failing_since", UtcDateTime),
        sa.Column("last_failed_at", UtcDateTime),
        sa.Column("previous_secret", sa.Text),
        sa.Column("previous_secret_until", UtcDateTime),
        sa.Column("rotation_id", Id),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("seq", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("id", Id, nullable=False, unique=True),
        sa.Column("webhook_id", Id, nullable=False),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("event_type", binary_string(64), nullable=False),
        sa.Column("stream_id", Id, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("queued_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("status", binary_string(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("waits_for_earlier", sa.Boolean, nullable=False),
        sa.Column("holder", binary_string(64)),
        sa.Column("taken_at", UtcDateTime),
        sa.Column("last_attempt_at", UtcDateTime),
        sa.Column("response_status", sa.Integer),
        sa.Column("response_text", sa.Text),
        sa.Column("problem", binary_string(64)),
    )
    op.create_index("webhook_deliveries_due", "webhook_deliveries", ["status", "webhook_id", "due_at", "seq"])
    op.create_index("webhook_deliveries_in_order", "webhook_deliveries", ["webhook_id", "stream_id", "status", "sequence"])
    op.create_index("webhook_deliveries_of_stream", "webhook_deliveries", ["stream_id", "waits_for_earlier"])
    op.create_index("webhook_deliveries_of_webhook", "webhook_deliveries", ["webhook_id", "seq"])
    op.create_index("webhook_deliveries_by_age", "webhook_deliveries", ["status", "created_at"])
    op.create_table(
        "event_sequences",
        sa.Column("appointment_id", Id, primary_key=True),
        sa.Column("complete_until", sa.Integer, nullable=False),
        sa.Column("ahead", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    for name in ("webhooks", "webhook_deliveries", "event_sequences"):
        op.drop_table(name)
