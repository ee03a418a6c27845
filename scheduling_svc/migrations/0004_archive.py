"""Claims whose time is over are archived: their grains are deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("claims", sa.Column("archived", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("claims_to_archive", "claims", ["archived", "live", "visit_to", "id"])


def downgrade() -> None:
    """The grains of archived claims stay deleted; their time is over."""
    op.drop_index("claims_to_archive", "claims")
    op.drop_column("claims", "archived")
