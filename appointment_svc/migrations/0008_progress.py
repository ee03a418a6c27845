"""How far jobs have come that go through appointments over many runs, and an index for the patients who were merged into one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "job_progress",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("progress", sa.JSON, nullable=False),
    )
    op.create_index("merged_patients_by_target", "merged_patients", ["into_id", "id"])


def downgrade() -> None:
    op.drop_index("merged_patients_by_target", "merged_patients")
    op.drop_table("job_progress")
