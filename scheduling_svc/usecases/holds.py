"""Holding time for a few minutes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from scheduling_svc.domain.holds import MAX_HOLDS, Hold, HoldRequest, require_may_hold_for
from scheduling_svc.domain.refusals import NoSuchHold, TooManyHolds
from scheduling_svc.domain.viewer import Viewer
from scheduling_svc.ports import CalendarStore, CalendarTransaction, PatientDirectory
from scheduling_svc.usecases.evaluation import load_evaluation, require_bookable
from scheduling_svc.usecases.reservations import cap_lock_keys
from scheduling_svc.usecases.rule_cache import RuleCache, load_offer
from shared.contracts.grains import grain_of
from shared.contracts.identity import Caller
from shared.contracts.relayed_refusals import NoSuchPatient, PatientWasMerged
from shared.kit.clock import Clock
from shared.kit.retry import retry_on_abort


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds of the people who book."""

    store: CalendarStore
    rules: RuleCache
    now: Clock
    patients: PatientDirectory

    @retry_on_abort
    async def hold(self, hold_id: UUID, request: HoldRequest, by: Caller) -> Hold:
        """Hold a time that can be booked, in place of the owner's last hold for this service; a repeated request gets the same hold.

        Raise the refusal if the time cannot be booked, TooManyHolds if the owner has the maximum for other services, or what
        `require_may_hold_for` raises for the patient whom the request names.
        """
        await self.require_may_hold_for(request.patient_id, by)
        await self.rules.ensure(request.service_id, [request.doctor_id])
        async with self.store.begin() as tx:
            offer = await load_offer(tx, request.service_id, [request.doctor_id])
            service = offer.service
            await tx.lock(by.id, *cap_lock_keys(service, offer.doctors))
            if (existing := await tx.find_hold(hold_id)) is not None:
                return existing.require_owner(by.id)
            now = self.now()
            evaluation = await load_evaluation(tx, offer, request.starts_at, Viewer.of(by, now, patient_id=request.patient_id))
            await require_bookable(tx, evaluation)
            hold = Hold.of(hold_id, by.id, service, request.doctor_id, grain_of(request.starts_at), now)
            await self._drop_replaced(tx, hold, evaluation.removable_holds(request.doctor_id))
            await tx.insert_hold(hold, capacity=service.capacity)
        return hold

    async def require_may_hold_for(self, patient_id: UUID | None, by: Caller) -> None:
        """Raise NoSuchPatient if the owner may not book for a patient, or PatientWasMerged for staff who name a merged patient.

        Without a patient the hold is one for the owner.
        """
        if patient_id is None or patient_id == by.id:
            return
        try:
            require_may_hold_for(by, await self.patients.get_summary(patient_id))
        except PatientWasMerged:
            if by.is_staff:
                raise
            raise NoSuchPatient from None

    async def _drop_replaced(self, tx: CalendarTransaction, hold: Hold, in_the_way: list[Hold]) -> None:
        """Drop the holds that a new one replaces; raise TooManyHolds if too many others remain."""
        own = await tx.list_holds_of_owner(hold.owner_id)
        now = self.now()
        replaced = {other.id: other for other in in_the_way}
        replaced |= {other.id: other for other in own if other.service_id == hold.service_id or not other.is_active(now)}
        if len([other for other in own if other.id not in replaced]) >= MAX_HOLDS:
            raise TooManyHolds(limit=MAX_HOLDS)
        for other in replaced.values():
            await tx.drop_hold(other)

    @retry_on_abort
    async def extend(self, hold_id: UUID, by: Caller) -> Hold:
        """Extend a hold by five minutes, once and before it ends."""
        async with self.store.begin() as tx:
            await tx.lock(by.id)
            extended = (await _get_own(tx, hold_id, by)).extend(self.now())
            await tx.extend_hold(extended)
        return extended

    @retry_on_abort
    async def drop(self, hold_id: UUID, by: Caller) -> None:
        """Give a held time back. Harmless to repeat."""
        async with self.store.begin() as tx:
            await tx.lock(by.id)
            await tx.drop_hold(await _get_own(tx, hold_id, by))

    @retry_on_abort
    async def get(self, hold_id: UUID, by: Caller) -> Hold:
        """Return an active hold of the caller; raise NoSuchHold."""
        async with self.store.read() as calendar:
            hold = await calendar.find_hold(hold_id)
        if hold is None or not hold.require_owner(by.id).is_active(self.now()):
            raise NoSuchHold
        return hold


async def _get_own(tx: CalendarTransaction, hold_id: UUID, by: Caller) -> Hold:
    hold = await tx.find_hold(hold_id)
    if hold is None:
        raise NoSuchHold
    return hold.require_owner(by.id)
