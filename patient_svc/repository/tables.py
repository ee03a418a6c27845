"""The tables of patient-service."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Date, Index, Integer, LargeBinary, MetaData, Table

from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Id, UtcDateTime, binary_string
from shared.kit.sql_clinic_settings import clinic_settings_table
from shared.kit.sql_rebuilds import rebuilds_table

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)
CLINIC_SETTINGS = clinic_settings_table(METADATA)
STATE_FIELDS = ("kind", "status", "retracted")
"""The encrypted columns by which lists are filtered and entries are counted."""
ENCRYPTED_FIELDS = (
    *STATE_FIELDS,
    "reported_by",
    "title",
    "details",
    "onset_on",
    "severity",
    "dose",
    "code_system",
    "code",
    "retraction_reason",
)
"""The columns of MEDICAL_VERSIONS that are encrypted. Each is bound to its name, so a value cannot be moved to another column.

All of them have a ciphertext in every row, that of an empty text where there is none: otherwise a dose would show a medication.
"""

PATIENTS = Table(
    "patients",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("full_name", binary_string(200), nullable=False),
    Column("time_zone", binary_string(64)),
    Column("locale", binary_string(35)),
    Column("phone", binary_string(32)),
    Column("email", binary_string(254)),
    Column("born_on", Date),
    Column("sex", binary_string(16)),
    Column("address", JSON(none_as_null=True)),
    Column("emergency_contact", JSON(none_as_null=True)),
    Column("active", Boolean, nullable=False),
    Column("has_account", Boolean, nullable=False),
    Column("account_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("reminder_offsets_minutes", JSON(none_as_null=True)),
    Column("quiet_hours", JSON(none_as_null=True)),
    Column("preferences_version", Integer, nullable=False),
    Column("offsets_changed_at", UtcDateTime),
    Column("identifiers", JSON(none_as_null=True)),
    Column("preferred_contact", binary_string(16)),
    Column("reminders_consent", Boolean, nullable=False),
    Column("search_version", Integer, nullable=False),
    Column("changed_at", UtcDateTime),
    Column("merged_into", Id),
    Index("patients_by_search_version", "search_version", "id"),
    Index("patients_by_change", "changed_at", "id"),
    Index("patients_by_successor", "merged_into", "id"),
)
"""`changed_at` is when the row was written last.

`search_version` is the version of the rules by which the keys in SEARCH_KEYS were made: 0 for rows that have none yet.

`merged_into` is the patient who has everything that a merged patient had; it is never itself a merged one.
"""

MERGES = Table(
    "merges",
    METADATA,
    Column("patient_id", Id, primary_key=True),
    Column("into_id", Id, nullable=False),
    Column("merged_at", UtcDateTime, nullable=False),
    Column("moved", JSON, nullable=False),
    Column("filled", JSON, nullable=False),
)
"""What each merge did, so that a repeated request is answered as the first one was. `moved` has counts, `filled` names of fields."""

IDENTIFIERS = Table(
    "identifiers",
    METADATA,
    Column("system", binary_string(200), primary_key=True),
    Column("value", binary_string(100), primary_key=True),
    Column("patient_id", Id, nullable=False),
    Index("identifiers_by_patient", "patient_id"),
)
"""Whose each identifier is, so that two patients cannot have the same one. Profiles are read from PATIENTS alone."""

SEARCH_KEYS = Table(
    "search_keys",
    METADATA,
    Column("kind", binary_string(16), primary_key=True),
    Column("key", binary_string(100), primary_key=True),
    Column("patient_id", Id, primary_key=True),
    Index("search_keys_by_patient", "patient_id", "kind", "key"),
)
"""The keys by which patients are found. A search reads ranges of the primary key, and checks further words by the other index."""

GUARDIANS = Table(
    "guardians",
    METADATA,
    Column("dependant_id", Id, primary_key=True),
    Column("guardian_id", Id, primary_key=True),
    Column("relationship", binary_string(200)),
    Index("guardians_by_guardian", "guardian_id", "dependant_id"),
)

VISITS = Table(
    "visits",
    METADATA,
    Column("appointment_id", Id, primary_key=True),
    Column("patient_id", Id, nullable=False),
    Column("doctor_id", Id, nullable=False),
    Column("treats", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("service_id", Id),
    Column("status", binary_string(16)),
    Column("starts_at", UtcDateTime),
    Column("ends_at", UtcDateTime),
    Column("time_zone", binary_string(64)),
    Column("stored_at", UtcDateTime),
    Index("visits_by_people", "doctor_id", "patient_id", "treats", "ends_at"),
    Index("visits_by_patient", "patient_id", "starts_at", "appointment_id"),
    Index("visits_by_end", "ends_at", "appointment_id"),
)
"""Rows that were written before 0.2.0 have no service, status, times and zone until the history is rebuilt.

`stored_at` is when a row was written last, or when a rebuild has seen its appointment.
"""

HISTORY_REBUILDS = rebuilds_table("history_rebuilds", METADATA)

ACCESSES = Table(
    "accesses",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("patient_id", Id, nullable=False),
    Column("actor_id", Id, nullable=False),
    Column("actor_role", binary_string(16), nullable=False),
    Column("action", binary_string(48), nullable=False),
    Column("relation", binary_string(24)),
    Column("outcome", binary_string(16), nullable=False),
    Column("row_id", Id),
    Column("request_id", binary_string(128)),
    Index("accesses_by_patient", "patient_id", "at", "id"),
    Index("accesses_by_time", "at", "id"),
)

MASTER_KEYS = Table(
    "master_keys",
    METADATA,
    Column("name", binary_string(32), primary_key=True),
    Column("check_value", LargeBinary, nullable=False),
)
"""The keys of `PATIENT_RECORD_KEYS` that were ever used: a known text, encrypted, shows whether a key of this name is still the same."""

RECORD_KEYS = Table(
    "record_keys",
    METADATA,
    Column("patient_id", Id, primary_key=True),
    Column("master_key", binary_string(32), nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Index("record_keys_by_master_key", "master_key", "patient_id"),
)
"""The key of each patient with a medical history, encrypted with the master key of that name."""

MEDICAL_ENTRIES = Table(
    "medical_entries",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("patient_id", Id, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Index("medical_entries_by_patient", "patient_id", "created_at", "id"),
)
"""The entries of medical histories, and which version is the current one. What they are and say is in MEDICAL_VERSIONS."""

MEDICAL_VERSIONS = Table(
    "medical_versions",
    METADATA,
    Column("entry_id", Id, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("author_id", Id, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    *(Column(name, LargeBinary) for name in ENCRYPTED_FIELDS),
)
"""Every version of every entry. The columns of ENCRYPTED_FIELDS are encrypted with the key of the patient."""

BREAK_GLASS = Table(
    "break_glass",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("admin_id", Id, nullable=False),
    Column("patient_id", Id, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Index("break_glass_by_people", "admin_id", "patient_id", "expires_at"),
    Index("break_glass_by_patient", "patient_id", "opened_at", "id"),
)
"""The accesses to medical histories that admins opened. `reason` is encrypted with the key of the patient."""

ERASURES = Table(
    "erasures",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("patient_id", Id, nullable=False, unique=True),
    Column("reason", binary_string(16), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
    Column("pass_number", Integer, nullable=False),
    Column("completed_at", UtcDateTime),
    Index("erasures_by_request", "requested_at", "id"),
    Index("erasures_by_state", "completed_at", "published_at", "id"),
)
"""The erased patients. The key prevents that a patient is created again under the same id, or erased twice."""

ERASURE_REPORTS = Table(
    "erasure_reports",
    METADATA,
    Column("erasure_id", Id, primary_key=True),
    Column("pass_number", Integer, primary_key=True, autoincrement=False),
    Column("service", binary_string(32), primary_key=True),
    Column("reported_at", UtcDateTime, nullable=False),
    Column("removed", JSON, nullable=False),
)
