"""An appointment with any doctor has no doctor until the calendar has chosen one."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("appointments") as table:
        table.alter_column("doctor_id", existing_type=sa.String(36), nullable=True)


def downgrade() -> None:
    op.execute("UPDATE appointments SET doctor_id = '' WHERE doctor_id IS NULL")
    with op.batch_alter_table("appointments") as table:
        table.alter_column("doctor_id", existing_type=sa.String(36), nullable=False)
