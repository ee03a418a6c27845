"""When the job tries to complete a pending doctor next."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("doctors", sa.Column("retry_at", UtcDateTime))
    op.execute("UPDATE doctors SET retry_at = created_at")
    with op.batch_alter_table("doctors") as table:
        table.alter_column("retry_at", existing_type=UtcDateTime, nullable=False)
    op.drop_index("doctors_pending", "doctors")
    op.create_index("doctors_pending", "doctors", ["pending", "retry_at"])


def downgrade() -> None:
    op.drop_index("doctors_pending", "doctors")
    op.create_index("doctors_pending", "doctors", ["pending", "created_at"])
    op.drop_column("doctors", "retry_at")
