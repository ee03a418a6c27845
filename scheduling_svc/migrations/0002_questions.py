"""Holds, sessions of groups, leaves, closures and calendar subscriptions."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, MediumText, UtcDateTime, binary_string

revision = "0002"
down_revision = "0001"

NEW_COLUMNS = ("over", "begun", "session_id", "owner_id", "expires_at", "extended")


def upgrade() -> None:
    op.add_column("claims", sa.Column("over", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("claims", sa.Column("begun", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("claims", sa.Column("session_id", Id))
    op.add_column("claims", sa.Column("owner_id", Id))
    op.add_column("claims", sa.Column("expires_at", UtcDateTime))
    op.add_column("claims", sa.Column("extended", sa.Boolean))
    op.drop_index("claims_of_doctor", "claims")
    op.create_index("claims_by_doctor", "claims", ["doctor_id", "live", "kind", "span_to", "span_from", "visit_from", "visit_to", "id"])
    op.create_index("holds_of_owner", "claims", ["owner_id", "service_id"], unique=True)
    op.create_table(
        "seats",
        sa.Column("session_id", Id, primary_key=True),
        sa.Column("seat", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("claim_id", Id, nullable=False, unique=True),
    )
    op.create_table("turns", sa.Column("id", Id, primary_key=True), sa.Column("taken", sa.Integer, nullable=False))
    op.create_table(
        "leaves",
        sa.Column("id", Id, primary_key=True),
        sa.Column("doctor_id", Id, nullable=False),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("reason", MediumText, nullable=False),
        sa.Column("outcomes", MediumText, nullable=False),
        sa.Column("by_id", Id, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index("leaves_of_doctor", "leaves", ["doctor_id", "starts_at"])
    op.create_table(
        "closures",
        sa.Column("id", Id, primary_key=True),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("reason", MediumText, nullable=False),
        sa.Column("location", binary_string(200)),
        sa.Column("by_id", Id, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("lifted", sa.Boolean, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False, index=True),
    )
    op.create_table(
        "feeds",
        sa.Column("account_id", Id, primary_key=True),
        sa.Column("token_hash", binary_string(64), nullable=False, unique=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )


def downgrade() -> None:
    for name in ("feeds", "closures", "leaves", "turns", "seats"):
        op.drop_table(name)
    op.drop_index("holds_of_owner", "claims")
    op.drop_index("claims_by_doctor", "claims")
    op.create_index("claims_of_doctor", "claims", ["doctor_id", "live", "span_to"])
    for column in NEW_COLUMNS:
        op.drop_column("claims", column)
