"""A request may reach the calendar twice and be refused and granted: the stored refusal stands, and no time stays reserved."""

from __future__ import annotations

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.http import Actor
from shared.contracts.relayed_refusals import SlotTaken
from tests.unit.appointment.builders import ANNA, TEN, a_change, after_reply, an_appointment, link_hash_of, request_of
from tests.unit.appointment.fakes import FakeClinic


@pytest.fixture
def clinic() -> FakeClinic:
    return FakeClinic()


async def a_pending_move(clinic: FakeClinic) -> Appointment:
    """An appointment with an intent to move to ten; the calendar has not been asked."""
    appointment = clinic.add(an_appointment())
    return await clinic.store.save(appointment.reschedule(a_change(Actor.from_caller(ANNA)), starts_at=TEN))


async def test_a_late_copy_of_a_refused_move_moves_nothing(clinic: FakeClinic) -> None:
    pending = await a_pending_move(clinic)
    other = clinic.add(an_appointment(starts_at=TEN))
    late_copy = request_of(pending)
    completed = await clinic.synchronizer.complete_pending(pending)
    await clinic.calendar.release(other.id, other.sync.revision)
    del clinic.store.appointments[other.id]
    assert (await clinic.calendar.reserve(pending.id, late_copy)).starts_at == completed.starts_at
    assert clinic.inconsistencies() == []


async def test_when_a_move_is_refused_and_granted_the_stored_refusal_stands(clinic: FakeClinic) -> None:
    pending = await a_pending_move(clinic)
    assert pending.sync.intent is not None
    refused = await clinic.store.save(after_reply(pending, SlotTaken()))
    completed = await clinic.synchronizer.complete_pending(pending)  # the calendar grants ten now, after the refusal was saved
    assert (completed.starts_at, completed.version) == (refused.starts_at, refused.version)
    with pytest.raises(Exception, match="The time slot is already booked"):
        completed.already_applied(pending.sync.intent.id)
    assert (clinic.inconsistencies(), clinic.topics) == ([], [])


async def test_when_a_booking_is_refused_and_granted_the_stored_refusal_stands(clinic: FakeClinic) -> None:
    pending = an_appointment(AppointmentStatus.PENDING)
    await clinic.store.insert(pending, link_hash_of(pending))
    await clinic.store.save(after_reply(pending, SlotTaken()))
    completed = await clinic.synchronizer.complete_pending(pending)
    assert (completed.status, clinic.inconsistencies(), clinic.topics) == (AppointmentStatus.REFUSED, [], [])


async def test_when_a_restore_is_refused_and_granted_the_stored_refusal_stands(clinic: FakeClinic) -> None:
    appointment = clinic.add(an_appointment(AppointmentStatus.CANCELLED))
    pending = await clinic.store.save(appointment.restore(a_change(Actor.from_caller(ANNA))))
    refused = await clinic.store.save(after_reply(pending, SlotTaken()))
    completed = await clinic.synchronizer.complete_pending(pending)
    assert (completed.status, clinic.inconsistencies()) == (AppointmentStatus.CANCELLED, [])
    again = await clinic.store.save(refused.restore(a_change(Actor.from_caller(ANNA))))
    assert ((await clinic.synchronizer.complete_pending(again)).status, clinic.inconsistencies()) == (AppointmentStatus.BOOKED, [])
