"""The audit trail: who read or changed what of which person."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "audit_lines",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("actor_id", Id, nullable=False),
        sa.Column("actor_role", binary_string(16), nullable=False),
        sa.Column("action", binary_string(48), nullable=False),
        sa.Column("subject_id", Id, nullable=False),
        sa.Column("relation", binary_string(24)),
        sa.Column("outcome", binary_string(16), nullable=False),
        sa.Column("row_id", Id),
        sa.Column("request_id", binary_string(128)),
        sa.Column("source", binary_string(32), nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
    )
    op.create_index("audit_lines_by_time", "audit_lines", ["at", "id"])
    op.create_index("audit_lines_by_actor", "audit_lines", ["actor_id", "at", "id"])
    op.create_index("audit_lines_by_actor_and_action", "audit_lines", ["actor_id", "action", "at", "id"])
    op.create_index("audit_lines_by_action", "audit_lines", ["action", "at", "id"])
    op.create_index("audit_lines_by_subject", "audit_lines", ["subject_id", "at", "id"])


def downgrade() -> None:
    op.drop_table("audit_lines")
