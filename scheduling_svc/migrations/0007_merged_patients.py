"""Patients who were merged into another one, so that the calendar knows them before appointment-service has followed."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v2 import Id, UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "merged_patients",
        sa.Column("id", Id, primary_key=True),
        sa.Column("into_id", Id, nullable=False),
        sa.Column("stored_at", UtcDateTime, nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("merged_patients")
