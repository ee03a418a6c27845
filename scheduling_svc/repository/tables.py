"""The tables of scheduling-service."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, SmallInteger, Table, false

from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Id, MediumText, UtcDateTime, binary_string
from shared.kit.sql_clinic_settings import clinic_settings_table

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)
CLINIC_SETTINGS = clinic_settings_table(METADATA)


class ClaimKind(StrEnum):
    """What a row of `claims` is. A session is the visit of a group, in which reservations and holds have seats."""

    RESERVATION = "reservation"
    HOLD = "hold"
    SESSION = "session"
    LEAVE = "leave"
    CLOSURE = "closure"


# The id of a reservation is that of its appointment. Times are grain numbers (five minutes from the Unix epoch), half open: the visit,
# and the span that it takes of the doctor, buffers included. The visit is null in a reservation that was released before it was made. The
# span is null in a reservation with a seat in a session, because the session takes the time of the doctor. `over`: the claim may lie over
# others, in lanes of its own. `requested`: the clinic has not approved the visit yet. `begun`: the visit takes place, and a leave does not
# affect it any more. `appointment_version` is the newest version of the appointment that is known. An owner has one hold per service.
# `override_code`: the rule that staff lifted for the time, of which the doctor's part may lie over others, too.
# `archived`: the time is over, so that the grains are deleted; the row stays for agendas, caps and requests that come late.
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
    Column("requested", Boolean, nullable=False, server_default=false()),
    Column("appointment_version", Integer, nullable=False, server_default="0"),
    Column("archived", Boolean, nullable=False, server_default=false()),
    Column("override_code", binary_string(16)),
    Column("session_id", Id),
    Column("owner_id", Id),
    Column("expires_at", UtcDateTime),
    Column("extended", Boolean),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("claims_by_doctor", "doctor_id", "live", "kind", "span_to", "span_from", "visit_from", "visit_to", "id"),
    Index("claims_by_end", "kind", "live", "visit_to", "id"),
    Index("claims_to_archive", "archived", "live", "visit_to", "id"),
    Index("claims_of_patient", "patient_id", "live", "visit_to"),
    Index("holds_of_owner", "owner_id", "service_id", unique=True),
)

# Patients who were merged into another one: whatever comes with the old id is about the other patient. The other one may have been merged,
# too.
MERGED_PATIENTS = Table(
    "merged_patients",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("into_id", Id, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
)

# The seats of group sessions.
SEATS = Table(
    "seats",
    METADATA,
    Column("session_id", Id, primary_key=True),
    Column("seat", Integer, primary_key=True, autoincrement=False),
    Column("claim_id", Id, nullable=False, unique=True),
)

# Locks: before a transaction counts rows, it updates the row of its lock, so that others wait.
LOCKS = Table("turns", METADATA, Column("id", Id, primary_key=True), Column("taken", Integer, nullable=False))

# The primary key forbids that two ordinary claims share a grain of a person, because all ordinary claims use lane 0.
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
    Index("leaves_by_end", "ends_at", "id"),
)

# A closure has one claim for every doctor to whom it applies; `settled` is true when no such claim is missing or left over.
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
    Index("closures_by_end", "ends_at", "id"),
)

# The links of agenda subscriptions; only the hash of the token is stored.
FEEDS = Table(
    "feeds",
    METADATA,
    Column("account_id", Id, primary_key=True),
    Column("token_hash", binary_string(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("content_tag", binary_string(32)),
    Column("changed_at", UtcDateTime),
)

# The rules of doctors and services, as JSON of the models in shared.contracts.http; `offers` tells which doctor offers which service.
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

# One row, which is written when all rules were fetched for the first time.
LEARNED = Table(
    "learned",
    METADATA,
    Column("what", binary_string(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)
