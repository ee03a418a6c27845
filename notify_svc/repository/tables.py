"""The tables of notification-service."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Date, Index, Integer, MetaData, Table, Text

from shared.kit.infrastructure_tables import RowNumber, infrastructure_tables
from shared.kit.sql import Id, UtcDateTime, binary_string
from shared.kit.sql_clinic_settings import clinic_settings_table

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)
CLINIC_SETTINGS = clinic_settings_table(METADATA)

VISITS = Table(
    "visits",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", binary_string(16), nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("service_id", Id, nullable=False),
    Column("doctor_id", Id, nullable=False),
    Column("patient_id", Id, nullable=False),
    Column("mode", binary_string(16), nullable=False),
    Column("time_zone", binary_string(64), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("wanted_since", UtcDateTime, nullable=False),
    Column("planning_due_at", UtcDateTime),
    Column("revision", Integer, nullable=False),
    Index("visits_to_plan", "planning_due_at"),
    Index("visits_by_end", "ends_at", "appointment_id"),
    Index("visits_of_patient", "patient_id", "starts_at"),
    Index("visits_of_service", "service_id", "starts_at"),
    Index("visits_of_doctor", "doctor_id", "starts_at"),
)
"""The newest version of each appointment. `status` is `unknown` where an earlier release has recorded the version only."""

VISIT_RECIPIENTS = Table(
    "visit_recipients",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("recipient_id", Id, primary_key=True),
    Index("visits_of_recipient", "recipient_id"),
)
"""The people who are reminded of a visit, as they were when its reminders were planned."""

REMINDERS = Table(
    "reminders",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("appointment_id", Id, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("offset_minutes", Integer, nullable=False),
    Column("channel", binary_string(16), nullable=False),
    Column("recipient_id", Id, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("wanted_since", UtcDateTime, nullable=False),
    Column("status", binary_string(16), nullable=False),
    Index("reminders_key", "appointment_id", "starts_at", "recipient_id", "channel", "offset_minutes", unique=True),
    Index("reminders_due", "status", "due_at"),
    Index("reminders_ended", "starts_at"),
)

CONTACT_VERSIONS = Table(
    "contact_versions",
    METADATA,
    Column("subject_id", Id, primary_key=True),
    Column("aspect", binary_string(16), primary_key=True),
    Column("version", Integer, nullable=False),
)
"""The newest versions of profiles, preferences and service types that events have announced."""

MERGED_PATIENTS = Table(
    "merged_patients",
    METADATA,
    Column("patient_id", Id, primary_key=True),
    Column("into_id", Id, nullable=False),
    Column("merged_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Index("merged_patients_by_age", "recorded_at"),
)
"""Patients who were merged into others: the ids, when it happened, and when this service learned of it."""

DOCTOR_PREFERENCES = Table(
    "doctor_preferences",
    METADATA,
    Column("doctor_id", Id, primary_key=True),
    Column("daily_digest", Boolean, nullable=False),
    Column("switched_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
)
"""What doctors want to receive. `switched_at` is the instant at which `daily_digest` was changed last."""

DIGESTS = Table(
    "digests",
    METADATA,
    Column("doctor_id", Id, primary_key=True),
    Column("date", Date, primary_key=True),
    Column("decided_at", UtcDateTime, nullable=False),
    Index("digests_by_date", "date"),
)
"""The dates, in the doctor's zone, for which it was decided whether the doctor gets a digest."""

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
    Column("valid_until", UtcDateTime),
    Index("messages_due", "status", "due_at", "seq"),
    Index("messages_about", "subject_id", "recipient_id", "version"),
    Index("messages_created", "created_at", "seq"),
    Index("messages_by_status", "status", "created_at", "seq"),
    Index("messages_by_kind", "kind", "created_at", "seq"),
    Index("messages_by_recipient", "recipient_id", "created_at", "seq"),
)

TEMPLATE_OVERRIDES = Table(
    "template_overrides",
    METADATA,
    Column("kind", binary_string(40), primary_key=True),
    Column("locale", binary_string(35), primary_key=True),
    Column("subject", Text),
    Column("text", Text),
    Column("changes", Integer, nullable=False),
)
"""Templates that were replaced or reset; `subject` and `text` are null where the shipped text is in force again."""

WEBHOOKS = Table(
    "webhooks",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),
    Column("description", Text),
    Column("secret", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("status", binary_string(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("failing_since", UtcDateTime),
    Column("last_failed_at", UtcDateTime),
    Column("replaced_secrets", JSON, nullable=False),
)

# The answers to requests that made a secret, so that a request that is repeated gets the same one.
WEBHOOK_ANSWERS = Table(
    "webhook_answers",
    METADATA,
    Column("operation_id", Id, primary_key=True),
    Column("fingerprint", binary_string(64), nullable=False),
    Column("webhook", JSON, nullable=False),
    Column("answered_at", UtcDateTime, nullable=False),
    Index("webhook_answers_by_age", "answered_at"),
)

WEBHOOK_DELIVERIES = Table(
    "webhook_deliveries",
    METADATA,
    Column("seq", RowNumber, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("webhook_id", Id, nullable=False),
    Column("event_id", Id, nullable=False),
    Column("event_type", binary_string(64), nullable=False),
    Column("stream_id", Id, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("status", binary_string(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("waits_for_earlier", Boolean, nullable=False),
    Column("holder", binary_string(64)),
    Column("taken_at", UtcDateTime),
    Column("last_attempt_at", UtcDateTime),
    Column("response_status", Integer),
    Column("response_text", Text),
    Column("problem", binary_string(64)),
    Index("webhook_deliveries_due", "status", "webhook_id", "due_at", "seq"),
    Index("webhook_deliveries_in_order", "webhook_id", "stream_id", "status", "sequence"),
    Index("webhook_deliveries_of_stream", "stream_id", "waits_for_earlier"),
    Index("webhook_deliveries_of_webhook", "webhook_id", "seq"),
    Index("webhook_deliveries_by_age", "status", "created_at"),
)

EVENT_SEQUENCES = Table(
    "event_sequences",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("complete_until", Integer, nullable=False),
    Column("ahead", JSON, nullable=False),
)

# One row: until when the changes of appointments were compared with the events that were handled.
COMPARISON = Table(
    "comparison",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("compared_until", UtcDateTime, nullable=False),
)
