"""Accounts of people who give no language have none stored, and so that of the clinic. Stored ones stay."""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import binary_string

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("accounts") as batch:
        batch.alter_column("locale", existing_type=binary_string(35), existing_nullable=False, nullable=True)


def downgrade() -> None:
    op.execute(sa.text("UPDATE accounts SET locale = 'en' WHERE locale IS NULL"))
    with op.batch_alter_table("accounts") as batch:
        batch.alter_column("locale", existing_type=binary_string(35), existing_nullable=True, nullable=False)
