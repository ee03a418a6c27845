"""Frozen: the column types and the infrastructure tables of the first release, as the migrations create them.

A migration describes the schema of its own time, so it must not use the live tables or column types. Nothing in this module may change.
A change of the infrastructure tables is a new module (`v2.py`) beside this one, which a new revision of every service calls.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

Id = sa.Uuid(native_uuid=False)
UtcDateTime = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
MediumText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
RowNumber = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def binary_string(length: int) -> sa.String:
    """Return a string type that is compared byte by byte."""
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def create_infrastructure_tables() -> None:
    """Create outbox, inbox, leases and idempotency keys (`answers`)."""
    op.create_table(
        "outbox",
        sa.Column("seq", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("event_id", Id, nullable=False, unique=True),
        sa.Column("topic", binary_string(100), nullable=False),
        sa.Column("body", MediumText, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("published_at", UtcDateTime),
    )
    op.create_index("outbox_waiting", "outbox", ["published_at", "seq"])
    op.create_table(
        "inbox",
        sa.Column("event_id", Id, primary_key=True),
        sa.Column("handled_at", UtcDateTime, nullable=False, index=True),
    )
    op.create_table(
        "leases",
        sa.Column("name", binary_string(64), primary_key=True),
        sa.Column("holder", binary_string(64), nullable=False),
        sa.Column("until", UtcDateTime, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("key_id", Id, primary_key=True),
        sa.Column("fingerprint", binary_string(64), nullable=False),
        sa.Column("claimed_at", UtcDateTime, nullable=False, index=True),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")),
    )


def drop_infrastructure_tables() -> None:
    """Drop what `create_infrastructure_tables` creates."""
    for name in ("outbox", "inbox", "leases", "answers"):
        op.drop_table(name)
