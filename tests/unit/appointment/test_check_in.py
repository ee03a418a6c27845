"""Check-in: from the local midnight before the start on, and undone by a restore, which looks again at everybody and at the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from appointment_svc.domain.refusals import DoctorInactive, IllegalMove, PatientInactive, TooEarly
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.usecases.actions import AppointmentActions
from shared.contracts.values import last_midnight_before
from tests.unit.appointment.builders import (
    DESK,
    DESK_ACTOR,
    DOCTOR,
    NINE,
    NOON,
    PATIENT,
    a_change,
    a_doctor,
    a_doctor_snapshot,
    a_patient,
    an_appointment,
)
from tests.unit.appointment.fakes import FakeClinic

S = AppointmentStatus
SECOND = timedelta(seconds=1)
MIDNIGHT = datetime(2026, 3, 8, 23, 0, tzinfo=UTC)  # midnight in Berlin before NINE


@pytest.mark.parametrize(
    ("instant", "zone", "midnight"),
    [
        (NINE, "Europe/Berlin", MIDNIGHT),
        (MIDNIGHT, "Europe/Berlin", MIDNIGHT - timedelta(days=1)),
        (MIDNIGHT + SECOND, "Europe/Berlin", MIDNIGHT),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), "Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (datetime(2026, 3, 9, 2, tzinfo=UTC), "America/New_York", datetime(2026, 3, 8, 5, tzinfo=UTC)),
        # In Santiago the clock jumps from midnight to one: the day begins with the jump.
        (datetime(2026, 9, 6, 12, tzinfo=UTC), "America/Santiago", datetime(2026, 9, 6, 4, tzinfo=UTC)),
    ],
)
def test_the_midnight_before_an_instant_is_local(instant: datetime, zone: str, midnight: datetime) -> None:
    assert last_midnight_before(instant, zone) == midnight


@pytest.mark.parametrize("set_status", [lambda it, change: it.check_in(change), lambda it, change: it.transition_to(S.CHECKED_IN, change)])
def test_a_patient_is_checked_in_from_the_midnight_before_the_start_on(set_status: Callable[..., Any]) -> None:
    appointment = an_appointment()
    with pytest.raises(TooEarly) as refusal:
        set_status(appointment, a_change(DESK_ACTOR, MIDNIGHT - SECOND))
    assert refusal.value.facts == {"starts_at": NINE}
    assert set_status(appointment, a_change(DESK_ACTOR, MIDNIGHT)).status is S.CHECKED_IN


@pytest.mark.parametrize("action", [AppointmentActions.start, AppointmentActions.complete])
async def test_a_visit_is_started_and_completed_only_after_a_check_in(action: Callable[..., Any]) -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    clinic.clock.set(NINE)
    with pytest.raises(IllegalMove):
        await action(clinic.actions, clinic.context(DESK, appointment))


async def test_a_mistaken_check_in_is_undone_with_a_request_that_tells_the_calendar() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment())
    clinic.clock.set(MIDNIGHT)
    checked_in = await clinic.actions.check_in(clinic.context(DESK, appointment))
    restored = await clinic.actions.restore(clinic.context(DESK, checked_in))
    assert (restored.status, restored.version, clinic.topics, clinic.inconsistencies()) == (S.BOOKED, 4, ["checked_in", "booked"], [])
    (request,) = clinic.calendar.requests
    assert (request.revision, request.begun, request.appointment_version) == (appointment.sync.revision + 1, False, checked_in.version)
    with pytest.raises(IllegalMove):
        await clinic.actions.restore(clinic.context(DESK, restored))


@pytest.mark.parametrize("status", [S.CANCELLED, S.DECLINED, S.MISSED, S.CHECKED_IN])
@pytest.mark.parametrize(("inactive", "refusal"), [("patient", PatientInactive), ("doctor", DoctorInactive)])
async def test_nothing_is_restored_for_a_patient_or_doctor_who_is_not_active(status: S, inactive: str, refusal: type[Exception]) -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(status))
    if inactive == "patient":
        clinic.patients[PATIENT] = a_patient(active=False)
    else:
        clinic.doctors[DOCTOR] = a_doctor(active=False)
    edit: dict[str, Any] = {"starts_at": None, "doctor_id": None, "status": S.BOOKED, "reason": "mistake"}
    for restore in (clinic.actions.restore, lambda context: clinic.actions.edit(context, **edit)):
        with pytest.raises(refusal):
            await restore(clinic.context(DESK, appointment))
    assert (clinic.store.appointments[appointment.id], clinic.topics) == (appointment, [])


async def test_a_repeated_restore_is_answered_as_before_although_the_patient_has_left_meanwhile() -> None:
    clinic = FakeClinic()
    context = clinic.context(DESK, clinic.add(an_appointment(S.CANCELLED)))
    first = await clinic.actions.restore(context)
    clinic.patients[PATIENT] = a_patient(active=False)
    assert await clinic.actions.restore(context) == first


async def test_a_restored_appointment_has_the_doctor_as_they_are_now() -> None:
    clinic = FakeClinic()
    old = a_doctor_snapshot(location="Old Street 1")
    appointment = clinic.add(replace(an_appointment(S.CANCELLED), doctor=old))
    restored = await clinic.actions.restore(clinic.context(DESK, appointment))
    assert (restored.doctor, clinic.clock()) == (a_doctor_snapshot(), NOON)
