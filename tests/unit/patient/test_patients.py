"""A profile's rules: who sees how much, what may be changed, and who treats whom."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from patient_svc.domain.patients import BornLater, Patient, Sex
from patient_svc.domain.visits import PatientVisit
from shared.contracts.clinic import ClinicProfile
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Stale
from shared.contracts.relayed_refusals import NoSuchPatient
from tests.running import NOON

SAM, DOCTOR = UUID(int=1), UUID(int=2)


def update(patient: Patient, changes: dict[str, Any], expected_version: int | None = None, clinic_time_zone: str = "UTC") -> Patient:
    return patient.update(changes, expected_version, NOON, clinic=ClinicProfile(time_zone=clinic_time_zone))


def a_patient(**changes: Any) -> Patient:
    fields: dict[str, Any] = {
        "id": SAM,
        "full_name": "Sam Lee",
        "time_zone": "UTC",
        "locale": "en",
        "born_on": date(1990, 5, 1),
        "sex": Sex.FEMALE,
    }
    return Patient(**fields | changes)


@pytest.mark.parametrize(
    ("caller", "is_treating"),
    [
        (Caller(SAM, Role.PATIENT), False),
        (Caller(DOCTOR, Role.DOCTOR), True),
        (Caller(DOCTOR, Role.ADMIN), False),
    ],
)
def test_the_patient_the_treating_doctor_and_admins_see_the_whole_profile(caller: Caller, is_treating: bool) -> None:
    assert a_patient().view_for(caller, is_treating) == a_patient()


def test_reception_sees_neither_date_of_birth_nor_sex() -> None:
    assert a_patient().view_for(Caller(DOCTOR, Role.RECEPTION), False) == a_patient(born_on=None, sex=None)


@pytest.mark.parametrize(
    ("role", "is_treating"),
    [(Role.PATIENT, False), (Role.PATIENT, True), (Role.DOCTOR, False), (Role.SERVICE, False), (Role.SYSTEM, False)],
)
def test_for_other_callers_there_is_no_such_patient(role: Role, is_treating: bool) -> None:
    with pytest.raises(NoSuchPatient):
        a_patient().view_for(Caller(DOCTOR, role), is_treating)


def test_a_change_makes_a_new_version_and_an_empty_change_does_not() -> None:
    assert update(a_patient(), {"phone": "+49 1"}, 1) == a_patient(phone="+49 1", version=2)
    assert update(a_patient(), {"full_name": "Sam Lee"}) == a_patient()
    with pytest.raises(Stale):
        update(a_patient(version=3), {}, 2)


@pytest.mark.parametrize(("own_zone", "clinic_zone"), [("Pacific/Auckland", "UTC"), (None, "Pacific/Auckland")])
def test_the_date_of_birth_is_not_after_today_in_the_time_zone_in_effect(own_zone: str | None, clinic_zone: str) -> None:
    tomorrow = {"born_on": date(2026, 3, 3)}
    with pytest.raises(BornLater):
        update(a_patient(), tomorrow, clinic_time_zone="Pacific/Auckland")
    assert update(a_patient(time_zone=own_zone), tomorrow, clinic_time_zone=clinic_zone).born_on == date(2026, 3, 3)


def test_a_patient_who_gave_no_time_zone_or_language_has_that_of_the_clinic() -> None:
    clinic = ClinicProfile(time_zone="Asia/Tokyo", locale="fr")
    assert a_patient(time_zone=None).in_clinic(clinic) == a_patient(time_zone="Asia/Tokyo")
    assert a_patient(locale=None).in_clinic(clinic) == a_patient(locale="fr")
    assert a_patient(time_zone="UTC", locale="de").in_clinic(clinic) == a_patient(time_zone="UTC", locale="de")


@pytest.mark.parametrize(
    ("role", "status", "version", "active"),
    [
        (Role.PATIENT, "active", 3, True),
        (Role.PATIENT, "invited", 3, True),
        (Role.PATIENT, "disabled", 3, False),
        (Role.DOCTOR, "active", 3, False),
        (Role.PATIENT, "disabled", 2, True),
    ],
)
def test_a_profile_follows_the_newest_version_of_its_account(role: Role, status: str, version: int, active: bool) -> None:
    patient = a_patient(account_version=2).apply_account(role, status, version)
    assert (patient.active, patient.account_version, patient.version) == (active, max(version, 2), 1 if active else 2)


@pytest.mark.parametrize(
    ("status", "treats"),
    [
        *((status, True) for status in ("requested", "booked", "checked_in", "in_progress", "completed", "missed")),
        *((status, False) for status in ("cancelled", "declined", "refused", "expired")),
    ],
)
def test_a_doctor_treats_a_patient_unless_the_appointment_was_called_off(status: str, treats: bool) -> None:
    people: dict[str, Any] = {"appointment_id": UUID(int=9), "service_id": UUID(int=8), "doctor_id": DOCTOR, "patient_id": SAM}
    times: dict[str, Any] = {"id": UUID(int=7), "occurred_at": NOON, "starts_at": NOON, "ends_at": NOON, "time_zone": "UTC"}
    state: dict[str, Any] = {"version": 4, "sequence": 0, "status": status, "actor": Actor(id=SAM, role=Role.PATIENT)}
    event = AppointmentEvent.for_topic("appointment.amended.v1", **people, **times, **state)
    assert PatientVisit.of(event) == PatientVisit(UUID(int=9), SAM, DOCTOR, treats, 4, UUID(int=8), status, NOON, NOON, "UTC")
