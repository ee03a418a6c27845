"""Changes of many appointments at once, with an outcome for each."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, MediumText, UtcDateTime, binary_string

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "bulk_changes",
        sa.Column("id", Id, primary_key=True),
        sa.Column("action", binary_string(16), nullable=False),
        sa.Column("reason", MediumText),
        sa.Column("text", MediumText),
        sa.Column("by_id", Id, nullable=False),
        sa.Column("by_role", binary_string(16), nullable=False),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("retry_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
    )
    op.create_index("bulk_changes_due", "bulk_changes", ["finished_at", "retry_at"])
    op.create_table(
        "bulk_items",
        sa.Column("change_id", Id, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("appointment_id", Id, nullable=False),
        sa.Column("target", MediumText, nullable=False),
        sa.Column("outcome", MediumText, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("bulk_items")
    op.drop_table("bulk_changes")
