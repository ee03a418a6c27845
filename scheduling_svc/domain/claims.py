"""Claims: which appointment has taken which time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self
from uuid import UUID

from scheduling_svc.domain.refusals import NoSuchReservation
from scheduling_svc.domain.terms import ServiceTerms
from shared.contracts.appointments import OverrideCode
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import AppointmentEvent
from shared.contracts.grains import Span, grain_of, instant_of
from shared.contracts.http import Reservation, ReserveTime
from shared.contracts.identity import Caller
from shared.contracts.relayed_refusals import ReservationReleased

BEGUN_STATUSES = frozenset({"checked_in", "in_progress", "completed"})
OVERLAPPING_OVERRIDES = frozenset({OverrideCode.OVERBOOK, OverrideCode.ON_LEAVE})
"""The overrides by which a visit lies over other claims of its doctor."""


class ResourceSpan(NamedTuple):
    """A span of the time of one resource: a doctor or a patient."""

    resource_id: UUID
    span: Span


@dataclass(frozen=True, slots=True)
class GroupSession:
    """A visit that several patients share. It takes the time of the doctor once and has one seat per patient."""

    id: UUID
    service_id: UUID
    doctor_id: UUID
    visit: Span
    span: Span

    @classmethod
    def at(cls, service: ServiceTerms, doctor_id: UUID, start: int) -> Self:
        """Return the session that starts at a grain. Its id is derived from doctor, service and start, so that every request finds the
        same."""
        session_id = derive_id(doctor_id, service.id, start)
        return cls(session_id, service.id, doctor_id, service.visit_span(start), service.doctor_span(start))

    @property
    def resource_spans(self) -> list[ResourceSpan]:
        """The time that the session takes: that of the doctor, buffers included."""
        return [ResourceSpan(self.doctor_id, self.span)]


@dataclass(frozen=True, slots=True)
class BookedSlot:
    """The time of an appointment with a doctor, in grains: the `visit`, and the `span` it takes of the doctor, buffers included.

    `session_id` names the group session in which the appointment has a seat, if it has one.
    """

    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    visit: Span
    span: Span
    session_id: UUID | None = None

    @classmethod
    def of(cls, patient_id: UUID, service: ServiceTerms, doctor_id: UUID, start: int) -> Self:
        """Return the slot of a visit that starts at a grain. Whether it can be booked is decided in `availability`."""
        session_id = GroupSession.at(service, doctor_id, start).id if service.is_group else None
        return cls(service.id, doctor_id, patient_id, service.visit_span(start), service.doctor_span(start), session_id)

    @property
    def duration(self) -> int:
        """The length of the visit, in grains, as it was agreed when it was booked."""
        return len(self.visit)

    @property
    def session(self) -> GroupSession | None:
        """The group session in which this is a seat."""
        return GroupSession(self.session_id, self.service_id, self.doctor_id, self.visit, self.span) if self.session_id else None

    def satisfies(self, request: ReserveTime) -> bool:
        """Return True if a request asks for just this visit; a request without a doctor accepts any.

        The patient may be another one: that is the one into whom the patient of the visit was merged.
        """
        visit = (self.service_id, instant_of(self.visit.start))
        return visit == (request.service_id, request.starts_at) and request.doctor_id in (None, self.doctor_id)

    @property
    def resource_spans(self) -> list[ResourceSpan]:
        """The time that the slot takes: of the doctor with buffers, of the patient without.

        A seat takes no time of the doctor, because its session does. The time of a doctor who is the patient too is taken once.
        """
        doctor = [] if self.session_id else [ResourceSpan(self.doctor_id, self.span)]
        patient = [] if self.doctor_id == self.patient_id else [ResourceSpan(self.patient_id, self.visit)]
        return doctor + patient

    def grains(self) -> list[tuple[UUID, int]]:
        """Return (resource id, grain) for every grain that is taken, in the order of the primary key."""
        return sorted((resource_id, grain) for resource_id, span in self.resource_spans for grain in span)


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim of an appointment to its time. A released claim stays, so that a request that arrives after the release is refused.

    `slot` is None if the claim was released before it was ever made. `may_overlap` is True if it lies over other claims, in a lane of its
    own. `begun` is True once the visit takes place; a leave does not affect it any more. `requested` is True while the clinic has not
    approved the visit. `archived` is True once the time is over and its grains are deleted. `appointment_version` is the newest version of
    the appointment that an event or a request has named, so that a late event does not undo the effect of a newer one. `override` is the
    rule that staff had to lift for this time.
    """

    appointment_id: UUID
    revision: int
    slot: BookedSlot | None
    live: bool = True
    may_overlap: bool = False
    begun: bool = False
    appointment_version: int = 0
    requested: bool = False
    archived: bool = False
    override: OverrideCode | None = None

    @property
    def id(self) -> UUID:
        """The id of the claim, which is that of its appointment."""
        return self.appointment_id

    @property
    def resource_spans(self) -> list[ResourceSpan]:
        """The time that the claim takes now; an archived claim takes none."""
        return self.slot.resource_spans if self.live and not self.archived and self.slot is not None else []

    @property
    def overlapping_resource_ids(self) -> frozenset[UUID]:
        """The people whose time the claim may share with other claims, in a lane of its own.

        They are doctor and patient of a claim that may overlap others, and the doctor of a visit that staff booked over others. A doctor
        who is the patient, too, is left out then, because no patient is in two visits at once.
        """
        if self.slot is None:
            return frozenset()
        if self.may_overlap:
            return frozenset({self.slot.doctor_id, self.slot.patient_id})
        return frozenset({self.slot.doctor_id} - {self.slot.patient_id}) if self.lies_over_others else frozenset()

    @property
    def lies_over_others(self) -> bool:
        """True if staff have lifted a rule that keeps the visit from lying over other claims of its doctor."""
        return self.override in OVERLAPPING_OVERRIDES

    @property
    def session(self) -> GroupSession | None:
        """The group session in which the claim has a seat now."""
        return self.slot.session if self.live and self.slot is not None else None

    def has_answered(self, request: ReserveTime) -> bool:
        """Return True if the claim is the result of this request or of a later one; refuse a request that was overtaken by a release."""
        if request.revision > self.revision:
            return False
        if not self.live:
            raise ReservationReleased
        return True

    def is_visible_to(self, caller: Caller) -> bool:
        """Return True if the caller is the patient, the doctor or staff."""
        return caller.is_staff or (self.slot is not None and caller.id in (self.slot.patient_id, self.slot.doctor_id))

    def can_move_within(self, service: ServiceTerms) -> bool:
        """Return True if the claim holds time and is for this service; a move keeps the service."""
        return self.live and self.slot is not None and self.slot.service_id == service.id

    def already_holds(self, request: ReserveTime) -> bool:
        """Return True if the claim holds just the visit that a new request asks for, so that nothing is decided again."""
        return self.live and self.slot is not None and self.slot.satisfies(request)

    def renew(self, request: ReserveTime) -> Self:
        """Return the claim, which already holds the requested time, as the answer to a new request.

        The request decides whether the visit has begun and who its patient is, unless an event of a newer version of the appointment has
        told otherwise.
        """
        if request.appointment_version < self.appointment_version:
            return replace(self, revision=request.revision)
        slot = self._slot_of(request.patient_id)
        return replace(self, revision=request.revision, slot=slot, begun=request.begun, appointment_version=request.appointment_version)

    def follow(self, event: AppointmentEvent) -> Self:
        """Return the claim with what an event tells of the visit; self if it tells nothing new or a newer version is known."""
        begun, requested, slot = event.status in BEGUN_STATUSES, event.status == "requested", self._slot_of(event.patient_id)
        if event.version <= self.appointment_version or (begun, requested, slot) == (self.begun, self.requested, self.slot):
            return self
        return replace(self, slot=slot, begun=begun, requested=requested, appointment_version=event.version)

    def change_patient(self, patient_id: UUID) -> Self:
        """Return the claim as that of the patient into whom its patient was merged."""
        return replace(self, slot=self._slot_of(patient_id))

    def has_other_patient(self, previous: Claim) -> bool:
        """Return True if the claim holds the time of the previous one, whose patient was merged into the present one."""
        if self.slot is None or self.slot == previous.slot:
            return False
        return self.live and previous.live and self.slot == previous._slot_of(self.slot.patient_id)

    def _slot_of(self, patient_id: UUID) -> BookedSlot | None:
        """Return the slot as that of a patient."""
        return replace(self.slot, patient_id=patient_id) if self.slot else None

    def release(self, revision: int) -> Self:
        """Return the released claim, or self if a later request has overtaken this release."""
        if revision < self.revision:
            return self
        return replace(self, revision=revision, live=False)

    def cancel_by_clinic(self) -> Self:
        """Return the released claim with a revision later than that of every request so far, so that no request counts as newer."""
        return replace(self, revision=self.revision + 1, live=False)

    def move_to(self, slot: BookedSlot) -> Self:
        """Return the claim in the slot to which the clinic moves it."""
        return replace(self, slot=slot, live=True, may_overlap=False, archived=False, override=None)

    def reservation(self) -> Reservation:
        """Return the claim as other services see it; raise NoSuchReservation if it was never made."""
        if self.slot is None:
            raise NoSuchReservation
        return Reservation(
            appointment_id=self.appointment_id,
            service_id=self.slot.service_id,
            doctor_id=self.slot.doctor_id,
            patient_id=self.slot.patient_id,
            starts_at=instant_of(self.slot.visit.start),
            ends_at=instant_of(self.slot.visit.stop),
            revision=self.revision,
            live=self.live,
            override=self.override,
        )


def requested_slot(request: ReserveTime, service: ServiceTerms, doctor_id: UUID) -> BookedSlot:
    """Return the slot that a request asks for, with one doctor."""
    return BookedSlot.of(request.patient_id, service, doctor_id, grain_of(request.starts_at))


def granted_claim(
    appointment_id: UUID, request: ReserveTime, slot: BookedSlot, previous: Claim | None, override: OverrideCode | None = None
) -> Claim:
    """Return the claim for a slot that was granted, with the rule that had to be lifted for it.

    It keeps the facts that events have reported about the appointment, but the visit has not begun.
    """
    version = max(request.appointment_version, previous.appointment_version if previous else 0)
    requested = previous is not None and previous.requested
    return Claim(appointment_id, request.revision, slot, appointment_version=version, requested=requested, override=override)


def begun_claim(appointment_id: UUID, request: ReserveTime, service: ServiceTerms) -> Claim:
    """Return the claim of a visit that takes place already. It may overlap other claims, and takes no seat of a group session."""
    assert request.doctor_id is not None
    slot = replace(requested_slot(request, service, request.doctor_id), session_id=None)
    return Claim(
        appointment_id,
        request.revision,
        slot,
        may_overlap=True,
        begun=True,
        appointment_version=request.appointment_version,
        override=request.override,
    )
