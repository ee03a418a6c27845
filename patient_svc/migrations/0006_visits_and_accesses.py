"""Status and times of visits, and the log of who read or changed what of a patient."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, UtcDateTime, binary_string

revision = "0006"
down_revision = "0005"
VISIT_COLUMNS = ("service_id", "status", "starts_at", "ends_at")


def upgrade() -> None:
    op.add_column("visits", sa.Column("service_id", Id))
    op.add_column("visits", sa.Column("status", binary_string(16)))
    op.add_column("visits", sa.Column("starts_at", UtcDateTime))
    op.add_column("visits", sa.Column("ends_at", UtcDateTime))
    op.drop_index("visits_by_people", "visits")
    op.create_index("visits_by_people", "visits", ["doctor_id", "patient_id", "treats", "ends_at"])
    op.create_index("visits_by_patient", "visits", ["patient_id", "starts_at", "appointment_id"])
    op.create_table(
        "accesses",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("patient_id", Id, nullable=False),
        sa.Column("actor_id", Id, nullable=False),
        sa.Column("actor_role", binary_string(16), nullable=False),
        sa.Column("action", binary_string(48), nullable=False),
        sa.Column("relation", binary_string(24)),
        sa.Column("outcome", binary_string(16), nullable=False),
        sa.Column("row_id", Id),
        sa.Column("request_id", binary_string(128)),
    )
    op.create_index("accesses_by_patient", "accesses", ["patient_id", "at", "id"])


def downgrade() -> None:
    op.drop_table("accesses")
    op.drop_index("visits_by_patient", "visits")
    op.drop_index("visits_by_people", "visits")
    op.create_index("visits_by_people", "visits", ["doctor_id", "patient_id", "treats"])
    for column in VISIT_COLUMNS:
        op.drop_column("visits", column)
