"""The first schema of patient-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrating import create_plumbing, drop_tables
from shared.kit.sql import Id, exact

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_plumbing()
    op.create_table(
        "patients",
        sa.Column("id", Id, primary_key=True),
        sa.Column("full_name", exact(200), nullable=False),
        sa.Column("time_zone", exact(64), nullable=False),
        sa.Column("locale", exact(35), nullable=False),
        sa.Column("phone", exact(32)),
        sa.Column("born_on", sa.Date),
        sa.Column("sex", exact(16)),
        sa.Column("address", sa.JSON),
        sa.Column("emergency_contact", sa.JSON),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("account_version", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "visits",
        sa.Column("appointment_id", Id, primary_key=True),
        sa.Column("patient_id", Id, nullable=False),
        sa.Column("doctor_id", Id, nullable=False),
        sa.Column("treats", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("visits_by_people", "visits", ["doctor_id", "patient_id", "treats"])


def downgrade() -> None:
    drop_tables("patients", "visits")
