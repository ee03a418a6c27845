"""When patients are reminded of visits of a service type, and the language that was chosen for the account of a doctor."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import binary_string

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("services", sa.Column("reminder_offsets_minutes", sa.JSON))
    op.add_column("doctors", sa.Column("locale", binary_string(35)))


def downgrade() -> None:
    op.drop_column("services", "reminder_offsets_minutes")
    op.drop_column("doctors", "locale")
