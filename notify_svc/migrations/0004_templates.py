"""Templates that an admin has overridden."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import binary_string

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "template_overrides",
        sa.Column("kind", binary_string(40), primary_key=True),
        sa.Column("locale", binary_string(35), primary_key=True),
        sa.Column("subject", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("changes", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("template_overrides")
