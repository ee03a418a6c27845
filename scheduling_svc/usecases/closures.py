"""Closing the clinic, or one of its locations: a block for every doctor who works there, also for doctors who are added later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Self
from uuid import UUID

from scheduling_svc.domain.claims import Claim
from scheduling_svc.domain.leaves import MAX_CLOSURE, Closure, require_valid_range
from scheduling_svc.domain.refusals import NoSuchClosure
from scheduling_svc.domain.terms import DoctorTerms
from scheduling_svc.ports import CalendarReader, CalendarStore, CalendarTransaction
from scheduling_svc.usecases.leaves import block_time
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AuditRecorded
from shared.contracts.grains import Span
from shared.contracts.http import Reservation
from shared.contracts.identity import Caller, Role, Service
from shared.contracts.values import format_instant
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.deadlines import remaining_seconds
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort, retry_transaction

MAX_WAIT_SECONDS = 4
MAX_LISTED = 1000
CLOSURES_LOCK = derive_id(UUID(int=0), "closures")
PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class ClosureResult:
    """A closure and the appointments in its time that have not begun, a thousand at most. They stay until someone decides about them.

    `complete` is True if these are all of them.
    """

    id: UUID
    starts_at: datetime
    ends_at: datetime
    reason: str
    location: str | None
    created_at: datetime
    settled: bool
    affected: list[Reservation]
    complete: bool

    @classmethod
    def of(cls, closure: Closure, claims: Sequence[Claim]) -> Self:
        """Sort the claims by start and appointment id, and keep the first thousand."""
        affected = sorted(
            (claim.reservation() for claim in claims), key=lambda reservation: (reservation.starts_at, reservation.appointment_id)
        )
        return cls(
            id=closure.id,
            starts_at=closure.starts_at,
            ends_at=closure.ends_at,
            reason=closure.reason,
            location=closure.location,
            created_at=closure.created_at,
            settled=closure.settled,
            affected=affected[:MAX_LISTED],
            complete=len(affected) <= MAX_LISTED,
        )


async def apply_closures(tx: CalendarTransaction, doctor: DoctorTerms) -> None:
    """Bring the blocks of one doctor into line with all closures.

    The lock ensures that a closure which is saved at the same time is applied to this doctor, too.
    """
    await tx.lock(CLOSURES_LOCK)
    for closure in await tx.list_open_closures():
        await _apply_closure(tx, closure, doctor)


async def _apply_closure(tx: CalendarTransaction, closure: Closure, doctor: DoctorTerms) -> None:
    block = closure.block_of(doctor.id)
    await (block_time(tx, block) if closure.applies_to(doctor) else tx.delete_block(block))


@dataclass(frozen=True, slots=True)
class Closures:
    """The closures of the clinic."""

    store: CalendarStore
    now: Clock

    async def close(self, closure: Closure) -> ClosureResult:
        """Block the time of each doctor, and return the affected appointments. If the process stops, a job blocks the rest."""
        require_valid_range(closure.starts_at, closure.ends_at, self.now(), MAX_CLOSURE, fields=("from", "to"))
        saved = await self._settle_within_deadline(await self._insert_or_find(closure))
        return ClosureResult.of(saved, await self._list_affected(saved))

    async def lift(self, closure_id: UUID, *, by: Caller) -> None:
        """Reopen the time of a closure; raise NoSuchClosure if it was lifted before."""
        await self._settle_within_deadline(await self._mark_lifted(closure_id, by))

    @retry_on_abort
    async def get(self, closure_id: UUID) -> Closure:
        """Return a closure that was not lifted; raise NoSuchClosure."""
        async with self.store.read() as calendar:
            return await _get_closure(calendar, closure_id)

    @retry_on_abort
    async def list_closures(self, limit: int, after: tuple[str, ...] | None) -> list[Closure]:
        """Return the closures that were not lifted, the latest first: one more than `limit`, if there is one."""
        return await self.store.list_closures(limit + 1, after)

    async def settle_pending(self) -> int:
        """Finish the closures whose blocks are not settled, and return their number.

        If a closure fails, the others are still settled, and then the first error is raised.
        """
        pending, errors = await self._list_pending(), list[Exception]()
        for closure in pending:
            try:
                await self._settle(closure)
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return len(pending)

    @retry_on_abort
    async def _insert_or_find(self, closure: Closure) -> Closure:
        """Return the stored closure with this id; a repeated request finds the first one."""
        async with self.store.begin() as tx:
            await tx.lock(CLOSURES_LOCK)
            existing = await tx.find_closure(closure.id)
            if existing is None:
                await tx.save_closure(closure)
                await tx.add_event(_audit_event("closure.create", closure, Caller(closure.by_id, Role.ADMIN), self.now()))
        return existing or closure

    @retry_on_abort
    async def _mark_lifted(self, closure_id: UUID, by: Caller) -> Closure:
        async with self.store.begin() as tx:
            await tx.lock(CLOSURES_LOCK)
            lifted = (await _get_closure(tx, closure_id)).lift()
            await tx.save_closure(lifted)
            await tx.add_event(_audit_event("closure.lift", lifted, by, self.now()))
        return lifted

    @retry_on_abort
    async def _list_pending(self) -> list[Closure]:
        async with self.store.begin() as tx:
            return [closure for closure in await tx.list_open_closures() if not closure.settled]

    async def _settle_within_deadline(self, closure: Closure) -> Closure:
        """Settle a closure until the caller's deadline, and return its state then; the job settles the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(remaining_seconds(MAX_WAIT_SECONDS)):
                return await self._settle(closure)
        return closure

    async def _settle(self, closure: Closure) -> Closure:
        """Apply a closure to all doctors. If one fails, the others are still settled, and then the first error is raised.

        Each doctor is read alone, so that one whose rules cannot be read does not stop the others.
        """
        errors, last_id = list[Exception](), None
        while doctor_ids := await retry_transaction(partial(self.store.list_doctor_ids, PAGE_SIZE, last_id)):
            for doctor_id in doctor_ids:
                try:
                    await self._settle_doctor(closure.id, doctor_id)
                except Exception as error:
                    log_event("closure_not_applied", logging.ERROR, closure=closure.id, doctor=doctor_id, reason=type(error).__name__)
                    errors.append(error)
            last_id = doctor_ids[-1]
        if errors:
            raise errors[0]
        return await self._mark_settled(closure)

    @retry_on_abort
    async def _settle_doctor(self, closure_id: UUID, doctor_id: UUID) -> None:
        """Apply a closure to one doctor. Both are read again under the lock, because they may have changed meanwhile."""
        async with self.store.begin() as tx:
            await tx.lock(CLOSURES_LOCK)
            closure, doctors = await tx.find_closure(closure_id), await tx.list_doctors([doctor_id])
            if closure is not None and doctors:
                await _apply_closure(tx, closure, doctors[0])

    @retry_on_abort
    async def _mark_settled(self, closure: Closure) -> Closure:
        """Mark a closure as settled, unless it was lifted meanwhile and must be settled again."""
        async with self.store.begin() as tx:
            await tx.lock(CLOSURES_LOCK)
            stored = await tx.find_closure(closure.id)
            if stored is None or stored.lifted != closure.lifted:
                return stored or closure
            settled = replace(stored, settled=True)
            await tx.save_closure(settled)
        return settled

    async def _list_affected(self, closure: Closure) -> list[Claim]:
        """Return the claims in the time of a closure, in no order; for each page of doctors at most one more than can be listed."""
        doctor_ids = [doctor.id async for doctor in self._iterate_doctors() if closure.applies_to(doctor)]
        claims: list[Claim] = []
        for index in range(0, len(doctor_ids), PAGE_SIZE):
            claims += await self._list_affected_of(doctor_ids[index : index + PAGE_SIZE], closure.span)
        return claims

    @retry_on_abort
    async def _list_affected_of(self, doctor_ids: list[UUID], span: Span) -> list[Claim]:
        async with self.store.read() as calendar:
            return await calendar.list_affected_claims(doctor_ids, span, self.now(), MAX_LISTED + 1)

    async def _iterate_doctors(self) -> AsyncIterator[DoctorTerms]:
        last_id: UUID | None = None
        while doctors := await self._list_doctors_after(last_id):
            for doctor in doctors:
                yield doctor
            last_id = doctors[-1].id

    @retry_on_abort
    async def _list_doctors_after(self, doctor_id: UUID | None) -> list[DoctorTerms]:
        return await self.store.list_all_doctors(PAGE_SIZE, doctor_id)


def _audit_event(action: str, closure: Closure, by: Caller, at: datetime) -> AuditRecorded:
    times = {"starts_at": format_instant(closure.starts_at), "ends_at": format_instant(closure.ends_at)}
    before, after = (None, times) if action == "closure.create" else (times, None)
    return audit_event(Service.SCHEDULING, by, action, closure.id, at=at, before=before, after=after, row_id=closure.id)


async def _get_closure(calendar: CalendarReader, closure_id: UUID) -> Closure:
    closure = await calendar.find_closure(closure_id)
    if closure is None or closure.lifted:
        raise NoSuchClosure
    return closure
