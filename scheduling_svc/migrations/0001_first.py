"""The first schema of scheduling-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, MediumText, UtcDateTime, binary_string, create_infrastructure_tables, drop_infrastructure_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_infrastructure_tables()
    op.create_table(
        "claims",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", binary_string(16), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.Column("service_id", Id),
        sa.Column("doctor_id", Id),
        sa.Column("patient_id", Id),
        sa.Column("visit_from", sa.Integer),
        sa.Column("visit_to", sa.Integer),
        sa.Column("span_from", sa.Integer),
        sa.Column("span_to", sa.Integer),
        sa.Column("changed_at", UtcDateTime, nullable=False),
    )
    op.create_index("claims_of_doctor", "claims", ["doctor_id", "live", "span_to"])
    op.create_index("claims_of_patient", "claims", ["patient_id", "live", "visit_to"])
    op.create_table(
        "claim_grains",
        sa.Column("resource_id", Id, primary_key=True),
        sa.Column("grain", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lane", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("claim_id", Id, nullable=False),
        sqlite_with_rowid=False,
    )
    for rules_of in ("doctors", "services"):
        op.create_table(
            rules_of,
            sa.Column("id", Id, primary_key=True),
            sa.Column("version", sa.Integer, nullable=False),
            sa.Column("rules", MediumText, nullable=False),
        )
    op.create_table("offers", sa.Column("service_id", Id, primary_key=True), sa.Column("doctor_id", Id, primary_key=True))
    op.create_index("offers_of_doctor", "offers", ["doctor_id"])
    op.create_table("learned", sa.Column("what", binary_string(32), primary_key=True), sa.Column("at", UtcDateTime, nullable=False))


def downgrade() -> None:
    for name in ("learned", "offers", "services", "doctors", "claim_grains", "claims"):
        op.drop_table(name)
    drop_infrastructure_tables()
