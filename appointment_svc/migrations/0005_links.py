"""The hashes of links in mails, and an index for what has changed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "visit_links",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("appointment_id", sa.String(36), nullable=False, index=True),
    )
    op.create_index("by_change", "appointments", ["changed_us", "id"])


def downgrade() -> None:
    op.drop_index("by_change", "appointments")
    op.drop_table("visit_links")
