"""A doctor's leave, decided in one transaction with what becomes of the appointments in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduling_svc.domain import leaves
from scheduling_svc.domain.claims import Claim, Place
from scheduling_svc.domain.diary import View
from scheduling_svc.domain.leaves import LONGEST_LEAVE, MOST_AFFECTED, Action, Affected, Block, Decision, Kind, Leave
from scheduling_svc.domain.refusals import AffectedChanged, NoSuchDoctor, NoSuchLeave, TooManyAffected, UnknownDoctor
from scheduling_svc.ports import Look, Store, Transaction
from scheduling_svc.usecases.proposals import Proposals
from scheduling_svc.usecases.reservations import counts, make_way
from scheduling_svc.usecases.rulebook import Rulebook
from scheduling_svc.usecases.sheets import Case
from shared.contracts.events import LeaveTaken
from shared.contracts.grains import grain_of
from shared.contracts.http import Actor, LeaveOutcome
from shared.contracts.identity import Caller
from shared.contracts.refusals import Conflict, Invalid
from shared.kit.clock import Clock
from shared.kit.ids import new_id


class _Changed(Exception):
    """The appointments are not those that were decided about."""


@dataclass(frozen=True, slots=True)
class Leaves:
    store: Store
    rulebook: Rulebook
    now: Clock

    async def preview(self, doctor_id: UUID, starts_at: datetime, ends_at: datetime, by: Caller) -> list[Affected]:
        """The appointments that a leave would hit, in the order of time, and where each could go: all can be taken at once.

        A visit that has begun stays as it is.
        """
        await self._allow(doctor_id, starts_at, ends_at)
        block, now = Block(new_id(), Kind.LEAVE, doctor_id, leaves.whole_grains(starts_at, ends_at)), self.now()
        async with self.store.look() as look:
            claims = _decidable(await look.affected([doctor_id], block.span, now, MOST_AFFECTED + 1))
            proposals = Proposals(look, by, now, block)
            return [await proposals.for_one(claim) for claim in claims]

    async def take(self, leave: Leave, by: Caller) -> Leave:
        """Blocks the time, and does to each appointment in it what `outcomes` say; all of it or nothing.

        Refuses with `affected_changed` when other appointments stand there than those decided about. One event tells what was displaced.
        """
        await self._allow(leave.doctor_id, leave.starts_at, leave.ends_at)
        leaves.sound(leave.outcomes)
        try:
            async with self.store.begin() as tx:
                if (known := await tx.leave(leave.id)) is not None:
                    return known
                await self._taken(tx, leave, by)
        except _Changed:
            affected = await self.preview(leave.doctor_id, leave.starts_at, leave.ends_at, by)
            raise AffectedChanged(affected=affected) from None
        return leave

    async def withdraw(self, doctor_id: UUID, leave_id: UUID) -> None:
        """The time reopens; what was decided about appointments stays."""
        async with self.store.begin() as tx:
            leave = await _of(tx, doctor_id, leave_id)
            await tx.unblock(leave.block)
            await tx.drop_leave(leave)

    async def find(self, doctor_id: UUID, leave_id: UUID) -> Leave:
        async with self.store.look() as look:
            return await _of(look, doctor_id, leave_id)

    async def listed(self, doctor_id: UUID, limit: int, after: tuple[str, ...] | None) -> list[Leave]:
        """The latest first; one more than `limit`, if there is."""
        await self._known(doctor_id)
        return await self.store.leaves(doctor_id, limit + 1, after)

    async def _allow(self, doctor_id: UUID, starts_at: datetime, ends_at: datetime) -> None:
        leaves.bounded(starts_at, ends_at, self.now(), LONGEST_LEAVE, ("starts_at", "ends_at"))
        await self._known(doctor_id)

    async def _known(self, doctor_id: UUID) -> None:
        try:
            await self.rulebook.doctor(doctor_id)
        except UnknownDoctor:
            raise NoSuchDoctor from None

    async def _taken(self, tx: Transaction, leave: Leave, by: Caller) -> None:
        """The block first: from then on nothing new can come into its time, so that what stands there is what is decided about."""
        await shut(tx, leave.block)
        affected = _decidable(await tx.affected([leave.doctor_id], leave.span, self.now(), MOST_AFFECTED + 1))
        if {claim.id for claim in affected} != {decision.appointment_id for decision in leave.outcomes}:
            raise _Changed
        displaced = await self._displaced(tx, {claim.id: claim for claim in affected}, leave.outcomes, by)
        await tx.add_leave(leave)
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

    async def _displaced(
        self, tx: Transaction, claims: Mapping[UUID, Claim], outcomes: Sequence[Decision], by: Caller
    ) -> list[LeaveOutcome]:
        """All who go make room first, so that one may have another's place, or two change theirs."""
        going = [(claims[outcome.appointment_id], outcome) for outcome in outcomes if outcome.action is not Action.KEEP]
        for claim, _ in going:
            await tx.put(claim.called_off(), claim)
        return [leaves.displaced(claim, await self._after(tx, claim, outcome, by)) for claim, outcome in going]

    async def _after(self, tx: Transaction, claim: Claim, outcome: Decision, by: Caller) -> Claim:
        """A claim as it stands afterwards."""
        if outcome.action is Action.CANCEL:
            return claim.called_off()
        try:
            return await self._moved(tx, claim.called_off(), outcome, by)
        except (Conflict, Invalid) as refusal:
            refusal.facts["appointment_id"] = claim.id
            raise

    async def _moved(self, tx: Transaction, claim: Claim, decision: Decision, by: Caller) -> Claim:
        """By the same decision as every booking."""
        assert claim.place is not None
        assert decision.starts_at is not None
        place, doctor_id = claim.place, decision.doctor_id or claim.place.doctor_id
        service, doctors = await tx.service(place.service_id), await tx.doctors([doctor_id])
        if service is None or not doctors:
            raise UnknownDoctor(pointer="/affected")
        await tx.alone(*counts(service, [doctor_id]))
        view = View.of(by, self.now(), patient_id=place.patient_id)
        case = await Case.of(tx, service, doctors, decision.starts_at, view)
        await case.granted()
        await make_way(tx, case, doctor_id)
        moved = claim.brought_to(Place.of(place.patient_id, service, doctor_id, grain_of(decision.starts_at)))
        await tx.put(moved, claim, seats=service.capacity)
        return moved


async def shut(tx: Transaction, block: Block) -> None:
    """Blocks a time of the doctor's; what is held in it cannot be booked any more."""
    await tx.block(block)
    for hold in await tx.holds_in(block.doctor_id, block.span):
        await tx.drop(hold)


async def _of(look: Look, doctor_id: UUID, leave_id: UUID) -> Leave:
    leave = await look.leave(leave_id)
    if leave is None or leave.doctor_id != doctor_id:
        raise NoSuchLeave
    return leave


def _decidable(claims: Sequence[Claim]) -> Sequence[Claim]:
    if len(claims) > MOST_AFFECTED:
        raise TooManyAffected(pointer="/ends_at", most=MOST_AFFECTED)
    return claims
