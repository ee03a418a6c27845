"""Claims have the rule of the calendar that staff lifted for them."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import binary_string

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("claims", sa.Column("override_code", binary_string(16)))


def downgrade() -> None:
    op.drop_column("claims", "override_code")
