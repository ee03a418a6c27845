"""Builders for tests of appointments: a doctor in Berlin, a check-up of half an hour, and the callers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.booking import BookingParties
from appointment_svc.domain.calendar_sync import CalendarSync
from appointment_svc.domain.recording import Change
from appointment_svc.domain.snapshots import DoctorSnapshot
from appointment_svc.domain.sync_decisions import AnswerKind, CalendarAnswer, answer_to_request, next_action, reservation_request
from appointment_svc.domain.sync_outcomes import SyncStep, apply_action
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.domain.visit_links import LinkTokens
from appointment_svc.schemas import BookAppointment
from shared.contracts.contacts import PatientContact
from shared.contracts.events import LeaveTaken
from shared.contracts.http import Actor, DoctorRules, LeaveOutcome, PatientSummary, Reservation, ReserveTime, ServiceTypeRules
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Refusal
from shared.kit.ids import new_id

DOCTOR, COLLEAGUE, CHECKUP = UUID(int=0xD1), UUID(int=0xD2), UUID(int=0x5)
PATIENT, STRANGER = UUID(int=0xA), UUID(int=0xB)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
NINE = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)  # nine in Berlin, a week later
TEN = NINE + timedelta(hours=1)
HALF = timedelta(minutes=30)

LINK_TOKENS = LinkTokens("the secret of links in tests")

ANNA = Caller(PATIENT, Role.PATIENT)
DR_WEISS = Caller(DOCTOR, Role.DOCTOR)
DESK = Caller(UUID(int=0xF1), Role.RECEPTION)
ADMIN = Caller(UUID(int=0xF2), Role.ADMIN)
DESK_ACTOR = Actor.from_caller(DESK)


def a_doctor(**changes: Any) -> DoctorRules:
    fields: dict[str, Any] = {"id": DOCTOR, "full_name": "Ada Weiss", "title": "Dr.", "location": "Room 4", "time_zone": "Europe/Berlin"}
    return DoctorRules(**fields | {"services": [CHECKUP], "version": 1} | changes)


def a_doctor_snapshot(**changes: Any) -> DoctorSnapshot:
    """The doctor as an appointment stores them."""
    return DoctorSnapshot.of(a_doctor(**changes))


def a_service(**changes: Any) -> ServiceTypeRules:
    fields: dict[str, Any] = {"id": CHECKUP, "name": "Knee check-up", "specialty": "Orthopaedics", "duration_minutes": 30}
    return ServiceTypeRules(**fields | {"slot_step_minutes": 30, "horizon_days": 90, "version": 1} | changes)


def a_patient(**changes: Any) -> PatientSummary:
    return PatientSummary(**{"id": PATIENT, "full_name": "Anna Ames", "time_zone": "Europe/Lisbon", "locale": "pt", "version": 1} | changes)


def a_patient_contact(**changes: Any) -> PatientContact:
    return PatientContact(
        **{"id": PATIENT, "full_name": "Anna Ames", "time_zone": "Europe/Lisbon", "locale": "de-AT", "version": 1} | changes
    )


def booking_parties(**service: Any) -> BookingParties:
    return BookingParties(a_service(**service), a_doctor(), a_patient())


def a_booking_request(**changes: Any) -> BookAppointment:
    fields: dict[str, Any] = {"service_id": CHECKUP, "doctor_id": DOCTOR, "starts_at": NINE}
    return BookAppointment(**fields | changes)


def a_change(actor: Actor = DESK_ACTOR, at: datetime = NOON, *, operation_id: UUID | None = None, note: str | None = None) -> Change:
    return Change(actor, at, operation_id or new_id(), event_id=new_id(), note=note)


def request_of(appointment: Appointment) -> ReserveTime:
    """The request to the calendar that the intent of an appointment stands for."""
    assert appointment.sync.intent is not None
    return reservation_request(appointment, appointment.sync.intent)


def after_reply(appointment: Appointment, reply: Reservation | Refusal, doctor: DoctorSnapshot | None = None) -> Appointment:
    """The appointment after the calendar's reply to its intent."""
    assert appointment.sync.intent is not None
    answer = answer_to_request(appointment.sync.intent, reply)
    step = SyncStep(appointment, answer, appointment.sync.intent.change(NOON, event_id=new_id()), doctor or appointment.sync.intent.doctor)
    return apply_action(next_action(appointment, answer), step)


def after_release(appointment: Appointment) -> Appointment:
    """The appointment after the calendar has confirmed its release."""
    answer = CalendarAnswer(AnswerKind.RELEASE_CONFIRMED)
    return apply_action(next_action(appointment, answer), SyncStep(appointment, answer, a_change()))


def pending_with_any_doctor(**changes: Any) -> Appointment:
    """A pending appointment for which any doctor may be chosen."""
    request = a_booking_request(doctor_id="any", starts_at=changes.pop("starts_at", NINE))
    appointment_id = changes.pop("id", None) or new_id()
    change = a_change(Actor.from_caller(ANNA), operation_id=appointment_id)
    return replace(Appointment.requested(appointment_id, replace(booking_parties(), doctor=None), request, change), **changes)


def a_leave_outcome(appointment: Appointment, action: str = "cancelled", **changes: Any) -> LeaveOutcome:
    """What a leave did to the reservation of an appointment; a moved one is an hour later, with a colleague."""
    fields: dict[str, Any] = {"appointment_id": appointment.id, "action": action, "revision": appointment.sync.revision + 1}
    fields |= {"previous_doctor_id": appointment.doctor_id, "previous_starts_at": appointment.starts_at}
    if action == "moved":
        later = appointment.starts_at + timedelta(hours=1)
        fields |= {"doctor_id": COLLEAGUE, "starts_at": later, "ends_at": later + HALF}
    return LeaveOutcome(**fields | changes)


def a_leave(*outcomes: LeaveOutcome) -> LeaveTaken:
    """The event of a leave of the doctor, for the whole day, entered by the doctor."""
    begins, actor = NINE - timedelta(hours=1), Actor.from_caller(DR_WEISS)
    times = {"occurred_at": NOON, "starts_at": begins, "ends_at": begins + timedelta(hours=10)}
    return LeaveTaken(id=new_id(), leave_id=new_id(), doctor_id=DOCTOR, displaced=list(outcomes), actor=actor, **times)


def an_appointment(
    status: AppointmentStatus = AppointmentStatus.BOOKED, *, service: dict[str, Any] | None = None, **changes: Any
) -> Appointment:
    """An appointment that reached its status long ago and has no intent; a pending one has its booking intent.

    `revision` and `intent` set those fields of its calendar sync.
    """
    request = a_booking_request(starts_at=changes.pop("starts_at", NINE))
    appointment_id = changes.pop("id", None) or new_id()
    change = a_change(Actor.from_caller(ANNA), operation_id=appointment_id)
    appointment = Appointment.requested(appointment_id, booking_parties(**service or {}), request, change)
    if status is not AppointmentStatus.PENDING:
        appointment = replace(appointment, status=status, sync=CalendarSync(revision=changes.pop("revision", 1)), version=2)
    return replace(appointment, **changes)


def with_sync(appointment: Appointment, **changes: Any) -> Appointment:
    """The appointment with other fields of its calendar sync."""
    return replace(appointment, sync=replace(appointment.sync, **changes))


def link_hash_of(appointment: Appointment) -> str:
    """The hash of the link of the appointment's patient."""
    return LINK_TOKENS.hash_for(appointment.id, appointment.patient_id)
