"""Medical history, its keys, and access by break-glass."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0007"
down_revision = "0006"
ENCRYPTED = ("title", "details", "onset_on", "severity", "dose", "code_system", "code", "retraction_reason")


def upgrade() -> None:
    _create_keys()
    _create_entries()
    _create_break_glass()


def downgrade() -> None:
    for name in ("break_glass", "medical_versions", "medical_entries", "record_keys", "master_keys"):
        op.drop_table(name)


def _create_keys() -> None:
    op.create_table(
        "master_keys",
        sa.Column("name", binary_string(32), primary_key=True),
        sa.Column("check_value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "record_keys",
        sa.Column("patient_id", Id, primary_key=True),
        sa.Column("master_key", binary_string(32), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    )
    op.create_index("record_keys_by_master_key", "record_keys", ["master_key", "patient_id"])


def _create_entries() -> None:
    op.create_table(
        "medical_entries",
        sa.Column("id", Id, primary_key=True),
        sa.Column("patient_id", Id, nullable=False),
        sa.Column("kind", binary_string(16), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", binary_string(16)),
        sa.Column("retracted", sa.Boolean, nullable=False),
    )
    op.create_index("medical_entries_by_patient", "medical_entries", ["patient_id", "created_at", "id"])
    op.create_table(
        "medical_versions",
        sa.Column("entry_id", Id, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("author_id", Id, nullable=False),
        sa.Column("reported_by", binary_string(16), nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.Column("status", binary_string(16)),
        sa.Column("retracted", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.LargeBinary) for name in ENCRYPTED),
    )


def _create_break_glass() -> None:
    op.create_table(
        "break_glass",
        sa.Column("id", Id, primary_key=True),
        sa.Column("admin_id", Id, nullable=False),
        sa.Column("patient_id", Id, nullable=False),
        sa.Column("opened_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("reason", sa.LargeBinary, nullable=False),
    )
    op.create_index("break_glass_by_people", "break_glass", ["admin_id", "patient_id", "expires_at"])
    op.create_index("break_glass_by_patient", "break_glass", ["patient_id", "opened_at", "id"])
