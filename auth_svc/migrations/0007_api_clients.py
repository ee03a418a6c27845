"""API clients."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "api_clients",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", binary_string(200), nullable=False),
        sa.Column("secret_hash", binary_string(64), nullable=False),
        sa.Column("scopes", binary_string(500), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("expires_at", UtcDateTime),
    )
    op.create_index("api_clients_by_creation", "api_clients", ["created_at", "id"])


def downgrade() -> None:
    op.drop_table("api_clients")
