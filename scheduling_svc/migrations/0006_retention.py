"""Leaves and closures are deleted some years after their end: the indexes by which they are found."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("leaves_by_end", "leaves", ["ends_at", "id"])
    op.create_index("closures_by_end", "closures", ["ends_at", "id"])


def downgrade() -> None:
    op.drop_index("closures_by_end", "closures")
    op.drop_index("leaves_by_end", "leaves")
