"""Frozen: the id of the operation in the table of idempotency keys. Nothing in this module may change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def add_operation_ids() -> None:
    """Add the id of the operation of a key. Rows of earlier releases have none."""
    op.add_column("answers", sa.Column("operation_id", sa.Uuid(native_uuid=False)))


def drop_operation_ids() -> None:
    """Drop what `add_operation_ids` adds."""
    op.drop_column("answers", "operation_id")
