"""The first schema of auth-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string, create_infrastructure_tables, drop_infrastructure_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_infrastructure_tables()
    op.create_table(
        "accounts",
        sa.Column("id", Id, primary_key=True),
        sa.Column("email", binary_string(254), nullable=False, unique=True),
        sa.Column("full_name", binary_string(200), nullable=False),
        sa.Column("role", binary_string(16), nullable=False),
        sa.Column("status", binary_string(16), nullable=False),
        sa.Column("locale", binary_string(35), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("password_hash", binary_string(200)),
        sa.Column("phone", binary_string(32)),
        sa.Column("time_zone", binary_string(64), nullable=False),
        sa.Column("name_version", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("accounts_by_status", "accounts", ["status", "created_at"])
    op.create_index("accounts_by_role", "accounts", ["role", "status"])
    op.create_table(
        "sessions",
        sa.Column("id", Id, primary_key=True),
        sa.Column("account_id", Id, nullable=False, index=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
        sa.Column("ended_at", UtcDateTime, index=True),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", binary_string(64), primary_key=True),
        sa.Column("session_id", Id, nullable=False, index=True),
        sa.Column("used", sa.Boolean, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    )
    op.create_table(
        "resets",
        sa.Column("id", Id, primary_key=True),
        sa.Column("account_id", Id, nullable=False, index=True),
        sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
    )
    op.create_table(
        "signing_keys",
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kid", binary_string(64), nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for name in ("accounts", "sessions", "refresh_tokens", "resets", "signing_keys"):
        op.drop_table(name)
    drop_infrastructure_tables()
