"""Identifiers, contact and consent of patients, and the index of the search."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
