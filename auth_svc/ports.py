"""What the use cases of auth-service need from outside: storage, password hashing, token signing and patient-service."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID

from auth_svc.domain.accounts import Account, PendingProfile
from auth_svc.domain.api_clients import ApiClient
from auth_svc.domain.audit_heads import SignedAuditHead
from auth_svc.domain.login_attempts import AttemptCounter, CounterKey
from auth_svc.domain.password_resets import PasswordReset
from auth_svc.domain.sessions import Session, StoredRefreshToken
from shared.contracts.audit import AuditHeadBody
from shared.contracts.events import Event
from shared.contracts.http import CreatePatient, PatientSummary
from shared.contracts.identity import Role, Scope


class AuthTransaction(Protocol):
    """A transaction: it commits on leaving and rolls back on any exception. Rows that it reads are locked until then."""

    async def get_account(self, account_id: UUID) -> Account:
        """Return an account. Raises NoSuchAccount."""

    async def find_account(self, account_id: UUID) -> Account | None:
        """Return an account, or None."""

    async def insert_account(self, account: Account) -> None:
        """Insert an account. Raises EmailTaken when the id or the email address exists already."""

    async def update_account(self, account: Account) -> None:
        """Store the new state of an account. Raises EmailTaken."""

    async def delete_pending_account(self, account_id: UUID) -> None:
        """Delete an account if it is still pending."""

    async def insert_pending_profile(self, pending: PendingProfile, requested_at: datetime) -> None:
        """Record that a patient's profile may not exist yet."""

    async def delete_pending_profile(self, account_id: UUID) -> bool:
        """Record that a profile exists or is not needed any more; return False if it was not pending."""

    async def take_due_profiles(self, now: datetime, limit: int) -> list[PendingProfile]:
        """Return pending profiles that are due, and record when each is due again; the pauses grow."""

    async def count_other_active_admins(self, account_id: UUID) -> int:
        """Return the number of active admins besides this account. All are locked, so that two admins cannot disable each other."""

    async def insert_session(self, session: Session, token_hash: str) -> None:
        """Insert a session with the hash of its first refresh token."""

    async def insert_session_without_refresh_token(self, session: Session) -> None:
        """Insert a session that cannot be renewed."""

    async def find_refresh_token(self, token_hash: str) -> StoredRefreshToken | None:
        """Return a refresh token with its session, or None when the token is unknown."""

    async def replace_refresh_token(self, session: Session, used_hash: str, new_hash: str) -> None:
        """Mark one refresh token as used, add the next one, and save the session's times and address."""

    async def list_live_sessions(self, account_id: UUID) -> list[Session]:
        """Return the sessions of an account that have not been ended; some of them may have expired."""

    async def list_surplus_sessions(self, account_id: UUID, now: datetime, *, keep: int, limit: int) -> list[Session]:
        """Return live sessions of an account besides the `keep` that were used last, at most `limit`. They are not locked."""

    async def has_live_session(self, account_id: UUID, address: str, now: datetime) -> bool:
        """True when a live session of an account was last renewed from an address, given as its digest."""

    async def end_session(self, session_id: UUID, ended_at: datetime) -> None:
        """Record when a session was ended, and number it when the transaction commits."""

    async def delete_session_details(self, account_id: UUID) -> int:
        """Delete the refresh tokens of an account and the digests of the addresses of its sessions; return how many tokens."""

    async def delete_account(self, account_id: UUID) -> None:
        """Delete an account."""

    async def insert_password_reset(self, reset: PasswordReset) -> None:
        """Insert a reset."""

    async def find_password_reset(self, reset_id: UUID) -> PasswordReset | None:
        """Return a reset, expired or not, or None when it was used or replaced."""

    async def delete_password_resets(self, account_id: UUID) -> None:
        """Delete all resets of an account."""

    async def lock_attempts(self, keys: Sequence[CounterKey]) -> list[AttemptCounter]:
        """Return the counters of some keys, in their order; a counter that did not exist counts nothing."""

    async def save_attempts(self, counter: AttemptCounter) -> None:
        """Store the new state of a locked counter."""

    async def delete_attempts(self, account: str) -> None:
        """Delete the counters of an account, given as its digest."""

    async def insert_api_client(self, client: ApiClient) -> bool:
        """Insert an API client; return False if there is one with its id, or was before it was deleted."""

    async def get_registered_api_client(self, client_id: UUID) -> ApiClient:
        """Return an API client that exists, or existed before it was deleted."""

    async def find_api_client(self, client_id: UUID) -> ApiClient | None:
        """Return an API client that has not been deleted, or None."""

    async def update_api_client(self, client: ApiClient) -> None:
        """Store the new state of an API client."""

    async def find_signed_head(self, day: date) -> SignedAuditHead | None:
        """Return the head of the audit trail that was signed for a day, or None."""

    async def insert_signed_head(self, head: SignedAuditHead) -> bool:
        """Store a signed head; return False if one of its day is stored already."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""

    async def add_event(self, event: Event) -> None:
        """Publish an event once the transaction has committed."""


class AuthStore(Protocol):
    """The database of auth-service. Once a transaction with SessionEnded events has committed, this process refuses those sessions."""

    def begin(self) -> AbstractAsyncContextManager[AuthTransaction]:
        """Open a transaction."""

    async def get_account(self, account_id: UUID) -> Account:
        """Return an account. Raises NoSuchAccount."""

    async def find_account(self, account_id: UUID) -> Account | None:
        """Return an account, or None."""

    async def find_account_by_email(self, email: str) -> Account | None:
        """Return the account with a normalized email address, or None."""

    async def list_accounts_by_id(self, ids: Collection[UUID]) -> list[Account]:
        """Return the accounts among `ids` that exist, pending ones too, with one query."""

    async def list_accounts(
        self, *, role: Role | None, status: str | None, text: str | None, limit: int, after: tuple[str, ...] | None
    ) -> list[Account]:
        """Return accounts in the order of their email addresses, without pending ones. `text` is a part of the address or the name.

        `after` is the sort key of the last account of the previous page: its email address.
        """

    async def find_api_client(self, client_id: UUID) -> ApiClient | None:
        """Return an API client that has not been deleted, or None."""

    async def list_api_clients(self, limit: int, after: tuple[str, ...] | None) -> list[ApiClient]:
        """Return API clients that have not been deleted, in the order of their creation.

        `after` is the sort key of the last one of the previous page. Raises BadCursor.
        """

    async def find_pending_profile(self, account_id: UUID) -> PendingProfile | None:
        """Return the pending profile of an account, or None when the profile exists or none is needed."""

    async def has_admin(self) -> bool:
        """True when there is an admin, whatever the status of the account."""

    async def list_ended_sessions(self, since: datetime, after: int, limit: int) -> tuple[list[Session], int]:
        """Return sessions that were ended at `since` or later and have a higher number than `after`, in the order of their numbers.

        The second value is the highest number that any session ever had. No session gets a lower number later.
        """

    async def list_sessions(self, account_id: UUID, limit: int) -> list[Session]:
        """Return up to `limit` sessions of an account, ended ones too, the one that was used last first."""

    async def number_ended_sessions(self, limit: int) -> int:
        """Number ended sessions that have no number yet, because the previous release ended them; return how many."""

    async def find_password_reset(self, reset_id: UUID) -> PasswordReset | None:
        """Return a reset, expired or not, or None when it was used or replaced."""

    async def delete_expired(self, before: datetime) -> int:
        """Delete some sessions, refresh tokens and resets that ended or expired before an instant; return the number of sessions."""

    async def delete_expired_attempts(self, now: datetime) -> int:
        """Delete some counters of attempts that count nothing any more; return how many."""


class PasswordHasher(Protocol):
    """Hashes passwords outside of the event loop. Raises Unavailable when too many are waiting."""

    async def hash(self, password: str) -> str:
        """Return a salted hash that `verify` accepts."""

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Return whether the password has this hash. Without a hash it takes the same time and returns False."""

    def is_outdated(self, password_hash: str) -> bool:
        """True when the hash was made with other parameters than those in use."""


class TokenSigner(Protocol):
    """Signs access tokens."""

    @property
    def public_key(self) -> dict[str, str]:
        """The key that verifies the tokens, as a JSON Web Key (RFC 7517)."""

    def sign_access_token(
        self, account_id: UUID, role: Role, session_id: UUID, *, signed_in_at: datetime, now: datetime, lifetime: timedelta
    ) -> str:
        """Return a token for a person in a session, which began at `signed_in_at` (claim `auth_time`, RFC 9068)."""

    def sign_client_token(self, client_id: UUID, scopes: Collection[Scope], *, now: datetime, lifetime: timedelta) -> str:
        """Return a token for an API client, whose session is the client itself."""

    def sign_service_token(self, service_name: str, *, now: datetime, lifetime: timedelta) -> str:
        """Return a token for a service."""


class AuditHeadKey(Protocol):
    """The key that signs heads of the audit trail, and nothing else."""

    @property
    def key_id(self) -> str:
        """The id of the key."""

    @property
    def public_key(self) -> dict[str, str]:
        """The key that verifies the signatures, as a JSON Web Key (RFC 7517)."""

    def sign_head(self, day: date, head: AuditHeadBody, *, now: datetime) -> str:
        """Return a JSON Web Signature of type `audit-head+jwt` over a head."""


class PatientProfileClient(Protocol):
    """patient-service, which owns the patients' profiles."""

    async def create_profile(self, patient_id: UUID, profile: CreatePatient) -> None:
        """Create the profile; repeating the call changes nothing. Raises NoSuchPatient for the id of a patient who was erased."""

    async def find_profile(self, patient_id: UUID) -> PatientSummary | None:
        """Return a profile, or None when there is none."""
