"""The first schema of notification-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, RowNumber, UtcDateTime, binary_string, create_infrastructure_tables, drop_infrastructure_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_infrastructure_tables()
    op.create_table(
        "appointments_known",
        sa.Column("appointment_id", Id, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("seq", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("id", Id, nullable=False, unique=True),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("kind", binary_string(32), nullable=False),
        sa.Column("reader", binary_string(16), nullable=False),
        sa.Column("recipient_id", Id, nullable=False),
        sa.Column("subject_id", Id, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("status", binary_string(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("holder", binary_string(64)),
        sa.Column("taken_at", UtcDateTime),
        sa.Column("handed_over", sa.Boolean, nullable=False),
        sa.Column("sent_at", UtcDateTime),
        sa.Column("problem", binary_string(500)),
    )
    op.create_index("messages_due", "messages", ["status", "due_at", "seq"])
    op.create_index("messages_about", "messages", ["subject_id", "recipient_id", "version"])


def downgrade() -> None:
    for name in ("appointments_known", "messages"):
        op.drop_table(name)
    drop_infrastructure_tables()
