"""Changing many appointments at once: each by itself, once, and with an outcome of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from admin_svc.domain.audit import AuditLine
from admin_svc.domain.bulk import (
    KEEP_OUTCOMES,
    MAX_ITEMS,
    BulkAction,
    BulkChange,
    BulkItem,
    BulkOutcome,
    BulkRequest,
    BulkTarget,
    OutcomeStatus,
    outcome_after,
    preview_of_move,
    preview_of_status,
)
from admin_svc.domain.refusals import NoSuchBulkChange
from admin_svc.ports import AdminAppointment
from admin_svc.ports.bulk import BulkAppointments, BulkStore, ClinicMessages, MovePlanning
from admin_svc.usecases.audit import append_to_chain
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AuditRecorded
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Service
from shared.contracts.moves import PlannedMove
from shared.contracts.refusals import Conflict, Forbidden, Invalid, NotFound, Refusal, Stale
from shared.contracts.values import format_instant
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.deadlines import remaining_seconds, shorten_deadline
from shared.kit.logs import log_event
from shared.kit.retry import retry_on_abort

AT_ONCE = 4
"""How many appointments of one bulk change are changed at the same time."""
REQUEST_SECONDS, RESERVED_SECONDS = 9.0, 4.0
"""How long a request works, and how much of that it leaves for the calls that are under way and for its answer."""
PAGE_SIZE = 100
DELETED_AT_ONCE = 50
ITEM_REFUSED = (Conflict, Invalid, Stale, NotFound, Forbidden)
"""The families of refusals that a repetition does not change."""


def has_time() -> bool:
    """Return True if a request may still begin with another appointment. A job always may."""
    return remaining_seconds(REQUEST_SECONDS) > RESERVED_SECONDS


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """What a bulk change would do. `complete` is False if a filter matches more appointments than one bulk change can have."""

    items: list[BulkItem]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class BulkChanges:
    """A change is stored before the first appointment is changed. What a request does not finish in time, the job does."""

    store: BulkStore
    appointments: BulkAppointments
    planning: MovePlanning
    messages: ClinicMessages
    now: Clock
    may_go_on: Callable[[], bool] = has_time

    async def start(self, change_id: UUID, request: BulkRequest, by: Caller) -> BulkChange:
        """Change the appointments, as far as there is time, and return the outcomes so far. A repetition with the same id continues."""
        with shorten_deadline(REQUEST_SECONDS):
            await self._insert(BulkChange(change_id, request, Actor.from_caller(by), self.now()))
            change = await self._carry_out(await self.get(change_id))
            if not change.is_finished:
                await self._make_due(change_id)
        return change

    @retry_on_abort
    async def get(self, change_id: UUID) -> BulkChange:
        """Return a bulk change with its outcomes so far. Raises NoSuchBulkChange."""
        async with self.store.begin() as tx:
            change = await tx.find_bulk_change(change_id)
        if change is None:
            raise NoSuchBulkChange
        return change

    async def complete_pending(self) -> int:
        """Go on with the bulk changes that a request did not finish; return how many were finished."""
        return sum([(await self._try_to_complete(change_id)) for change_id in await self._take_due()])

    @retry_on_abort
    async def delete_old(self) -> int:
        """Delete the outcomes of bulk changes that were finished long ago; return how many."""
        async with self.store.begin() as tx:
            return await tx.delete_bulk_changes(self.now() - KEEP_OUTCOMES, DELETED_AT_ONCE)

    async def preview(self, request: BulkRequest, by: Caller) -> BulkPreview:
        """Return the outcomes that a bulk change would have now. Nothing is changed."""
        found = await self.appointments.look_up([item.id for item in request.items])
        return BulkPreview(await self._preview_items(request, found, by))

    async def preview_matching(self, request: BulkRequest, query: Mapping[str, Any], target: BulkTarget, by: Caller) -> BulkPreview:
        """Return the same for the appointments that a filter matches, up to MAX_ITEMS of them, in the order of their starts."""
        found, after = dict[UUID, AdminAppointment](), None
        while len(found) <= MAX_ITEMS:
            page = await self.appointments.list_appointments(**query, limit=PAGE_SIZE, after=after)
            found |= {appointment.id: appointment for appointment in page.items}  # one that moves meanwhile can be on two pages
            if (after := page.next) is None:
                break
        items = tuple(BulkItem(position, item_id, target) for position, item_id in enumerate(list(found)[:MAX_ITEMS]))
        matching = BulkRequest(request.action, items, request.reason, request.text)
        return BulkPreview(await self._preview_items(matching, found, by), complete=len(found) <= MAX_ITEMS)

    async def _preview_items(self, request: BulkRequest, found: Mapping[UUID, AdminAppointment], by: Caller) -> list[BulkItem]:
        outcomes: dict[UUID, BulkOutcome] = {}
        moving = list[BulkItem]()
        for item in request.items:
            if item.id not in found:
                outcomes[item.id] = _refused(NotFound())
            elif (outcome := preview_of_status(request.action, found[item.id].status)) is not None:
                outcomes[item.id] = outcome
            else:
                moving.append(item)
        moves = [PlannedMove(appointment_id=item.id, doctor_id=item.target.doctor_id, starts_at=item.target.starts_at) for item in moving]
        for preview in await self.planning.preview(Actor.from_caller(by), moves) if moves else ():
            appointment = found[preview.appointment_id]
            current = BulkTarget(_doctor_of(appointment), appointment.starts_at)
            outcomes[preview.appointment_id] = preview_of_move(preview, current)
        return [item.with_outcome(outcomes.get(item.id, item.outcome)) for item in request.items]

    async def _carry_out(self, change: BulkChange) -> BulkChange:
        """Change the appointments that have no outcome yet, a few at the same time, and return the change with what was reached."""
        pending = [item for item in change.items if item.is_pending]
        if not pending:
            return change
        found = await self._look_up(pending)
        slots = asyncio.Semaphore(AT_ONCE)

        async def change_one(item: BulkItem) -> BulkItem:
            async with slots:
                if not self.may_go_on():
                    return item
                return await self._change_item(change, item, found.get(item.id))

        changed = await asyncio.gather(*map(change_one, pending))
        change = change.with_items({item.id: item for item in changed})
        if change.is_finished:
            await self._finish(change.id)
        return change

    async def _look_up(self, items: Sequence[BulkItem]) -> Mapping[UUID, AdminAppointment]:
        try:
            return await self.appointments.look_up([item.id for item in items])
        except Refusal as refusal:
            log_event("bulk_change_postponed", code=refusal.code)
            return {}

    async def _change_item(self, change: BulkChange, item: BulkItem, appointment: AdminAppointment | None) -> BulkItem:
        outcome = await self._try_to_change(change, item, appointment)
        if outcome.status is OutcomeStatus.PENDING and change.has_expired(self.now()):
            outcome = BulkOutcome(OutcomeStatus.FAILED, outcome.code, outcome.detail)
        if outcome.status is OutcomeStatus.PENDING:
            return item
        item = item.with_outcome(outcome)
        await self._save(change.id, item)
        return item

    async def _try_to_change(self, change: BulkChange, item: BulkItem, appointment: AdminAppointment | None) -> BulkOutcome:
        try:
            return await self._call(change, item, appointment)
        except ITEM_REFUSED as refusal:
            return _refused(refusal)
        except Refusal as refusal:
            log_event("bulk_item_postponed", change=str(change.id), appointment=str(item.id), code=refusal.code)
            return BulkOutcome(code=refusal.code, detail=refusal.detail)

    async def _call(self, change: BulkChange, item: BulkItem, appointment: AdminAppointment | None) -> BulkOutcome:
        """Ask the service that carries out the action; the id of the call is the same for every try."""
        request, call_id = change.request, derive_id(change.id, item.id)
        if request.action is BulkAction.MESSAGE:
            return await self._send(call_id, appointment or await self._get(item.id), request.text or "")
        if request.action is BulkAction.CANCEL:
            after = await self.appointments.cancel_for(item.id, change.by, call_id, request.reason)
        else:
            changes = {"reason": request.reason or "Moved with others", **_fields_of_move(item.target)}
            after = await self.appointments.update(item.id, changes, None, change.by, call_id)
        before = appointment.version if appointment else None
        return outcome_after(before, after.version, starts_at=after.starts_at, doctor_id=_doctor_of(after))

    async def _send(self, message_id: UUID, appointment: AdminAppointment, text: str) -> BulkOutcome:
        await self.messages.send(message_id, _patient_of(appointment), text)
        return BulkOutcome(OutcomeStatus.DONE, starts_at=appointment.starts_at, doctor_id=_doctor_of(appointment))

    async def _get(self, appointment_id: UUID) -> AdminAppointment:
        found = await self.appointments.look_up([appointment_id])
        if appointment_id not in found:
            raise NotFound
        return found[appointment_id]

    async def _try_to_complete(self, change_id: UUID) -> bool:
        """Return whether the change is finished. A failure is logged, so that it does not stop the others."""
        try:
            return (await self._carry_out(await self.get(change_id))).is_finished
        except Refusal as refusal:
            log_event("bulk_change_postponed", change=str(change_id), code=refusal.code)
        except Exception as error:
            log_event("bulk_change_failed", logging.ERROR, error=error, change=str(change_id))
        return False

    @retry_on_abort
    async def _insert(self, change: BulkChange) -> None:
        async with self.store.begin() as tx:
            await tx.insert_bulk_change(change)
            await append_to_chain(tx, AuditLine.from_event(_audit_event(change, self.now()), self.now()))

    @retry_on_abort
    async def _save(self, change_id: UUID, item: BulkItem) -> None:
        async with self.store.begin() as tx:
            await tx.save_bulk_item(change_id, item)

    @retry_on_abort
    async def _finish(self, change_id: UUID) -> None:
        async with self.store.begin() as tx:
            await tx.finish_bulk_change(change_id, self.now())

    @retry_on_abort
    async def _make_due(self, change_id: UUID) -> None:
        async with self.store.begin() as tx:
            await tx.make_bulk_change_due(change_id, self.now())

    @retry_on_abort
    async def _take_due(self) -> list[UUID]:
        async with self.store.begin() as tx:
            return await tx.take_due_bulk_changes(self.now())


def _audit_event(change: BulkChange, at: datetime) -> AuditRecorded:
    """Return the line about the whole request, once for all its repetitions; each appointment has lines of its own."""
    state = {"action": change.request.action.value, "appointments": str(len(change.items))}
    event = audit_event(Service.ADMIN, change.by, "bulk.start", change.id, at=at, after=state, row_id=change.id)
    return event.model_copy(update={"id": derive_id(change.id, "bulk.start")})


def _refused(refusal: Refusal) -> BulkOutcome:
    return BulkOutcome(OutcomeStatus.REFUSED, refusal.code, refusal.detail)


def _fields_of_move(target: BulkTarget) -> dict[str, str]:
    doctor = {"doctor_id": str(target.doctor_id)} if target.doctor_id else {}
    return doctor | ({"starts_at": format_instant(target.starts_at)} if target.starts_at else {})


def _doctor_of(appointment: AdminAppointment) -> UUID | None:
    doctor = (appointment.model_extra or {}).get("doctor")
    return UUID(str(doctor["id"])) if isinstance(doctor, dict) else None


def _patient_of(appointment: AdminAppointment) -> UUID:
    return UUID(str((appointment.model_extra or {})["patient_id"]))
