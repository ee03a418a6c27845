"""The table of users whose creation is not finished has plainer names; its rows stay."""

from alembic import op

revision = "0002"
down_revision = "0001"

RENAMED_COLUMNS = {"wish": "fields", "asked_at": "requested_at", "tried_at": "last_tried_at"}


def upgrade() -> None:
    op.drop_index("ix_new_users_tried_at", "new_users")
    op.rename_table("new_users", "pending_users")
    for old, new in RENAMED_COLUMNS.items():
        op.execute(f"ALTER TABLE pending_users RENAME COLUMN {old} TO {new}")
    op.create_index("ix_pending_users_last_tried_at", "pending_users", ["last_tried_at"])


def downgrade() -> None:
    op.drop_index("ix_pending_users_last_tried_at", "pending_users")
    for old, new in RENAMED_COLUMNS.items():
        op.execute(f"ALTER TABLE pending_users RENAME COLUMN {new} TO {old}")
    op.rename_table("pending_users", "new_users")
    op.create_index("ix_new_users_tried_at", "new_users", ["tried_at"])
