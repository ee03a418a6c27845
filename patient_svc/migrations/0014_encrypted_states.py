"""Kind, status, source and retraction of medical entries are encrypted like their texts.

No release has stored entries without that. A migration has no keys to encrypt them with, so it refuses a database that has some.
"""

import sqlalchemy as sa
from alembic import op

from shared.kit.migrations.v1 import binary_string

revision = "0014"
down_revision = "0013"
ENCRYPTED = ("kind", "status", "retracted", "reported_by")


def upgrade() -> None:
    _refuse_entries()
    for column in ("kind", "status", "retracted"):
        op.drop_column("medical_entries", column)
    for column in ("reported_by", "status", "retracted"):
        op.drop_column("medical_versions", column)
    for column in ENCRYPTED:
        op.add_column("medical_versions", sa.Column(column, sa.LargeBinary))


def downgrade() -> None:
    _refuse_entries()
    for column in ENCRYPTED:
        op.drop_column("medical_versions", column)
    op.add_column("medical_entries", sa.Column("kind", binary_string(16), nullable=False, server_default=""))
    op.add_column("medical_versions", sa.Column("reported_by", binary_string(16), nullable=False, server_default=""))
    for table in ("medical_entries", "medical_versions"):
        op.add_column(table, sa.Column("status", binary_string(16)))
        op.add_column(table, sa.Column("retracted", sa.Boolean, nullable=False, server_default=sa.false()))


def _refuse_entries() -> None:
    """Raise RuntimeError if the database has medical entries."""
    if op.get_bind().scalar(sa.text("SELECT COUNT(*) FROM medical_entries")):
        raise RuntimeError("patient-service 0014 cannot convert medical entries, which no release before 0.2.0 has")
