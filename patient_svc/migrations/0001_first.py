"""The first schema of patient-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, binary_string, create_infrastructure_tables, drop_infrastructure_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_infrastructure_tables()
    op.create_table(
        "patients",
        sa.Column("id", Id, primary_key=True),
        sa.Column("full_name", binary_string(200), nullable=False),
        sa.Column("time_zone", binary_string(64), nullable=False),
        sa.Column("locale", binary_string(35), nullable=False),
        sa.Column("phone", binary_string(32)),
        sa.Column("born_on", sa.Date),
        sa.Column("sex", binary_string(16)),
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
    for name in ("patients", "visits"):
        op.drop_table(name)
    drop_infrastructure_tables()
