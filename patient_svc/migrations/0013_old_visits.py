"""The index by which old visits are found."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_index("visits_by_end", "visits", ["ends_at", "appointment_id"])


def downgrade() -> None:
    op.drop_index("visits_by_end", "visits")
