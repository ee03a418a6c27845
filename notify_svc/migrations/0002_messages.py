"""The log of attempts of a message, messages that are sent again, and the indexes of the lists of messages."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime

revision = "0002"
down_revision = "0001"

RESEND_COLUMNS = ("resent_from", "resend_id", "resent_by", "resent_at", "attempts_before_resend")
LIST_INDEXES = {
    "messages_created": ["created_at", "seq"],
    "messages_by_status": ["status", "created_at", "seq"],
    "messages_by_kind": ["kind", "created_at", "seq"],
    "messages_by_recipient": ["recipient_id", "created_at", "seq"],
}


def upgrade() -> None:
    op.add_column("messages", sa.Column("attempt_log", sa.JSON))
    op.execute("UPDATE messages SET attempt_log = '[]'")
    with op.batch_alter_table("messages") as table:
        table.alter_column("attempt_log", existing_type=sa.JSON, nullable=False)
    for name in ("resent_from", "resend_id", "resent_by"):
        op.add_column("messages", sa.Column(name, Id))
    op.add_column("messages", sa.Column("resent_at", UtcDateTime))
    op.add_column("messages", sa.Column("attempts_before_resend", sa.Integer, nullable=False, server_default="0"))
    for name, columns in LIST_INDEXES.items():
        op.create_index(name, "messages", columns)


def downgrade() -> None:
    for name in LIST_INDEXES:
        op.drop_index(name, "messages")
    for name in RESEND_COLUMNS:
        op.drop_column("messages", name)
    op.drop_column("messages", "attempt_log")
