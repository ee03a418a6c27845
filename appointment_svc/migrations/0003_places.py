"""Places that limit the active appointments of a patient, and an index for what has not ended."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "places",
        sa.Column("patient_id", sa.String(36), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("appointment_id", sa.String(36), nullable=False),
        sa.Column("taken_us", sa.BigInteger, nullable=False),
    )
    op.create_index("by_end", "appointments", ["ends_us", "id"])


def downgrade() -> None:
    op.drop_index("by_end", "appointments")
    op.drop_table("places")
