"""The tables of auth-service."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, Integer, MetaData, Table, Text

from shared.kit.infrastructure_tables import infrastructure_tables
from shared.kit.sql import Id, UtcDateTime, binary_string
from shared.kit.sql_clinic_settings import clinic_settings_table

METADATA = MetaData()
INFRASTRUCTURE = infrastructure_tables(METADATA)
CLINIC_SETTINGS = clinic_settings_table(METADATA)

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("email", binary_string(254), nullable=False, unique=True),
    Column("full_name", binary_string(200), nullable=False),
    Column("role", binary_string(16), nullable=False),
    Column("status", binary_string(16), nullable=False),
    Column("locale", binary_string(35)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("password_hash", binary_string(200)),
    Column("phone", binary_string(32)),
    Column("time_zone", binary_string(64)),
    Column("name_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_change_id", Id),
    Index("accounts_by_status", "status", "created_at"),
    Index("accounts_by_role", "role", "status"),
)

# Patients' profiles that may not exist yet; `id` is that of the account. `previous` has the fields of an account before it became a
# patient's, as JSON, and is null for a new account.
PENDING_PROFILES = Table(
    "pending_profiles",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("previous", Text),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("retry_at", UtcDateTime, nullable=False, index=True),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("ended_at", UtcDateTime, index=True),
    Column("address", binary_string(64)),
    Column("end_number", BigInteger),
    Index("sessions_by_end_number", "end_number", "ended_at"),
)

# One row. A transaction that ends sessions locks it before it commits, so that the numbers grow in the order of the commits.
SESSION_END_NUMBERS = Table(
    "session_end_numbers",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_number", BigInteger, nullable=False),
)

LOGIN_ATTEMPTS = Table(
    "login_attempts",
    METADATA,
    Column("digest", binary_string(64), primary_key=True),
    Column("account", binary_string(64), index=True),
    Column("failed_at", Text, nullable=False),
    Column("pending_at", Text, nullable=False),
    Column("delays", Integer, nullable=False),
    Column("delayed_until", UtcDateTime),
    Column("is_announced", Boolean, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

REFRESH_TOKENS = Table(
    "refresh_tokens",
    METADATA,
    Column("token_hash", binary_string(64), primary_key=True),
    Column("session_id", Id, nullable=False, index=True),
    Column("used", Boolean, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

PASSWORD_RESETS = Table(
    "resets",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# `scopes` are separated by spaces, as in a token. A deleted client is kept: its id depends on the Idempotency-Key of its registration.
API_CLIENTS = Table(
    "api_clients",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", binary_string(200), nullable=False),
    Column("secret_hash", binary_string(64), nullable=False),
    Column("scopes", binary_string(500), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Id, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
    Index("api_clients_by_creation", "created_at", "id"),
)

# The `slot` says what a key signs: access tokens, or heads of the audit trail.
SIGNING_KEYS = Table(
    "signing_keys",
    METADATA,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("kid", binary_string(64), nullable=False),
    Column("sealed", Text, nullable=False),
)

# The heads of the audit trail that were signed: of each day one, so that no second history of a day is ever signed.
SIGNED_AUDIT_HEADS = Table(
    "signed_audit_heads",
    METADATA,
    Column("day", Date, primary_key=True),
    Column("line_count", BigInteger, nullable=False),
    Column("hash", binary_string(64), nullable=False),
    Column("previous_hash", binary_string(64), nullable=False),
    Column("key_id", binary_string(64), nullable=False),
    Column("signature", Text, nullable=False),
    Column("signed_at", UtcDateTime, nullable=False),
)
