"""The tables of admin-service."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, MetaData, Table, Text

from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Id, MediumText, UtcDateTime, binary_string

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)

PENDING_USERS = Table(
    "pending_users",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("fields", MediumText, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("retry_at", UtcDateTime, nullable=False, index=True),
)

AUDIT_LINES = Table(
    "audit_lines",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor_id", Id, nullable=False),
    Column("actor_role", binary_string(16), nullable=False),
    Column("action", binary_string(48), nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("relation", binary_string(24)),
    Column("outcome", binary_string(16), nullable=False),
    Column("row_id", Id),
    Column("request_id", binary_string(128)),
    Column("source", binary_string(32), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("state_before", Text),
    Column("state_after", Text),
    Column("day", Date, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", binary_string(64), nullable=False),
    Index("audit_lines_by_position", "day", "position", unique=True),
    Index("audit_lines_by_time", "at", "id"),
    Index("audit_lines_by_actor", "actor_id", "at", "id"),
    Index("audit_lines_by_actor_and_action", "actor_id", "action", "at", "id"),
    Index("audit_lines_by_action", "action", "at", "id"),
    Index("audit_lines_by_subject", "subject_id", "at", "id"),
)
"""Append-only: lines are inserted and read, never changed. Only the retention job deletes lines, whole days, the oldest first.

On SQLite triggers refuse anything else. On MySQL the user of the service has no privilege for anything else.
"""

AUDIT_CHAIN = Table(
    "audit_chain",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("day", Date),
    Column("line_count", BigInteger, nullable=False),
    Column("hash", binary_string(64), nullable=False),
    Column("previous_hash", binary_string(64), nullable=False),
    Column("recorded_at", UtcDateTime),
    Column("is_closed", Boolean, nullable=False),
)
"""One row, the end of the chain. A transaction that appends a line locks it, so that the instances append in turn."""

AUDIT_HEADS = Table(
    "audit_heads",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("line_count", BigInteger, nullable=False),
    Column("hash", binary_string(64), nullable=False),
    Column("previous_hash", binary_string(64), nullable=False),
    Column("closed_at", UtcDateTime, nullable=False),
    Column("key_id", binary_string(64)),
    Column("signature", Text),
    Column("signed_at", UtcDateTime, index=True),
    Column("lines_deleted_at", UtcDateTime),
)
"""The recording days that have ended. Heads are never deleted; only signature and deletion are added later."""

FORMER_IDS = Table(
    "former_ids",
    METADATA,
    Column("patient_id", Id, primary_key=True),
    Column("into_id", Id, nullable=False),
    Index("former_ids_by_patient", "into_id", "patient_id"),
)
"""The patients who were merged into another one, each as the merge was announced: that one may have been merged since, too."""
