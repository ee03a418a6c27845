"""Pending users have the time of the next try instead of that of the last one."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.drop_index("ix_pending_users_last_tried_at", "pending_users")
    op.execute("ALTER TABLE pending_users RENAME COLUMN last_tried_at TO retry_at")
    op.create_index("ix_pending_users_retry_at", "pending_users", ["retry_at"])


def downgrade() -> None:
    op.drop_index("ix_pending_users_retry_at", "pending_users")
    op.execute("ALTER TABLE pending_users RENAME COLUMN retry_at TO last_tried_at")
    op.create_index("ix_pending_users_last_tried_at", "pending_users", ["last_tried_at"])
