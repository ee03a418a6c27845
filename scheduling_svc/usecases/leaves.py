"""The leaves of doctors. A leave and the decisions about the appointments in its time are carried out in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduling_svc.domain import leaves
from scheduling_svc.domain.claims import BookedSlot, Claim
from scheduling_svc.domain.leaves import (
    MAX_AFFECTED,
    MAX_LEAVE,
    AffectedAppointment,
    BlockKind,
    Leave,
    LeaveAction,
    LeaveDecision,
    TimeBlock,
)
from scheduling_svc.domain.refusals import AffectedChanged, NoSuchLeave, TooManyAffected, UnknownDoctor
from scheduling_svc.domain.terms import ServiceOffer
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import CalendarReader, CalendarStore, CalendarTransaction
from scheduling_svc.usecases.evaluation import load_evaluation, require_bookable
from scheduling_svc.usecases.proposals import ProposalPlanner
from scheduling_svc.usecases.reservations import cap_lock_keys, drop_holds, require_current_patient
from scheduling_svc.usecases.rule_cache import RuleCache
from shared.contracts.events import AuditRecorded, LeaveTaken
from shared.contracts.grains import grain_of
from shared.contracts.http import Actor, LeaveOutcome
from shared.contracts.identity import Caller, Service
from shared.contracts.refusals import Conflict, Invalid
from shared.contracts.relayed_refusals import NoSuchDoctor
from shared.contracts.values import format_instant
from shared.kit.audit import audit_event
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort


class _AffectedChanged(Exception):
    """Raised within the transaction when other appointments are in the time than those that were decided about."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """The leaves of doctors."""

    store: CalendarStore
    rules: RuleCache
    now: Clock

    @retry_on_abort
    async def preview(self, doctor_id: UUID, starts_at: datetime, ends_at: datetime, by: Caller) -> list[AffectedAppointment]:
        """Return the appointments in the time of a leave, in the order of time, with starts to which each could be moved.

        All proposals can be taken at once. Visits that have begun are not affected. Raise TooManyAffected for more than 200 appointments.
        """
        await self._require_valid(doctor_id, starts_at, ends_at)
        block = TimeBlock(new_id(), BlockKind.LEAVE, doctor_id, leaves.grains_touched(starts_at, ends_at))
        return await self._propose(block, by)

    @retry_on_abort
    async def take(self, leave: Leave, by: Caller) -> Leave:
        """Block the time, carry out the decision about each appointment in it, and publish one event. A refusal undoes everything.

        Raise AffectedChanged, with the appointments that are in the time now, if they are not those that were decided about.
        """
        await self._require_valid(leave.doctor_id, leave.starts_at, leave.ends_at)
        leaves.require_consistent(leave.outcomes)
        try:
            async with self.store.begin() as tx:
                if (existing := await tx.find_leave(leave.id)) is not None:
                    return existing
                await self._carry_out(tx, leave, by)
        except _AffectedChanged:
            raise AffectedChanged(affected=await self._propose(leave.block, by)) from None
        return leave

    @retry_on_abort
    async def withdraw(self, doctor_id: UUID, leave_id: UUID, *, by: Caller) -> None:
        """Reopen the time of a leave; cancelled and moved appointments are not restored."""
        async with self.store.begin() as tx:
            leave = await _get_leave(tx, doctor_id, leave_id)
            await tx.delete_block(leave.block)
            await tx.delete_leave(leave)
            await tx.add_event(_audit_event("leave.withdraw", leave, by, self.now()))

    @retry_on_abort
    async def get(self, doctor_id: UUID, leave_id: UUID) -> Leave:
        """Return a leave of a doctor; raise NoSuchLeave."""
        async with self.store.read() as calendar:
            return await _get_leave(calendar, doctor_id, leave_id)

    @retry_on_abort
    async def list_leaves(self, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
        """Return the leaves of a doctor, the latest first: one more than `limit`, if there is one."""
        await self._require_doctor(doctor_id)
        return await self.store.list_leaves(doctor_id, limit + 1, after)

    async def _require_valid(self, doctor_id: UUID, starts_at: datetime, ends_at: datetime) -> None:
        leaves.require_valid_range(starts_at, ends_at, self.now(), MAX_LEAVE, fields=("starts_at", "ends_at"))
        await self._require_doctor(doctor_id)

    async def _require_doctor(self, doctor_id: UUID) -> None:
        try:
            await self.rules.ensure_doctor(doctor_id)
        except UnknownDoctor:
            raise NoSuchDoctor from None

    async def _propose(self, block: TimeBlock, by: Caller) -> list[AffectedAppointment]:
        now = self.now()
        async with self.store.read() as calendar:
            claims = await _list_affected(calendar, block, now)
            planner = ProposalPlanner(calendar, by, now, block)
            return [await planner.propose(claim) for claim in claims]

    async def _carry_out(self, tx: CalendarTransaction, leave: Leave, by: Caller) -> None:
        """Block the time first: after that no appointment can be booked in it, so the appointments that are read next stay the same."""
        await block_time(tx, leave.block)
        affected = await _list_affected(tx, leave.block, self.now())
        if {claim.id for claim in affected} != {decision.appointment_id for decision in leave.outcomes}:
            raise _AffectedChanged
        await tx.add_event(_audit_event("leave.take", leave, by, self.now()))
        displaced = await self._displace(tx, {claim.id: claim for claim in affected}, leave.outcomes, by)
        await tx.insert_leave(leave)
        await tx.add_event(
            LeaveTaken(
                id=new_id(),
                occurred_at=self.now(),
                leave_id=leave.id,
                doctor_id=leave.doctor_id,
                starts_at=leave.starts_at,
                ends_at=leave.ends_at,
                displaced=displaced,
                actor=Actor.from_caller(by),
            )
        )

    async def _displace(
        self, tx: CalendarTransaction, claims: Mapping[UUID, Claim], outcomes: Sequence[LeaveDecision], by: Caller
    ) -> list[LeaveOutcome]:
        """Release all claims that are cancelled or moved before any of them is moved, so that two appointments can change places."""
        displaced = [(claims[outcome.appointment_id], outcome) for outcome in outcomes if outcome.action is not LeaveAction.KEEP]
        for claim, _ in displaced:
            await tx.save_claim(claim.cancel_by_clinic(), claim)
        return [leaves.leave_outcome(claim, await self._apply_decision(tx, claim, outcome, by)) for claim, outcome in displaced]

    async def _apply_decision(self, tx: CalendarTransaction, claim: Claim, decision: LeaveDecision, by: Caller) -> Claim:
        """Return the claim after the decision about it; a refusal of a move names the appointment."""
        if decision.action is LeaveAction.CANCEL:
            return claim.cancel_by_clinic()
        try:
            return await self._move(tx, claim.cancel_by_clinic(), decision, by)
        except (Conflict, Invalid) as refusal:
            refusal.facts["appointment_id"] = claim.id
            raise

    async def _move(self, tx: CalendarTransaction, claim: Claim, decision: LeaveDecision, by: Caller) -> Claim:
        """Move a released claim to its new time, by the same rules as every booking."""
        assert claim.slot is not None
        assert decision.starts_at is not None
        slot, doctor_id = claim.slot, decision.doctor_id or claim.slot.doctor_id
        service, doctors = await tx.find_service(slot.service_id), await tx.list_doctors([doctor_id])
        if service is None or not doctors:
            raise UnknownDoctor(pointer="/affected")
        service = service.with_duration(slot.duration)
        await tx.lock(*cap_lock_keys(service, doctors))
        viewer = Viewer.of(by, self.now(), patient_id=slot.patient_id)
        evaluation = await load_evaluation(tx, ServiceOffer(service, doctors), decision.starts_at, viewer)
        await require_bookable(tx, evaluation)
        hold = await drop_holds(tx, evaluation, doctor_id)
        moved = claim.move_to(BookedSlot.of(slot.patient_id, service, doctor_id, grain_of(decision.starts_at)))
        await tx.save_claim(moved, claim, capacity=service.capacity, from_hold=hold)
        await require_current_patient(tx, moved)
        return moved


def _audit_event(action: str, leave: Leave, by: Caller, at: datetime) -> AuditRecorded:
    times = {"starts_at": format_instant(leave.starts_at), "ends_at": format_instant(leave.ends_at)}
    before, after = (None, times) if action == "leave.take" else (times, None)
    return audit_event(Service.SCHEDULING, by, action, leave.doctor_id, at=at, before=before, after=after, row_id=leave.id)


async def block_time(tx: CalendarTransaction, block: TimeBlock) -> None:
    """Block time of a doctor and drop the holds in it, because they can no longer be booked."""
    await tx.insert_block(block)
    for hold in await tx.list_holds_overlapping(block.doctor_id, block.span):
        await tx.drop_hold(hold)


async def _get_leave(calendar: CalendarReader, doctor_id: UUID, leave_id: UUID) -> Leave:
    leave = await calendar.find_leave(leave_id)
    if leave is None or leave.doctor_id != doctor_id:
        raise NoSuchLeave
    return leave


async def _list_affected(calendar: CalendarReader, block: TimeBlock, now: datetime) -> Sequence[Claim]:
    """Return the claims in a block whose visits have not begun; raise TooManyAffected if they are too many to decide about at once."""
    claims = await calendar.list_affected_claims([block.doctor_id], block.span, now, MAX_AFFECTED + 1)
    if len(claims) > MAX_AFFECTED:
        raise TooManyAffected(pointer="/ends_at", limit=MAX_AFFECTED)
    return claims
