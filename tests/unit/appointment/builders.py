"""A small clinic for tests of appointments: a doctor in Berlin, a check-up of half an hour, and who acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from appointment_svc.domain.snapshots import Cards, DoctorSnapshot
from appointment_svc.domain.wishes import Wish
from shared.contracts.events import LeaveTaken
from shared.contracts.http import Actor, DoctorRules, LeaveOutcome, PatientSummary, ServiceTypeRules
from shared.contracts.identity import Caller, Role
from shared.kit.ids import new_id

DOCTOR, COLLEAGUE, CHECKUP = UUID(int=0xD1), UUID(int=0xD2), UUID(int=0x5)
PATIENT, STRANGER = UUID(int=0xA), UUID(int=0xB)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
NINE = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)  # nine in Berlin, a week later
TEN = NINE + timedelta(hours=1)
HALF = timedelta(minutes=30)

ANNA = Caller(PATIENT, Role.PATIENT)
DR_WEISS = Caller(DOCTOR, Role.DOCTOR)
DESK = Caller(UUID(int=0xF1), Role.RECEPTION)
ADMIN = Caller(UUID(int=0xF2), Role.ADMIN)
BY = Actor.from_caller(DESK)


def a_doctor(**changes: Any) -> DoctorRules:
    fields: dict[str, Any] = {"id": DOCTOR, "full_name": "Ada Weiss", "title": "Dr.", "location": "Room 4", "time_zone": "Europe/Berlin"}
    return DoctorRules(**fields | {"services": [CHECKUP], "version": 1} | changes)


def remembered(**changes: Any) -> DoctorSnapshot:
    """The doctor as an appointment has them."""
    return DoctorSnapshot.of(a_doctor(**changes))


def a_service(**changes: Any) -> ServiceTypeRules:
    fields: dict[str, Any] = {"id": CHECKUP, "name": "Knee check-up", "specialty": "Orthopaedics", "duration_minutes": 30}
    return ServiceTypeRules(**fields | {"slot_step_minutes": 30, "horizon_days": 90, "version": 1} | changes)


def a_patient(**changes: Any) -> PatientSummary:
    return PatientSummary(**{"id": PATIENT, "full_name": "Anna Ames", "time_zone": "Europe/Lisbon", "locale": "pt", "version": 1} | changes)


def cards(**service: Any) -> Cards:
    return Cards(a_service(**service), a_doctor(), a_patient())


def a_wish(**changes: Any) -> Wish:
    fields: dict[str, Any] = {"service_id": CHECKUP, "doctor_id": DOCTOR, "starts_at": NINE}
    return Wish(**fields | changes)


def with_anyone(**changes: Any) -> Appointment:
    """One for which whoever is free was asked for; the calendar has not answered."""
    wish = a_wish(doctor_id=None, starts_at=changes.pop("starts_at", NINE))
    asked = Appointment.asked(changes.pop("id", None) or new_id(), replace(cards(), doctor=None), wish, Actor.from_caller(ANNA), NOON)
    return replace(asked, **changes)


def a_displaced(one: Appointment, action: str = "cancelled", **changes: Any) -> LeaveOutcome:
    """What a leave did to an appointment as it stands; moved ones an hour on, to a colleague."""
    fields: dict[str, Any] = {"appointment_id": one.id, "action": action, "revision": one.revision + 1}
    fields |= {"previous_doctor_id": one.doctor_id, "previous_starts_at": one.starts_at}
    if action == "moved":
        later = one.starts_at + timedelta(hours=1)
        fields |= {"doctor_id": COLLEAGUE, "starts_at": later, "ends_at": later + HALF}
    return LeaveOutcome(**fields | changes)


def a_leave(*displaced: LeaveOutcome) -> LeaveTaken:
    """Of the doctor, all day, entered by themselves."""
    begins, by = NINE - timedelta(hours=1), Actor.from_caller(DR_WEISS)
    times = {"occurred_at": NOON, "starts_at": begins, "ends_at": begins + timedelta(hours=10)}
    return LeaveTaken(id=new_id(), leave_id=new_id(), doctor_id=DOCTOR, displaced=list(displaced), actor=by, **times)


def an_appointment(status: Status = Status.BOOKED, *, service: dict[str, Any] | None = None, **changes: Any) -> Appointment:
    """One that came to a status long ago, with nothing left to be done."""
    starts_at = changes.pop("starts_at", NINE)
    asked = Appointment.asked(
        changes.pop("id", None) or new_id(), cards(**service or {}), a_wish(starts_at=starts_at), Actor.from_caller(ANNA), NOON
    )
    if status is Status.PENDING:
        return replace(asked, **changes)
    return replace(asked, status=status, intent=None, revision=1, version=2, **changes)
