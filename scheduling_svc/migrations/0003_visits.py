"""What a claim knows of its appointment, an index for the claims that are not over, and the last content of a calendar subscription."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import UtcDateTime, binary_string

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("claims", sa.Column("appointment_version", sa.Integer, nullable=False, server_default="0"))
    op.add_column("claims", sa.Column("requested", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("feeds", sa.Column("content_tag", binary_string(32)))
    op.add_column("feeds", sa.Column("changed_at", UtcDateTime))
    op.create_index("claims_by_end", "claims", ["kind", "live", "visit_to", "id"])


def downgrade() -> None:
    op.drop_index("claims_by_end", "claims")
    op.drop_column("feeds", "changed_at")
    op.drop_column("feeds", "content_tag")
    op.drop_column("claims", "requested")
    op.drop_column("claims", "appointment_version")
