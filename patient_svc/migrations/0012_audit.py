"""The index by which old lines of the log of accesses are found."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_index("accesses_by_time", "accesses", ["at", "id"])


def downgrade() -> None:
    op.drop_index("accesses_by_time", "accesses")
