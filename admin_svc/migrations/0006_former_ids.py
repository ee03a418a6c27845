"""Which patients were merged into which: the audit trail of a patient has the lines of their former ids."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "former_ids",
        sa.Column("patient_id", Id, primary_key=True),
        sa.Column("into_id", Id, nullable=False),
    )
    op.create_index("former_ids_by_patient", "former_ids", ["into_id", "patient_id"])


def downgrade() -> None:
    op.drop_table("former_ids")
