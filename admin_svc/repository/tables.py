"""The tables of admin-service."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, String, Table

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
    Index("audit_lines_by_time", "at", "id"),
    Index("audit_lines_by_actor", "actor_id", "at", "id"),
    Index("audit_lines_by_actor_and_action", "actor_id", "action", "at", "id"),
    Index("audit_lines_by_action", "action", "at", "id"),
    Index("audit_lines_by_subject", "subject_id", "at", "id"),
)
"""Append-only: lines are inserted and read, never changed. Only the retention job deletes lines, the oldest first."""

FORMER_IDS = Table(
    "former_ids",
    METADATA,
    Column("patient_id", Id, primary_key=True),
    Column("into_id", Id, nullable=False),
    Index("former_ids_by_patient", "into_id", "patient_id"),
)
"""The patients who were merged into another one, each as the merge was announced: that one may have been merged since, too."""

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
