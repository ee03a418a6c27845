"""Visits and digests are deleted some time after their end: the indexes by which they are found."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("visits_by_end", "visits", ["ends_at", "appointment_id"])
    op.create_index("digests_by_date", "digests", ["date"])


def downgrade() -> None:
    op.drop_index("digests_by_date", "digests")
    op.drop_index("visits_by_end", "visits")
