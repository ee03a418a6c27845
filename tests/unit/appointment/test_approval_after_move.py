"""A visit that needs approval is requested again when its patient moves it: the clinic approved the old time only."""

from __future__ import annotations

import pytest

from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.identity import Caller
from tests.unit.appointment.builders import ADMIN, ANNA, COLLEAGUE, DESK, DR_WEISS, TEN, an_appointment
from tests.unit.appointment.fakes import FakeClinic

S = AppointmentStatus
NEEDS_APPROVAL = {"requires_approval": True}


@pytest.mark.parametrize(
    ("caller", "service", "becomes"),
    [
        (ANNA, NEEDS_APPROVAL, S.REQUESTED),
        (ANNA, {}, S.BOOKED),
        (DR_WEISS, NEEDS_APPROVAL, S.BOOKED),
        (DESK, NEEDS_APPROVAL, S.BOOKED),
        (ADMIN, NEEDS_APPROVAL, S.BOOKED),
    ],
)
async def test_only_a_move_by_the_patient_needs_approval_again(caller: Caller, service: dict[str, bool], becomes: S) -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(service=service))
    moved = await clinic.actions.reschedule(clinic.context(caller, appointment), starts_at=TEN)
    assert (moved.status, moved.starts_at, moved.version, moved.sequence) == (becomes, TEN, appointment.version + 1, 1)
    assert [(event.topic, event.status) for event in clinic.store.events] == [("appointment.rescheduled.v1", becomes.value)]
    assert (moved.history[-1].before["status"], moved.history[-1].after["status"]) == ("booked", becomes.value)


async def test_a_move_to_another_doctor_waits_for_approval_until_it_is_answered_or_expires() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(service=NEEDS_APPROVAL))
    moved = await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=TEN, doctor_id=COLLEAGUE)
    assert (moved.status, moved.doctor_id) == (S.REQUESTED, COLLEAGUE)
    approved = await clinic.actions.approve(clinic.context(DESK, moved))
    assert (approved.status, clinic.topics, clinic.inconsistencies()) == (S.BOOKED, ["rescheduled", "booked"], [])
    again = await clinic.actions.reschedule(clinic.context(ANNA, approved), doctor_id=approved.doctor_id, starts_at=appointment.starts_at)
    clinic.clock.set(appointment.starts_at)
    assert (again.status, await clinic.reconciliation.expire_requests()) == (S.REQUESTED, 1)


async def test_a_refused_move_leaves_the_visit_booked() -> None:
    clinic = FakeClinic()
    appointment = clinic.add(an_appointment(service=NEEDS_APPROVAL))
    clinic.add(an_appointment(starts_at=TEN))
    with pytest.raises(Exception, match="already booked"):
        await clinic.actions.reschedule(clinic.context(ANNA, appointment), starts_at=TEN)
    assert (clinic.store.appointments[appointment.id].status, clinic.inconsistencies()) == (S.BOOKED, [])
