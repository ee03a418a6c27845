"""Patients without a time zone of their own have none stored, and so that of the clinic. Before, `UTC` was stored for them."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import binary_string

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("patients") as batch:
        batch.alter_column("time_zone", existing_type=binary_string(64), existing_nullable=False, nullable=True)
    op.execute(sa.text("UPDATE patients SET time_zone = NULL WHERE time_zone = 'UTC'"))


def downgrade() -> None:
    op.execute(sa.text("UPDATE patients SET time_zone = 'UTC' WHERE time_zone IS NULL"))
    with op.batch_alter_table("patients") as batch:
        batch.alter_column("time_zone", existing_type=binary_string(64), existing_nullable=True, nullable=False)
