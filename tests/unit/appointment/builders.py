"""A small clinic for tests of appointments: a doctor in Berlin, a check-up of half an hour, and who acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from appointment_svc.domain.snapshots import Cards
from appointment_svc.domain.wishes import Wish
from shared.contracts.http import Actor, DoctorRules, PatientCard, ServiceRules
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
BY = Actor.of(DESK)


def a_doctor(**changes: Any) -> DoctorRules:
    fields: dict[str, Any] = {"id": DOCTOR, "full_name": "Ada Weiss", "title": "Dr.", "location": "Room 4", "time_zone": "Europe/Berlin"}
    return DoctorRules(**fields | {"services": [CHECKUP], "version": 1} | changes)


def a_service(**changes: Any) -> ServiceRules:
    fields: dict[str, Any] = {"id": CHECKUP, "name": "Knee check-up", "specialty": "Orthopaedics", "duration_minutes": 30}
    return ServiceRules(**fields | {"slot_step_minutes": 30, "horizon_days": 90, "version": 1} | changes)


def a_patient(**changes: Any) -> PatientCard:
    return PatientCard(**{"id": PATIENT, "full_name": "Anna Ames", "time_zone": "Europe/Lisbon", "locale": "pt", "version": 1} | changes)


def cards(**service: Any) -> Cards:
    return Cards(a_service(**service), a_doctor(), a_patient())


def a_wish(**changes: Any) -> Wish:
    fields: dict[str, Any] = {"service_id": CHECKUP, "doctor_id": DOCTOR, "starts_at": NINE}
    return Wish(**fields | changes)


def an_appointment(status: Status = Status.BOOKED, *, service: dict[str, Any] | None = None, **changes: Any) -> Appointment:
    """One that came to a status long ago, with nothing left to be done."""
    starts_at = changes.pop("starts_at", NINE)
    asked = Appointment.asked(changes.pop("id", None) or new_id(), cards(**service or {}), starts_at, Actor.of(ANNA), NOON)
    if status is Status.PENDING:
        return replace(asked, **changes)
    return replace(asked, status=status, intent=None, revision=1, version=2, **changes)
