"""Until when appointments were compared with the events that were handled."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "comparison",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("compared_until", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("comparison")
