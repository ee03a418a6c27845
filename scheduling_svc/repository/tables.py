"""The tables of scheduling-service."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, SmallInteger, Table

from shared.kit.schema import plumbing
from shared.kit.sql import Id, LongText, UtcDateTime, exact

METADATA = MetaData()
PLUMBING = plumbing(METADATA)

# A claim's times are grain numbers (five minutes from the Unix epoch), half open: the visit, and the span with the doctor's buffers.
# They are null in a claim that was released before it was made. A reservation's id is the appointment's.
CLAIMS = Table(
    "claims",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("kind", exact(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("service_id", Id),
    Column("doctor_id", Id),
    Column("patient_id", Id),
    Column("visit_from", Integer),
    Column("visit_to", Integer),
    Column("span_from", Integer),
    Column("span_to", Integer),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("claims_of_doctor", "doctor_id", "live", "span_to"),
    Index("claims_of_patient", "patient_id", "live", "visit_to"),
)

# The promise: no two claims share a grain of a person. The key keeps it; lane 0 is everybody's.
CLAIM_GRAINS = Table(
    "claim_grains",
    METADATA,
    Column("resource_id", Id, primary_key=True),
    Column("grain", Integer, primary_key=True, autoincrement=False),
    Column("lane", SmallInteger, primary_key=True, autoincrement=False),
    Column("claim_id", Id, nullable=False),
    sqlite_with_rowid=False,
)

DOCTORS = Table(
    "doctors",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("rules", LongText, nullable=False),
)

OFFERS = Table(
    "offers",
    METADATA,
    Column("service_id", Id, primary_key=True),
    Column("doctor_id", Id, primary_key=True),
    Index("offers_of_doctor", "doctor_id"),
)

SERVICES = Table(
    "services",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("rules", LongText, nullable=False),
)

LEARNED = Table(
    "learned",
    METADATA,
    Column("what", exact(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)
