"""The first schema of doctor-service."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrating import create_plumbing, drop_tables
from shared.kit.sql import Id, exact

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_plumbing()
    op.create_table(
        "services",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", exact(200), nullable=False),
        sa.Column("specialty", exact(200)),
        sa.Column("mode", exact(16), nullable=False),
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
        sa.Column("price_currency", exact(3)),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("services_by_name", "services", ["name", "id"])


def downgrade() -> None:
    drop_tables("services")
