"""A wish may be at the calendar twice, and be refused and granted: the refusal that was written down stands, and no time is lost."""

from __future__ import annotations

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from shared.contracts.http import Actor
from shared.kit.ids import new_id
from tests.unit.appointment.builders import ANNA, NOON, TEN, an_appointment
from tests.unit.appointment.fakes import Clinic, SlotTaken


@pytest.fixture
def clinic() -> Clinic:
    return Clinic()


async def a_move(clinic: Clinic) -> Appointment:
    """To ten; the calendar has not been asked."""
    one = clinic.has(an_appointment())
    return await clinic.store.save(one.reschedule(TEN, one.doctor, Actor.from_caller(ANNA), NOON, once=new_id()))


async def test_a_copy_that_comes_after_its_refusal_moves_nothing(clinic: Clinic) -> None:
    asked = await a_move(clinic)
    other = clinic.has(an_appointment(starts_at=TEN))
    late = asked.wish()
    settled = await clinic.settling.settled(asked)
    await clinic.calendar.release(other.id, other.revision)
    del clinic.store.kept[other.id]
    assert (await clinic.calendar.reserve(asked.id, late)).starts_at == settled.starts_at
    assert clinic.faults() == []


async def test_of_two_answers_to_a_move_the_refusal_that_was_written_down_stands(clinic: Clinic) -> None:
    asked = await a_move(clinic)
    assert asked.intent is not None
    refused = await clinic.store.save(asked.denied(SlotTaken(), NOON))
    settled = await clinic.settling.settled(asked)  # whoever does this is granted ten, and comes too late to write it down
    assert (settled.starts_at, settled.version) == (refused.starts_at, refused.version)
    with pytest.raises(Exception, match="The time is taken"):
        settled.did(asked.intent.id)
    assert (clinic.faults(), clinic.topics) == ([], [])


async def test_of_two_answers_to_a_booking_the_refusal_that_was_written_down_stands(clinic: Clinic) -> None:
    asked = an_appointment(Status.PENDING)
    await clinic.store.add(asked)
    await clinic.store.save(asked.denied(SlotTaken(), NOON))
    settled = await clinic.settling.settled(asked)
    assert (settled.status, clinic.faults(), clinic.topics) == (Status.REFUSED, [], [])


async def test_of_two_answers_to_a_restoration_the_refusal_that_was_written_down_stands(clinic: Clinic) -> None:
    one = clinic.has(an_appointment(Status.CANCELLED))
    asked = await clinic.store.save(one.restore(Actor.from_caller(ANNA), NOON, once=new_id()))
    refused = await clinic.store.save(asked.denied(SlotTaken(), NOON))
    settled = await clinic.settling.settled(asked)
    assert (settled.status, clinic.faults()) == (Status.CANCELLED, [])
    again = await clinic.store.save(refused.restore(Actor.from_caller(ANNA), NOON, once=new_id()))
    assert ((await clinic.settling.settled(again)).status, clinic.faults()) == (Status.BOOKED, [])
