"""How far jobs have come that go through appointments over many runs."""

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


def downgrade() -> None:
    op.drop_table("job_progress")
