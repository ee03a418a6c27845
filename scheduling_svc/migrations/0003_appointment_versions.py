"""The version of the appointment that a claim knows of, and an index for the claims that are not over."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("claims", sa.Column("appointment_version", sa.Integer, nullable=False, server_default="0"))
    op.create_index("claims_by_end", "claims", ["kind", "live", "visit_to", "id"])


def downgrade() -> None:
    op.drop_index("claims_by_end", "claims")
    op.drop_column("claims", "appointment_version")
