"""What appointments show of a doctor, so that they can follow a change."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "doctors",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("snapshot", sa.JSON, nullable=False),
        sa.Column("stored_us", sa.BigInteger, nullable=False),
        sa.Column("followed", sa.Boolean, nullable=False, index=True),
    )


def downgrade() -> None:
    op.drop_table("doctors")
