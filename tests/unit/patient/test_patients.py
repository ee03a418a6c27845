"""A profile's rules: who sees how much, what may be changed, and who treats whom."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from patient_svc.domain import BornLater, NoSuchPatient, Patient, Sex, Visit
from shared.contracts.events import AppointmentEvent
from shared.contracts.http import Actor
from shared.contracts.identity import Caller, Role
from shared.contracts.refusals import Stale

SAM, DOCTOR = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


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
    ("by", "treated"),
    [
        (Caller(SAM, Role.PATIENT), False),
        (Caller(SAM, Role.DOCTOR), False),
        (Caller(DOCTOR, Role.DOCTOR), True),
        (Caller(DOCTOR, Role.ADMIN), False),
    ],
)
def test_oneself_the_treating_doctor_and_admins_see_all(by: Caller, treated: bool) -> None:
    assert a_patient().shown_to(by, treated) == a_patient()


def test_the_front_desk_sees_neither_day_of_birth_nor_sex() -> None:
    assert a_patient().shown_to(Caller(DOCTOR, Role.RECEPTION), False) == a_patient(born_on=None, sex=None)


@pytest.mark.parametrize(
    ("role", "treated"), [(Role.PATIENT, False), (Role.PATIENT, True), (Role.DOCTOR, False), (Role.SERVICE, False), (Role.SYSTEM, False)]
)
def test_for_others_there_is_no_such_patient(role: Role, treated: bool) -> None:
    with pytest.raises(NoSuchPatient):
        a_patient().shown_to(Caller(DOCTOR, role), treated)


def test_a_change_makes_a_new_version_and_no_change_none() -> None:
    assert a_patient().amended({"phone": "+49 1"}, 1, NOON) == a_patient(phone="+49 1", version=2)
    assert a_patient().amended({"full_name": "Sam Lee"}, None, NOON) == a_patient()
    with pytest.raises(Stale):
        a_patient(version=3).amended({}, 2, NOON)


def test_nobody_is_born_after_today_where_they_live() -> None:
    tomorrow = {"born_on": date(2026, 3, 3)}
    with pytest.raises(BornLater):
        a_patient().amended(tomorrow, None, NOON)
    assert a_patient().amended(tomorrow | {"time_zone": "Pacific/Auckland"}, None, NOON).born_on == date(2026, 3, 3)


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
def test_a_profile_is_active_as_the_newest_word_of_its_account_says(role: Role, status: str, version: int, active: bool) -> None:
    known = a_patient(account_version=2).with_account(role, status, version)
    assert (known.active, known.account_version, known.version) == (active, max(version, 2), 1 if active else 2)


@pytest.mark.parametrize(
    ("status", "treats"),
    [
        *((status, True) for status in ("requested", "booked", "checked_in", "in_progress", "completed", "missed")),
        *((status, False) for status in ("cancelled", "declined", "expired")),
    ],
)
def test_a_doctor_treats_a_patient_unless_the_visit_was_called_off(status: str, treats: bool) -> None:
    people: dict[str, Any] = {"appointment_id": UUID(int=9), "service_id": UUID(int=8), "doctor_id": DOCTOR, "patient_id": SAM}
    times: dict[str, Any] = {"id": UUID(int=7), "occurred_at": NOON, "starts_at": NOON, "ends_at": NOON, "time_zone": "UTC"}
    said: dict[str, Any] = {"version": 4, "sequence": 0, "status": status, "actor": Actor(id=SAM, role=Role.PATIENT)}
    event = AppointmentEvent.for_topic("appointment.amended.v1", **people, **times, **said)
    assert Visit.of(event) == Visit(UUID(int=9), SAM, DOCTOR, treats, 4)
