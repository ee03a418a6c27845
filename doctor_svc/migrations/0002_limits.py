"""Capacity and caps of service types."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("services", sa.Column("capacity", sa.Integer, nullable=False, server_default="1"))
    op.add_column("services", sa.Column("daily_cap", sa.Integer))
    op.add_column("services", sa.Column("weekly_cap", sa.Integer))


def downgrade() -> None:
    for column in ("capacity", "daily_cap", "weekly_cap"):
        op.drop_column("services", column)
