"""The first schema of admin-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations import create_infrastructure_tables, drop_tables
from shared.kit.sql import Id, MediumText, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_infrastructure_tables()
    op.create_table(
        "new_users",
        sa.Column("id", Id, primary_key=True),
        sa.Column("wish", MediumText, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("tried_at", UtcDateTime, nullable=False, index=True),
    )


def downgrade() -> None:
    drop_tables("new_users")
