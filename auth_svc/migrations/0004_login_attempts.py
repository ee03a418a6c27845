"""Counters of failed logins, the address of a session, and numbers of ended sessions in the order of their commits."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import UtcDateTime, binary_string

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("address", binary_string(64)))
    op.add_column("sessions", sa.Column("end_number", sa.BigInteger))
    op.create_index("sessions_by_end_number", "sessions", ["end_number", "ended_at"])
    numbers = op.create_table(
        "session_end_numbers",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_number", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(numbers, [{"id": 1, "last_number": 0}])
    op.create_table(
        "login_attempts",
        sa.Column("digest", binary_string(64), primary_key=True),
        sa.Column("account", binary_string(64), index=True),
        sa.Column("failed_at", sa.Text, nullable=False),
        sa.Column("pending_at", sa.Text, nullable=False),
        sa.Column("delays", sa.Integer, nullable=False),
        sa.Column("delayed_until", UtcDateTime),
        sa.Column("is_announced", sa.Boolean, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    )


def downgrade() -> None:
    op.drop_table("login_attempts")
    op.drop_table("session_end_numbers")
    op.drop_index("sessions_by_end_number", "sessions")
    op.drop_column("sessions", "end_number")
    op.drop_column("sessions", "address")
