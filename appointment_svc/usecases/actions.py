"""Everything that can be done with an appointment after it was booked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from appointment_svc.domain import rules
from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.overrides import ADMINS_ONLY, OverridePolicy
from appointment_svc.domain.recording import Change
from appointment_svc.domain.refusals import DoctorInactive, PatientInactive
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.transitions import RESTORABLE, AppointmentStatus
from appointment_svc.ports import AppointmentStore, DoctorLookup, PatientLookup, RowChanged
from appointment_svc.usecases.guardians import require_not_merged, require_visible
from appointment_svc.usecases.row_changes import retry_on_row_changed
from appointment_svc.usecases.synchronize import CalendarSynchronizer
from shared.contracts.derived_ids import derive_id
from shared.contracts.http import Actor, StaffOverride
from shared.contracts.identity import Caller
from shared.contracts.refusals import NotFound, require_version
from shared.kit.clock import Clock
from shared.kit.ids import new_id
from shared.kit.retry import retry_on_abort

Decision = Callable[[Appointment, Change], Appointment]


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Who acts on which appointment.

    `expected_version` is the version that the caller has seen, None if unknown. `operation_id` is the same when a request is repeated
    under its Idempotency-Key. `own_ids` are the ids of all changes that the request makes, where these are several.
    `dependant_id` is the patient for whom the caller acts as a guardian, where this was verified by other means than the caller's token.
    """

    caller: Caller
    appointment_id: UUID
    expected_version: int | None
    operation_id: UUID
    own_ids: frozenset[UUID] = frozenset()
    dependant_id: UUID | None = None

    def is_repeated(self, current: Appointment) -> bool:
        """Return True if the operation was applied before, and nothing else has changed since the version that the caller has seen.

        Raise the refusal again if the operation was refused.
        """
        if self.expected_version is not None and current.has_changed_since(self.expected_version, self.own_ids | {self.operation_id}):
            return False
        return current.already_applied(self.operation_id)


@dataclass(frozen=True, slots=True)
class AppointmentActions:
    """Each action raises NoSuchAppointment, Stale, IllegalMove, or Unavailable when the calendar does not answer."""

    store: AppointmentStore
    synchronizer: CalendarSynchronizer
    doctors: DoctorLookup
    patients: PatientLookup
    now: Clock
    override_policy: OverridePolicy = ADMINS_ONLY

    async def reschedule(
        self,
        context: ActionContext,
        *,
        starts_at: datetime | None = None,
        doctor_id: UUID | None = None,
        note: str | None = None,
        override: StaffOverride | None = None,
    ) -> Appointment:
        """Move the appointment to another time or doctor; None keeps the current one.

        The appointment keeps its id. The calendar frees the old time in the transaction that reserves the new one.
        """
        doctor = await self._choose_doctor(context, doctor_id) if doctor_id else None

        def move(current: Appointment, change: Change) -> Appointment:
            return current.reschedule(change, starts_at=starts_at, doctor=doctor, override=override)

        return await self.apply(context, move, note)

    async def cancel(self, context: ActionContext, reason: str | None) -> Appointment:
        """Cancel the appointment. Cancelling it again changes nothing."""
        return await self.apply(context, Appointment.cancel, reason)

    async def decline(self, context: ActionContext, reason: str | None) -> Appointment:
        """Decline a requested appointment."""
        return await self.apply(context, Appointment.decline, reason)

    async def approve(self, context: ActionContext) -> Appointment:
        """Approve a requested appointment."""
        return await self.apply(context, Appointment.approve)

    async def check_in(self, context: ActionContext) -> Appointment:
        """Record that the patient has arrived."""
        return await self.apply(context, Appointment.check_in)

    async def start(self, context: ActionContext) -> Appointment:
        """Record that the visit has begun."""
        return await self.apply(context, Appointment.start)

    async def complete(self, context: ActionContext) -> Appointment:
        """Record that the visit is over."""
        return await self.apply(context, Appointment.complete)

    async def miss(self, context: ActionContext) -> Appointment:
        """Record that the patient did not come; raise TooEarly before the start."""
        return await self.apply(context, Appointment.miss)

    async def restore(self, context: ActionContext) -> Appointment:
        """Book a cancelled, declined or missed appointment again at its old time, or undo a mistaken check-in.

        A rule that was lifted for it is lifted again only if the caller may lift it. Raise DoctorInactive or PatientInactive if either is
        not active any more.
        """
        doctor = await self._find_doctor_to_restore(context)

        def restore(current: Appointment, change: Change) -> Appointment:
            return current.restore(change, doctor, lifts_again=self._may_lift_again(context.caller, current))

        return await self.apply(context, restore)

    async def amend(self, context: ActionContext, fields: dict[str, Any]) -> Appointment:
        """Change reason or intake."""
        return await self.apply(context, lambda current, change: current.amend(fields, change))

    async def edit(
        self,
        context: ActionContext,
        *,
        starts_at: datetime | None,
        doctor_id: UUID | None,
        status: AppointmentStatus | None,
        reason: str,
        override: StaffOverride | None = None,
    ) -> Appointment:
        """Change an appointment for staff: move it, then set its status. An illegal status aborts both.

        `override` is the rule of the calendar that they lift. Raise OverrideNotAllowed if they may not.
        """
        self.override_policy.require_may_override(context.caller, override)
        status_id = derive_id(context.operation_id, "status")
        context = replace(context, own_ids=frozenset({context.operation_id, status_id}))
        status_context = replace(context, operation_id=status_id)
        restored_doctor = await self._find_doctor_to_restore(status_context) if status is AppointmentStatus.BOOKED else None

        def set_status(current: Appointment, change: Change) -> Appointment:
            lifts_again = self._may_lift_again(context.caller, current)
            return current.transition_to(status or current.status, change, restored_doctor, override, lifts_again)

        current = await self._get_visible(context)
        if (starts_at is None and doctor_id is None) or current.already_applied(status_id):
            return await self.apply(status_context, set_status, reason)
        set_status(replace(current, starts_at=starts_at or current.starts_at), self._change(status_context, reason))
        moved = await self.reschedule(context, starts_at=starts_at, doctor_id=doctor_id, note=reason, override=override)
        seen_version = moved.version if context.expected_version is not None else None
        return await self.apply(replace(status_context, expected_version=seen_version), set_status, reason)

    @retry_on_abort
    async def apply(self, context: ActionContext, decide: Decision, note: str | None = None) -> Appointment:
        """Read the appointment, decide, save and synchronise it; decide again if it was changed meanwhile."""

        async def apply_once() -> Appointment:
            current = await self.synchronizer.complete_before_change(await self._load(context))
            if context.is_repeated(current):
                return current
            require_version(current.version, context.expected_version)
            changed = decide(current, self._change(context, note))
            if changed == current:
                return current
            completed = await self.synchronizer.complete_after_change(await self.store.save(changed))
            if not completed.already_applied(context.operation_id):
                raise RowChanged  # another change has replaced this one before it was complete
            return completed

        return (await retry_on_row_changed(apply_once)).as_seen_by(context.caller)

    def _may_lift_again(self, caller: Caller, current: Appointment) -> bool:
        """Return True if the caller may lift the rule that was lifted for an appointment."""
        return current.overridden is not None and self.override_policy.may_lift(caller, current.overridden.code)

    def _change(self, context: ActionContext, note: str | None) -> Change:
        return Change(Actor.from_caller(context.caller), self.now(), context.operation_id, event_id=new_id(), note=note)

    @retry_on_abort
    async def _get_visible(self, context: ActionContext) -> Appointment:
        return await self._load(context)

    async def _load(self, context: ActionContext) -> Appointment:
        appointment = await self.store.get(context.appointment_id)
        if context.dependant_id is not None:
            return rules.require_visible(context.caller, appointment, context.dependant_id)
        if rules.may_repeat(context.caller, appointment, context.operation_id):
            return appointment
        return await require_visible(self.patients, context.caller, appointment)

    @retry_on_abort
    async def _find_doctor_to_restore(self, context: ActionContext) -> DoctorSnapshot | None:
        """Return the doctor as they are now; None if there is nothing to restore, which the transition itself refuses.

        Raise Stale, DoctorInactive or PatientInactive, or Unavailable while the appointment has not followed a merge of its patient.
        """
        current = await self._load(context)
        if current.doctor is None or current.status not in RESTORABLE or context.is_repeated(current):
            return None
        require_version(current.version, context.expected_version)
        try:
            doctor = await self.doctors.get_doctor(current.doctor.id)
        except NotFound:
            raise DoctorInactive from None
        try:
            patient = await self.patients.get_summary(current.patient_id)
        except NotFound:
            await require_not_merged(self.patients, current.patient_id)
            raise PatientInactive from None
        rules.require_active(doctor, patient)
        return DoctorSnapshot.of(doctor)

    async def _choose_doctor(self, context: ActionContext, doctor_id: UUID) -> DoctorSnapshot:
        """Return the stored snapshot if the doctor stays the same; raise DoctorInactive if another one does not work here."""
        current = await self._get_visible(context)
        if current.doctor is not None and current.doctor.id == doctor_id:
            return current.doctor
        doctor = await self.doctors.get_doctor(doctor_id)
        if not doctor.active:
            raise DoctorInactive
        return DoctorSnapshot.of(doctor)
