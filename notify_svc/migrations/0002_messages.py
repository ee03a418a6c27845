"""The log of attempts of a message."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("messages", sa.Column("attempt_log", sa.JSON))
    op.execute("UPDATE messages SET attempt_log = '[]'")
    with op.batch_alter_table("messages") as table:
        table.alter_column("attempt_log", existing_type=sa.JSON, nullable=False)


def downgrade() -> None:
    op.drop_column("messages", "attempt_log")
