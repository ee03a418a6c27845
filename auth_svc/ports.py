"""What the use cases of auth-service need from outside."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from auth_svc.domain.accounts import Account
from auth_svc.domain.sessions import Reset, Session
from shared.contracts.events import Event
from shared.contracts.http import CreatePatient
from shared.contracts.identity import Role


class Transaction(Protocol):
    """Commits on leaving, rolls back on any exception. `get_` locks the row."""

    async def get_account(self, account_id: UUID) -> Account: ...

    async def find_account(self, account_id: UUID) -> Account | None: ...

    async def add_account(self, account: Account) -> None:
        """Refuses with EmailTaken."""

    async def save_account(self, account: Account) -> None:
        """Refuses with EmailTaken."""

    async def drop_account(self, account_id: UUID) -> None: ...

    async def other_active_admins(self, account_id: UUID) -> int:
        """Locks them, so that two admins cannot demote each other at once."""

    async def add_session(self, session: Session, refresh_hash: str) -> None: ...

    async def session_of_token(self, refresh_hash: str) -> tuple[Session, bool] | None:
        """Locks the session; the flag says whether this token was used before."""

    async def rotate(self, session: Session, old_hash: str, new_hash: str) -> None: ...

    async def live_sessions(self, account_id: UUID) -> list[Session]: ...

    async def end_session(self, session_id: UUID, at: datetime) -> None: ...

    async def add_reset(self, reset: Reset) -> None: ...

    async def get_reset(self, reset_id: UUID) -> Reset | None: ...

    async def drop_resets(self, account_id: UUID) -> None: ...

    async def mark_handled(self, event_id: UUID) -> bool: ...

    async def add_event(self, event: Event) -> None: ...


class Store(Protocol):
    """Ends of sessions that were announced are known to this very process right after the commit."""

    def begin(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def account(self, account_id: UUID) -> Account: ...

    async def account_by_email(self, email: str) -> Account | None: ...

    async def accounts(
        self, *, role: Role | None, status: str | None, text: str | None, limit: int, after: tuple[str, ...] | None
    ) -> list[Account]:
        """Up to `limit` in the order of their addresses; pending ones are not there."""

    async def pending_accounts(self, before: datetime, limit: int) -> list[Account]: ...

    async def has_admin(self) -> bool: ...

    async def ended_sessions(self, since: datetime) -> list[Session]: ...

    async def reset(self, reset_id: UUID) -> Reset | None: ...

    async def forget(self, before: datetime) -> int:
        """Removes sessions, tokens and resets that ended before; returns how many."""


class Hashing(Protocol):
    """argon2id in threads of its own; Unavailable when too many wait."""

    async def hash(self, password: str) -> str: ...

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Takes as long without a hash."""

    def is_outdated(self, password_hash: str) -> bool: ...


class Signing(Protocol):
    """Makes access tokens."""

    def access_token(self, account_id: UUID, role: Role, session_id: UUID, now: datetime) -> str: ...

    def service_token(self, name: str, now: datetime) -> str: ...


class Patients(Protocol):
    """The owner of the patients' half."""

    async def open(self, patient_id: UUID, profile: CreatePatient) -> None:
        """Harmless to repeat."""

    async def full_name(self, patient_id: UUID) -> str | None: ...
