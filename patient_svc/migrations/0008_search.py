"""Identifiers, contact and consent of patients, and the index of the search. A job adds the keys of the patients that exist already."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import Id, binary_string

revision = "0008"
down_revision = "0007"
COLUMNS = ("identifiers", "preferred_contact", "reminders_consent", "search_version")


def upgrade() -> None:
    op.add_column("patients", sa.Column("identifiers", sa.JSON))
    op.add_column("patients", sa.Column("preferred_contact", binary_string(16)))
    op.add_column("patients", sa.Column("reminders_consent", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("patients", sa.Column("search_version", sa.Integer, nullable=False, server_default="0"))
    op.create_index("patients_by_search_version", "patients", ["search_version", "id"])
    op.create_table(
        "identifiers",
        sa.Column("system", binary_string(200), primary_key=True),
        sa.Column("value", binary_string(100), primary_key=True),
        sa.Column("patient_id", Id, nullable=False),
    )
    op.create_index("identifiers_by_patient", "identifiers", ["patient_id"])
    op.create_table(
        "search_keys",
        sa.Column("kind", binary_string(16), primary_key=True),
        sa.Column("key", binary_string(100), primary_key=True),
        sa.Column("patient_id", Id, primary_key=True),
    )
    op.create_index("search_keys_by_patient", "search_keys", ["patient_id", "kind", "key"])


def downgrade() -> None:
    for name in ("search_keys", "identifiers"):
        op.drop_table(name)
    op.drop_index("patients_by_search_version", "patients")
    for column in COLUMNS:
        op.drop_column("patients", column)
