"""The database of admin-service, as the use cases need it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from admin_svc.domain.audit import AuditFilter, AuditLine
from admin_svc.domain.audit_chain import ChainEnd, DayHead
from admin_svc.domain.users import NewUser, PendingUser
from shared.contracts.audit import AuditHeadSignature


class ChainTransaction(Protocol):
    """A transaction that can append to the audit trail."""

    async def lock_chain_end(self) -> ChainEnd:
        """Return the end of the chain, which no other transaction changes until this one ends."""

    async def save_chain_end(self, end: ChainEnd) -> None:
        """Store the new end of the chain, which this transaction has locked."""

    async def has_line(self, line_id: UUID) -> bool:
        """Return whether a line with this id is stored."""

    async def append_line(self, line: AuditLine) -> None:
        """Append a line that has its place in the chain."""

    async def insert_head(self, head: DayHead) -> None:
        """Store the head of a day that has ended."""


class UserTransaction(ChainTransaction, Protocol):
    """A transaction with pending users: it commits on leaving and rolls back on any exception."""

    async def insert_pending_user(self, user: NewUser, requested_at: datetime) -> None:
        """Insert a user whose creation begins, unless the id is stored already."""

    async def delete_pending_user(self, user_id: UUID) -> None:
        """Delete a pending user, if there is one with this id."""

    async def take_due_users(self, now: datetime) -> list[PendingUser]:
        """Return some of the users whose creation is due, and record when each is due again; the pauses grow."""


class UserStore(Protocol):
    """The pending users in the database of admin-service."""

    def begin(self) -> AbstractAsyncContextManager[UserTransaction]:
        """Open a transaction."""


class AuditTransaction(ChainTransaction, Protocol):
    """A transaction with the audit trail: it commits on leaving and rolls back on any exception."""

    async def save_signature(self, signed: AuditHeadSignature, signed_at: datetime) -> None:
        """Store the signature of a head, unless it has one."""

    async def save_merge(self, patient_id: UUID, into: UUID) -> None:
        """Record that a patient was merged into another one. Several merges may be recorded in any order, and one of them twice."""

    async def mark_handled(self, event_id: UUID) -> bool:
        """Record that this transaction handles an event; return False if one did before."""


class OldAuditLines(Protocol):
    """The recording days of the audit trail that are older than the clinic keeps them."""

    async def delete_lines(self, before: date, now: datetime, limit: int) -> int:
        """Delete up to `limit` lines of the oldest recording day (UTC), if it is before another day and its head is signed.

        Return how many. The head stays, and says that its lines are being deleted.
        """


class AuditStore(Protocol):
    """The audit trail in the database of admin-service. Through this port its lines are never changed and never deleted."""

    def begin(self) -> AbstractAsyncContextManager[AuditTransaction]:
        """Open a transaction."""

    async def list_former_ids(self, patient_id: UUID) -> Sequence[UUID]:
        """Return the ids of patients who were merged into this one, directly or through others, MAX_FORMER_IDS at most."""

    async def list_lines(self, wanted: AuditFilter, limit: int, after: tuple[str, ...] | None) -> list[AuditLine]:
        """Return up to `limit` lines, newest first, after the one whose instant and id are the sort key `after`. Raises BadCursor."""

    async def list_day_lines(self, day: date, after_position: int, limit: int) -> list[AuditLine]:
        """Return up to `limit` lines of a recording day (UTC) after a position, in the order of the chain."""

    async def get_chain_end(self) -> ChainEnd:
        """Return the end of the chain."""

    async def list_heads(self, limit: int, after: tuple[str, ...] | None) -> list[DayHead]:
        """Return up to `limit` heads, newest first, after the one whose day is the sort key `after`. Raises BadCursor."""

    async def list_heads_since(self, after: date | None, limit: int) -> list[DayHead]:
        """Return up to `limit` heads in the order of their days, after a day or from the first one on."""

    async def list_unsigned_heads(self, limit: int) -> list[DayHead]:
        """Return up to `limit` heads without a signature, the oldest first."""
