"""The table of documents in SQLite: the JSON document, and the keys that queries use.

`edition` is the row version, `unsettled_us` the time of the intent (0 without one), `unsent` the number of pending events.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table

from shared.kit.infrastructure_tables import infrastructure_tables

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)

APPOINTMENTS = Table(
    "appointments",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("edition", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("doctor_id", String(36)),
    Column("patient_id", String(36), nullable=False),
    Column("service_id", String(36), nullable=False),
    Column("starts_us", BigInteger, nullable=False),
    Column("ends_us", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("unsettled_us", BigInteger, nullable=False),
    Column("unsent", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Index("by_doctor", "doctor_id", "starts_us", "id"),
    Index("by_patient", "patient_id", "starts_us", "id"),
    Index("by_status", "status", "starts_us", "id"),
    Index("by_creation", "created_us", "id"),
    Index("by_start", "starts_us", "id"),
    Index("by_end", "ends_us", "id"),
    Index("by_change", "changed_us", "id"),
    Index("by_unsettled", "unsettled_us"),
    Index("by_unsent", "unsent"),
)

# The hashes of the tokens of links in mails.
LINKS = Table(
    "visit_links",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("appointment_id", String(36), nullable=False, index=True),
)

# The places that limit the active appointments of a patient. The key decides which of two requests gets one.
PLACES = Table(
    "places",
    METADATA,
    Column("patient_id", String(36), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("appointment_id", String(36), nullable=False),
    Column("taken_us", BigInteger, nullable=False),
)

# Patients who were merged into others; `followed` is false while appointments may still have the old id.
MERGED_PATIENTS = Table(
    "merged_patients",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("into_id", String(36), nullable=False),
    Column("stored_us", BigInteger, nullable=False),
    Column("followed", Boolean, nullable=False, index=True),
)

# How far jobs have come that go through appointments over many runs.
JOB_PROGRESS = Table(
    "job_progress",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("progress", JSON, nullable=False),
)

# What appointments show of a doctor; `followed` is false while some may still show something older.
DOCTORS = Table(
    "doctors",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("snapshot", JSON, nullable=False),
    Column("stored_us", BigInteger, nullable=False),
    Column("followed", Boolean, nullable=False, index=True),
)
