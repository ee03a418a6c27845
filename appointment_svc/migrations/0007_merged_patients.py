"""Patients who were merged into others, so that their appointments can follow."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "merged_patients",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("into_id", sa.String(36), nullable=False),
        sa.Column("stored_us", sa.BigInteger, nullable=False),
        sa.Column("followed", sa.Boolean, nullable=False, index=True),
    )


def downgrade() -> None:
    op.drop_table("merged_patients")
