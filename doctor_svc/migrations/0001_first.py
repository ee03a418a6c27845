"""The first schema of doctor-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string, create_infrastructure_tables, drop_infrastructure_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_infrastructure_tables()
    op.create_table(
        "services",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", binary_string(200), nullable=False),
        sa.Column("specialty", binary_string(200)),
        sa.Column("mode", binary_string(16), nullable=False),
        sa.Column("duration_minutes", sa.Integer, nullable=False),
        sa.Column("buffer_before_minutes", sa.Integer, nullable=False),
        sa.Column("buffer_after_minutes", sa.Integer, nullable=False),
        sa.Column("slot_step_minutes", sa.Integer, nullable=False),
        sa.Column("min_notice_minutes", sa.Integer, nullable=False),
        sa.Column("horizon_days", sa.Integer, nullable=False),
        sa.Column("cancel_cutoff_minutes", sa.Integer, nullable=False),
        sa.Column("reschedule_cutoff_minutes", sa.Integer, nullable=False),
        sa.Column("requires_approval", sa.Boolean, nullable=False),
        sa.Column("price_amount", sa.Integer),
        sa.Column("price_currency", binary_string(3)),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("services_by_name", "services", ["name", "id"])
    op.create_table(
        "doctors",
        sa.Column("id", Id, primary_key=True),
        sa.Column("email", binary_string(254), nullable=False),
        sa.Column("full_name", binary_string(200), nullable=False),
        sa.Column("time_zone", binary_string(64), nullable=False),
        sa.Column("title", binary_string(200)),
        sa.Column("bio", sa.Text),
        sa.Column("location", binary_string(200)),
        sa.Column("specialties", sa.JSON, nullable=False),
        sa.Column("languages", sa.JSON, nullable=False),
        sa.Column("services", sa.JSON, nullable=False),
        sa.Column("accepting_patients", sa.Boolean, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("pending", sa.Boolean, nullable=False),
        sa.Column("account_stands", sa.Boolean, nullable=False),
        sa.Column("account_version", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("weekly", sa.JSON, nullable=False),
        sa.Column("overrides", sa.JSON, nullable=False),
        sa.Column("schedule_version", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index("doctors_by_name", "doctors", ["active", "full_name", "id"])
    op.create_index("doctors_pending", "doctors", ["pending", "created_at"])
    op.create_table(
        "doctor_words",
        sa.Column("doctor_id", Id, primary_key=True),
        sa.Column("kind", binary_string(16), primary_key=True),
        sa.Column("word", binary_string(200), primary_key=True),
    )
    op.create_index("doctors_by_word", "doctor_words", ["kind", "word", "doctor_id"])


def downgrade() -> None:
    for name in ("services", "doctors", "doctor_words"):
        op.drop_table(name)
    drop_infrastructure_tables()
