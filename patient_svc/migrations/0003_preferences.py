"""Preferences, guardians, the address of patients without an account, and patients who have the clinic's language."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, binary_string

revision = "0003"
down_revision = "0002"
COLUMNS = ("email", "reminder_offsets_minutes", "quiet_hours", "preferences_version")


def upgrade() -> None:
    with op.batch_alter_table("patients") as batch:
        batch.alter_column("locale", existing_type=binary_string(35), existing_nullable=False, nullable=True)
    op.add_column("patients", sa.Column("email", binary_string(254)))
    op.add_column("patients", sa.Column("reminder_offsets_minutes", sa.JSON))
    op.add_column("patients", sa.Column("quiet_hours", sa.JSON))
    op.add_column("patients", sa.Column("preferences_version", sa.Integer, nullable=False, server_default="1"))
    op.create_table(
        "guardians",
        sa.Column("dependant_id", Id, primary_key=True),
        sa.Column("guardian_id", Id, primary_key=True),
        sa.Column("relationship", binary_string(200)),
    )
    op.create_index("guardians_by_guardian", "guardians", ["guardian_id", "dependant_id"])


def downgrade() -> None:
    op.drop_table("guardians")
    for column in COLUMNS:
        op.drop_column("patients", column)
    op.execute(sa.text("UPDATE patients SET locale = 'en' WHERE locale IS NULL"))
    with op.batch_alter_table("patients") as batch:
        batch.alter_column("locale", existing_type=binary_string(35), existing_nullable=True, nullable=False)
