"""The tables of scheduling-service."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, SmallInteger, Table, false

from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Id, MediumText, UtcDateTime, binary_string

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)

# A claim is a reservation (its id is the appointment's), a hold, the session of a group, a leave or a closure. Times are grain numbers
# (five minutes from the Unix epoch), half open: the visit, and the span that it takes of the doctor. The visit is null in a reservation
# that was released before it was made, the span in one that has a seat in a session, which takes the doctor's time for all.
# `over`: it may lie over others, in lanes of its own. `begun`: the visit takes place, nobody moves it any more. An owner has one hold
# per service.
CLAIMS = Table(
    "claims",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("kind", binary_string(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("service_id", Id),
    Column("doctor_id", Id),
    Column("patient_id", Id),
    Column("visit_from", Integer),
    Column("visit_to", Integer),
    Column("span_from", Integer),
    Column("span_to", Integer),
    Column("over", Boolean, nullable=False),
    Column("begun", Boolean, nullable=False, server_default=false()),
    Column("session_id", Id),
    Column("owner_id", Id),
    Column("expires_at", UtcDateTime),
    Column("extended", Boolean),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("claims_by_doctor", "doctor_id", "live", "kind", "span_to", "span_from", "visit_from", "visit_to", "id"),
    Index("claims_of_patient", "patient_id", "live", "visit_to"),
    Index("holds_of_owner", "owner_id", "service_id", unique=True),
)

# The places in a session of a group.
SEATS = Table(
    "seats",
    METADATA,
    Column("session_id", Id, primary_key=True),
    Column("seat", Integer, primary_key=True, autoincrement=False),
    Column("claim_id", Id, nullable=False, unique=True),
)

# Whoever must be alone with something, so that a count stays true, writes its row first.
TURNS = Table("turns", METADATA, Column("id", Id, primary_key=True), Column("taken", Integer, nullable=False))

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

LEAVES = Table(
    "leaves",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("doctor_id", Id, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("reason", MediumText, nullable=False),
    Column("outcomes", MediumText, nullable=False),
    Column("by_id", Id, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("leaves_of_doctor", "doctor_id", "starts_at"),
)

# A closure blocks every doctor concerned by a claim of their own; `settled` when none of them is missing.
CLOSURES = Table(
    "closures",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("reason", MediumText, nullable=False),
    Column("location", binary_string(200)),
    Column("by_id", Id, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("lifted", Boolean, nullable=False),
    Column("settled", Boolean, nullable=False, index=True),
)

# The link of a calendar subscription; the token itself is not kept.
FEEDS = Table(
    "feeds",
    METADATA,
    Column("account_id", Id, primary_key=True),
    Column("token_hash", binary_string(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

DOCTORS = Table(
    "doctors",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("rules", MediumText, nullable=False),
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
    Column("rules", MediumText, nullable=False),
)

LEARNED = Table(
    "learned",
    METADATA,
    Column("what", binary_string(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)
