"""Patients who were merged into others, so that their visits and messages can follow."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "merged_patients",
        sa.Column("patient_id", Id, primary_key=True),
        sa.Column("into_id", Id, nullable=False),
        sa.Column("merged_at", UtcDateTime, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
    )
    op.create_index("merged_patients_by_age", "merged_patients", ["recorded_at"])


def downgrade() -> None:
    op.drop_table("merged_patients")
