"""The first schema of appointment-service in SQLite."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import create_infrastructure_tables, drop_infrastructure_tables

revision = "0001"
down_revision = None
INDEXES = {
    "by_doctor": ["doctor_id", "starts_us", "id"],
    "by_patient": ["patient_id", "starts_us", "id"],
    "by_status": ["status", "starts_us", "id"],
    "by_creation": ["created_us", "id"],
    "by_start": ["starts_us", "id"],
    "by_unsettled": ["unsettled_us"],
    "by_unsent": ["unsent"],
}


def upgrade() -> None:
    create_infrastructure_tables()
    op.create_table(
        "appointments",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("edition", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("doctor_id", sa.String(36), nullable=False),
        sa.Column("patient_id", sa.String(36), nullable=False),
        sa.Column("service_id", sa.String(36), nullable=False),
        sa.Column("starts_us", sa.BigInteger, nullable=False),
        sa.Column("ends_us", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("changed_us", sa.BigInteger, nullable=False),
        sa.Column("unsettled_us", sa.BigInteger, nullable=False),
        sa.Column("unsent", sa.Integer, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
    )
    for name, columns in INDEXES.items():
        op.create_index(name, "appointments", columns)


def downgrade() -> None:
    op.drop_table("appointments")
    drop_infrastructure_tables()
