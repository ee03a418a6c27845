"""The tables of notification-service."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, Integer, MetaData, Table

from shared.kit.infrastructure_tables import RowNumber, infrastructure_tables
from shared.kit.sql import Id, UtcDateTime, binary_string

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)

VERSIONS = Table(
    "appointments_known",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
)

MESSAGES = Table(
    "messages",
    METADATA,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("event_id", Id, nullable=False),
    Column("kind", binary_string(32), nullable=False),
    Column("reader", binary_string(16), key="audience", nullable=False),
    Column("recipient_id", Id, nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("status", binary_string(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("holder", binary_string(64)),
    Column("taken_at", UtcDateTime),
    Column("handed_over", Boolean, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("problem", binary_string(500)),
    Column("attempt_log", JSON, nullable=False),
    Column("resent_from", Id),
    Column("resend_id", Id),
    Column("resent_by", Id),
    Column("resent_at", UtcDateTime),
    Column("attempts_before_resend", Integer, nullable=False, server_default="0"),
    Index("messages_due", "status", "due_at", "seq"),
    Index("messages_about", "subject_id", "recipient_id", "version"),
    Index("messages_created", "created_at", "seq"),
    Index("messages_by_status", "status", "created_at", "seq"),
    Index("messages_by_kind", "kind", "created_at", "seq"),
    Index("messages_by_recipient", "recipient_id", "created_at", "seq"),
)
