"""The tables of doctor-service."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, Integer, MetaData, Table, Text

from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Id, UtcDateTime, binary_string
from shared.kit.sql_clinic_settings import clinic_settings_table

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)
CLINIC_SETTINGS = clinic_settings_table(METADATA)

SERVICES = Table(
    "services",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", binary_string(200), nullable=False),
    Column("specialty", binary_string(200)),
    Column("mode", binary_string(16), nullable=False),
    Column("duration_minutes", Integer, nullable=False),
    Column("buffer_before_minutes", Integer, nullable=False),
    Column("buffer_after_minutes", Integer, nullable=False),
    Column("slot_step_minutes", Integer, nullable=False),
    Column("min_notice_minutes", Integer, nullable=False),
    Column("horizon_days", Integer, nullable=False),
    Column("cancel_cutoff_minutes", Integer, nullable=False),
    Column("reschedule_cutoff_minutes", Integer, nullable=False),
    Column("requires_approval", Boolean, nullable=False),
    Column("price_amount", Integer),
    Column("price_currency", binary_string(3)),
    Column("capacity", Integer, nullable=False),
    Column("daily_cap", Integer),
    Column("weekly_cap", Integer),
    Column("reminder_offsets_minutes", JSON(none_as_null=True)),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Index("services_by_name", "name", "id"),
)

DOCTORS = Table(
    "doctors",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("email", binary_string(254), nullable=False),
    Column("full_name", binary_string(200), nullable=False),
    Column("time_zone", binary_string(64), nullable=False),
    Column("locale", binary_string(35)),
    Column("title", binary_string(200)),
    Column("bio", Text),
    Column("location", binary_string(200)),
    Column("specialties", JSON, nullable=False),
    Column("languages", JSON, nullable=False),
    Column("services", JSON, nullable=False),
    Column("accepting_patients", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("pending", Boolean, nullable=False),
    Column("account_stands", Boolean, key="has_doctor_account", nullable=False),
    Column("account_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("weekly", JSON, nullable=False),
    Column("overrides", JSON, nullable=False),
    Column("schedule_version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("retry_at", UtcDateTime, nullable=False),
    Index("doctors_by_name", "active", "full_name", "id"),
    Index("doctors_pending", "pending", "retry_at"),
)

MAX_WORD_LENGTH = 200
SEARCH_WORDS = Table(
    "doctor_words",
    METADATA,
    Column("doctor_id", Id, primary_key=True),
    Column("kind", binary_string(16), primary_key=True),
    Column("word", binary_string(MAX_WORD_LENGTH), primary_key=True),
    Index("doctors_by_word", "kind", "word", "doctor_id"),
)
