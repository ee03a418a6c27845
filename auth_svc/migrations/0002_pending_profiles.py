"""Profiles that may not exist yet, with the time of the next try, and the last change of each account."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("last_change_id", Id))
    op.create_table(
        "pending_profiles",
        sa.Column("id", Id, primary_key=True),
        sa.Column("previous", sa.Text),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("retry_at", UtcDateTime, nullable=False, index=True),
    )
    op.execute(
        "INSERT INTO pending_profiles (id, requested_at, retry_at) SELECT id, created_at, created_at FROM accounts WHERE status = 'pending'"
    )


def downgrade() -> None:
    op.drop_table("pending_profiles")
    op.drop_column("accounts", "last_change_id")
