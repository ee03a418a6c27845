"""The tables of admin-service."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, MetaData, String, Table, Text

from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Id, MediumText, UtcDateTime, binary_string
from shared.kit.sql_rebuilds import rebuilds_table

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

# A change of many appointments at once. `finished_at` is null until all have an outcome; then reason and text are deleted.
BULK_CHANGES = Table(
    "bulk_changes",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("action", binary_string(16), nullable=False),
    Column("reason", MediumText),
    Column("text", MediumText),
    Column("by_id", Id, nullable=False),
    Column("by_role", binary_string(16), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("retry_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index("bulk_changes_due", "finished_at", "retry_at"),
)

# Target and outcome of each appointment, as JSON.
BULK_ITEMS = Table(
    "bulk_items",
    METADATA,
    Column("change_id", Id, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("appointment_id", Id, nullable=False),
    Column("target", MediumText, nullable=False),
    Column("outcome", MediumText, nullable=False),
)

REPORT_VISITS = Table(
    "report_visits",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("doctor_id", Id, nullable=False),
    Column("service_id", Id, nullable=False),
    Column("patient_id", Id, nullable=False),
    Column("status", binary_string(16), nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("is_group", Boolean, nullable=False),
    Column("channel", binary_string(48), nullable=False),
    Column("lead_days", Integer),
    Column("is_confirmed", Boolean, nullable=False),
    Column("stored_at", UtcDateTime),
    Index(
        "report_visits_by_start",
        "starts_at",
        "status",
        "doctor_id",
        "service_id",
        "patient_id",
        "minutes",
        "is_group",
        "channel",
        "lead_days",
        "is_confirmed",
        "appointment_id",
    ),
    Index("report_visits_by_patient", "patient_id", "starts_at", "status", "appointment_id"),
)
"""The appointments of the reports. The first index has every column that a report reads, so that a report reads a range of it alone."""

VISIT_REMINDERS = Table(
    "visit_reminders",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("starts_at", UtcDateTime, primary_key=True),
    Column("sent_at", UtcDateTime, nullable=False),
)
"""Which visits patients were reminded of. A visit that was moved has another start, and so no reminder yet."""

REPORT_REBUILDS = rebuilds_table("report_rebuilds", METADATA)

ACCESS_MEASURES = Table(
    "access_measures",
    METADATA,
    Column("noted_on", Date, primary_key=True),
    Column("dimension", binary_string(16), primary_key=True),
    Column("key", binary_string(200), primary_key=True),
    Column("noted_at", UtcDateTime, nullable=False),
    Column("days", Integer),
    Index("access_measures_by_time", "dimension", "noted_at", "key", "days"),
)
"""The days to the third next available appointment, as noted on each day of the clinic. They cannot be rebuilt."""

CLINIC_SETTINGS = Table(
    "clinic_settings",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("id", Id, nullable=False, unique=True),
    Column("settings", MediumText, nullable=False),
    Column("changes", MediumText, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", Id, nullable=False),
)
"""A row for each version of the clinic's settings; `id` is that of the change. Rows are inserted and read, never changed."""

IMPORTS = Table(
    "imports",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("kind", binary_string(16), nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("created_by", Id, nullable=False),
    Column("created_by_role", binary_string(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("retry_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index("imports_by_end", "finished_at", "created_at", "id"),
    Index("imports_by_time", "created_at", "id"),
)

IMPORT_ROWS = Table(
    "import_rows",
    METADATA,
    Column("import_id", Id, primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("target_id", Id),
    Column("status", binary_string(16), nullable=False),
    Column("fields", MediumText),
    Column("code", binary_string(48)),
    Column("detail", String(300)),
    Column("pointer", String(100)),
    Index("import_rows_by_status", "import_id", "status", "line"),
)
"""The rows of imports. `fields` has personal data, and is NULL as soon as the row does not wait any more."""
