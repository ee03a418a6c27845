"""Deleted API clients are kept, so that a repeated registration does not bring one back."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import UtcDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("api_clients", sa.Column("deleted_at", UtcDateTime))


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM api_clients WHERE deleted_at IS NOT NULL"))
    with op.batch_alter_table("api_clients") as batch:
        batch.drop_column("deleted_at")
