"""The first schema of admin-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, MediumText, UtcDateTime, create_infrastructure_tables, drop_infrastructure_tables

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
    op.drop_table("new_users")
    drop_infrastructure_tables()
