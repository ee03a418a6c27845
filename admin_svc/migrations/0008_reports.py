"""The read model of the reports: appointments, reminders that were sent, daily measures of access, and rebuilds."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0008"
down_revision = "0007"
FIRST_REBUILD = {
    "id": UUID(int=8),
    "requested_at": datetime(2026, 11, 29, tzinfo=UTC),
    "phase": "reading",
    "read_count": 0,
    "removed_count": 0,
    "steps": 0,
}  # reads all appointments as soon as the service runs; a database of this service does not tell whether there are some already
INDEXED = (
    "starts_at", "status", "doctor_id", "service_id", "patient_id", "minutes", "is_group", "channel", "lead_days", "is_confirmed",
    "appointment_id",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "report_visits",
        sa.Column("appointment_id", Id, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("doctor_id", Id, nullable=False),
        sa.Column("service_id", Id, nullable=False),
        sa.Column("patient_id", Id, nullable=False),
        sa.Column("status", binary_string(16), nullable=False),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("minutes", sa.Integer, nullable=False),
        sa.Column("is_group", sa.Boolean, nullable=False),
        sa.Column("channel", binary_string(48), nullable=False),
        sa.Column("lead_days", sa.Integer),
        sa.Column("is_confirmed", sa.Boolean, nullable=False),
        sa.Column("stored_at", UtcDateTime),
    )
    op.create_index("report_visits_by_start", "report_visits", list(INDEXED))
    op.create_index("report_visits_by_patient", "report_visits", ["patient_id", "starts_at", "status", "appointment_id"])
    op.create_table(
        "visit_reminders",
        sa.Column("appointment_id", Id, primary_key=True),
        sa.Column("starts_at", UtcDateTime, primary_key=True),
        sa.Column("sent_at", UtcDateTime, nullable=False),
    )
    op.create_table(
        "access_measures",
        sa.Column("noted_on", sa.Date, primary_key=True),
        sa.Column("dimension", binary_string(16), primary_key=True),
        sa.Column("key", binary_string(200), primary_key=True),
        sa.Column("noted_at", UtcDateTime, nullable=False),
        sa.Column("days", sa.Integer),
    )
    op.create_index("access_measures_by_time", "access_measures", ["dimension", "noted_at", "key", "days"])
    _create_rebuilds()


def _create_rebuilds() -> None:
    rebuilds = op.create_table(
        "report_rebuilds",
        sa.Column("id", Id, primary_key=True),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime),
        sa.Column("phase", binary_string(16), nullable=False),
        sa.Column("cursor", binary_string(200)),
        sa.Column("read_count", sa.Integer, nullable=False),
        sa.Column("removed_count", sa.Integer, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("steps", sa.Integer, nullable=False),
    )
    op.create_index("report_rebuilds_by_state", "report_rebuilds", ["finished_at", "requested_at", "id"])
    op.bulk_insert(rebuilds, [FIRST_REBUILD])


def downgrade() -> None:
    for table in ("report_rebuilds", "access_measures", "visit_reminders", "report_visits"):
        op.drop_table(table)
