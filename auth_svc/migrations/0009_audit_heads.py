"""The heads of the audit trail that were signed, one of each day."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import UtcDateTime, binary_string

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "signed_audit_heads",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("line_count", sa.BigInteger, nullable=False),
        sa.Column("hash", binary_string(64), nullable=False),
        sa.Column("previous_hash", binary_string(64), nullable=False),
        sa.Column("key_id", binary_string(64), nullable=False),
        sa.Column("signature", sa.Text, nullable=False),
        sa.Column("signed_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("signed_audit_heads")
