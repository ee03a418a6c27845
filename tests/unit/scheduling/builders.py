"""A small clinic for tests of the calendar: a doctor in Berlin who works on Mondays from nine to five, and a check-up of half an hour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.contracts.http import Actor, DoctorRules, ReserveTime, ServiceTypeRules, WeeklyWindow
from shared.contracts.identity import Role

DOCTOR, COLLEAGUE = UUID(int=0xD1), UUID(int=0xD2)
CHECKUP = UUID(int=0x5)
PATIENT = UUID(int=0xA)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
NINE = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)  # nine in Berlin, a week later


def a_doctor(**changes: Any) -> DoctorRules:
    fields: dict[str, Any] = {
        "id": DOCTOR,
        "full_name": "Dr. Ada Weiss",
        "time_zone": "Europe/Berlin",
        "services": [CHECKUP],
        "weekly": [WeeklyWindow(weekday=1, start="09:00", end="17:00")],
        "version": 1,
    }
    return DoctorRules(**fields | changes)


def a_service(**changes: Any) -> ServiceTypeRules:
    fields: dict[str, Any] = {
        "id": CHECKUP,
        "name": "Check-up",
        "duration_minutes": 30,
        "slot_step_minutes": 30,
        "horizon_days": 90,
        "version": 1,
    }
    return ServiceTypeRules(**fields | changes)


def a_reservation_request(**changes: Any) -> ReserveTime:
    patient_id = changes.get("patient_id", PATIENT)
    fields: dict[str, Any] = {
        "service_id": CHECKUP,
        "doctor_id": DOCTOR,
        "patient_id": patient_id,
        "starts_at": NINE,
        "revision": 1,
        "by": Actor(id=patient_id, role=Role.PATIENT),
    }
    return ReserveTime(**fields | changes)
