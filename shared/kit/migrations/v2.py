"""Frozen: the table of dead letters, as the migrations create it. Nothing in this module may change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

Id = sa.Uuid(native_uuid=False)
UtcDateTime = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
INDEXES = {
    "dead_letters_by_time": ["died_at", "id"],
    "dead_letters_by_topic": ["topic", "died_at", "id"],
    "dead_letters_by_status": ["status", "replayed_at"],
}


def binary_string(length: int) -> sa.String:
    """Return a string type that is compared byte by byte."""
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def create_dead_letters() -> None:
    """Create the table of events that the service could not handle."""
    op.create_table(
        "dead_letters",
        sa.Column("id", Id, primary_key=True),
        sa.Column("message_id", binary_string(100), nullable=False),
        sa.Column("event_id", Id),
        sa.Column("topic", binary_string(100)),
        sa.Column("subject", binary_string(64)),
        sa.Column("body", sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb"), nullable=False),
        sa.Column("error", binary_string(500), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("replays", sa.Integer, nullable=False),
        sa.Column("died_at", UtcDateTime, nullable=False),
        sa.Column("status", binary_string(16), nullable=False),
        sa.Column("replayed_at", UtcDateTime),
    )
    for name, columns in INDEXES.items():
        op.create_index(name, "dead_letters", columns)


def drop_dead_letters() -> None:
    """Drop what `create_dead_letters` creates."""
    op.drop_table("dead_letters")
