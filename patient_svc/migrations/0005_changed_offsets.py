"""When patients changed the offsets of their reminders."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("patients", sa.Column("offsets_changed_at", UtcDateTime))


def downgrade() -> None:
    op.drop_column("patients", "offsets_changed_at")
