"""Merged patients."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("patients", sa.Column("merged_into", Id))
    op.create_index("patients_by_successor", "patients", ["merged_into", "id"])
    op.create_table(
        "merges",
        sa.Column("patient_id", Id, primary_key=True),
        sa.Column("into_id", Id, nullable=False),
        sa.Column("merged_at", UtcDateTime, nullable=False),
        sa.Column("moved", sa.JSON, nullable=False),
        sa.Column("filled", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("merges")
    op.drop_index("patients_by_successor", "patients")
    op.drop_column("patients", "merged_into")
