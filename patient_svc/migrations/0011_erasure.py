"""Erased patients, what the services have reported, and when a profile was changed last."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0011"
down_revision = "0010"
KNOWN_SINCE = datetime(2026, 11, 29, tzinfo=UTC)  # earlier changes were not dated, so that nothing expires too early
PATIENTS = sa.table("patients", sa.column("changed_at", UtcDateTime))


def upgrade() -> None:
    op.add_column("patients", sa.Column("changed_at", UtcDateTime))
    op.execute(PATIENTS.update().values(changed_at=KNOWN_SINCE))
    op.create_index("patients_by_change", "patients", ["changed_at", "id"])
    op.create_table(
        "erasures",
        sa.Column("id", Id, primary_key=True),
        sa.Column("patient_id", Id, nullable=False, unique=True),
        sa.Column("reason", binary_string(16), nullable=False),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("published_at", UtcDateTime, nullable=False),
        sa.Column("pass_number", sa.Integer, nullable=False),
        sa.Column("completed_at", UtcDateTime),
    )
    op.create_index("erasures_by_request", "erasures", ["requested_at", "id"])
    op.create_index("erasures_by_state", "erasures", ["completed_at", "published_at", "id"])
    op.create_table(
        "erasure_reports",
        sa.Column("erasure_id", Id, primary_key=True),
        sa.Column("pass_number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("service", binary_string(32), primary_key=True),
        sa.Column("reported_at", UtcDateTime, nullable=False),
        sa.Column("removed", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("erasure_reports")
    op.drop_table("erasures")
    op.drop_index("patients_by_change", "patients")
    op.drop_column("patients", "changed_at")
