"""The clinic's settings, with every change of them."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, MediumText, UtcDateTime

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "clinic_settings",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", Id, nullable=False, unique=True),
        sa.Column("settings", MediumText, nullable=False),
        sa.Column("changes", MediumText, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("changed_by", Id, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("clinic_settings")
