"""What appointment-service keeps beside appointments, on SQLite and on a MongoDB-protocol server: waiting events, leases, kept answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from appointment_svc.repository.mongo import MongoAnswers
from appointment_svc.repository.relay import DocumentRelay
from shared.contracts.events import AppointmentCheckedIn, Event
from shared.kit.answers import KEPT_FOR, LEASE, Answer, IdempotencyKeyReused, RequestInProgress
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.leases import TERM
from tests.contract.documents import Place, Told, opened
from tests.unit.appointment.builders import BY, NOON, an_appointment

WEEK = timedelta(days=7)


@pytest.fixture(params=["sqlite", "mongo"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'a.db'}" if request.param == "sqlite" else str(request.getfixturevalue("mongo_url"))
    async with opened(url, MovableClock(NOON, running=False)) as found:
        yield found


def relay(place: Place, bus: Any) -> DocumentRelay:
    return DocumentRelay(place.documents, bus, place.clock)


async def arrived(place: Place) -> Appointment:
    """One with an event that waits."""
    appointment = an_appointment()
    await place.store.add(appointment)
    return await place.store.save(appointment.become(Status.CHECKED_IN, BY, place.clock(), once=new_id()))


async def document(place: Place, appointment: Appointment) -> dict[str, Any]:
    (found,) = await place.documents.get([str(appointment.id)])
    return found


# Waiting events


async def test_an_event_leaves_once_and_is_kept_for_replay(place: Place) -> None:
    appointment, bus = await arrived(place), Told()
    assert await relay(place, bus).publish() == 1
    assert await relay(place, bus).publish() == 0
    (told,) = [Event.from_cloud(json.loads(body)) for body in bus.taken]
    assert isinstance(told, AppointmentCheckedIn)
    assert (told.appointment_id, told.version) == (appointment.id, appointment.version)
    left = await document(place, appointment)
    assert (left["pending_events"], left["published_events"]) == ([], bus.taken)


async def test_events_of_one_appointment_leave_in_order(place: Place) -> None:
    appointment, bus = await arrived(place), Told()
    for status in (Status.IN_PROGRESS, Status.COMPLETED):
        appointment = await place.store.save(appointment.become(status, BY, NOON, once=new_id()))
    await relay(place, bus).publish()
    assert [json.loads(body)["data"]["version"] for body in bus.taken] == [3, 4, 5]


async def test_while_the_bus_is_silent_everything_waits(place: Place) -> None:
    await arrived(place)
    await arrived(place)
    bus = Told(gone=True)
    assert await relay(place, bus).publish() == 0
    bus.gone = False
    assert await relay(place, bus).publish() == 2


async def test_what_no_queue_wants_yet_holds_up_nothing(place: Place) -> None:
    first, last = await arrived(place), await arrived(place)
    await place.store.save(last.become(Status.COMPLETED, BY, NOON, once=new_id()))
    bus = Told(unwanted={"appointment.checked_in.v1"})
    assert await relay(place, bus).publish() == 1
    assert [json.loads(body)["data"]["appointment_id"] for body in bus.taken] == [str(last.id)]
    assert await relay(place, bus).publish() == 0
    bus.unwanted.clear()
    assert await relay(place, bus).publish() == 2
    assert {json.loads(body)["data"]["appointment_id"] for body in bus.taken} == {str(first.id), str(last.id)}


async def test_what_waits_is_found_page_by_page(place: Place) -> None:
    waiting = sorted([str((await arrived(place)).id) for _ in range(5)])
    seen: list[str] = []
    while page := await place.documents.unsent(2, seen[-1] if seen else ""):
        seen += [one for one, _ in page]
    assert seen == waiting


@dataclass
class Meanwhile(Told):
    """A bus during whose publish the appointment goes on."""

    place: Place | None = None
    todo: list[Appointment] = field(default_factory=list)

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        await super().publish(topic, message_id, body)
        if self.place and self.todo:
            await self.place.store.save(self.todo.pop())


async def test_an_event_that_comes_while_another_leaves_is_not_lost(place: Place) -> None:
    appointment = await arrived(place)
    bus = Meanwhile(place=place, todo=[appointment.become(Status.COMPLETED, BY, NOON, once=new_id())])
    while await relay(place, bus).publish():
        pass
    assert [json.loads(body)["type"] for body in bus.taken] == ["appointment.checked_in.v1", "appointment.completed.v1"]
    assert (await document(place, appointment))["pending_events"] == []


async def test_two_relays_at_once_lose_nothing_and_come_to_rest(place: Place) -> None:
    for _ in range(5):
        await arrived(place)
    bus = Told()
    await asyncio.gather(*(relay(place, bus).publish() for _ in range(4)))
    assert len({json.loads(body)["id"] for body in bus.taken}) == 5
    assert await place.documents.unsent(10, "") == []
    assert await relay(place, bus).publish() == 0


async def test_what_left_is_forgotten_a_week_after_the_last_change_and_what_waits_is_not(place: Place) -> None:
    gone, bus = await arrived(place), Told()
    await relay(place, bus).publish()
    place.clock.forward(timedelta(seconds=1))
    young = await arrived(place)
    await relay(place, bus).publish()
    place.clock.forward(WEEK - timedelta(seconds=0.5))
    waiting = await arrived(place)
    await relay(place, bus).prune()
    lengths = {one.id: len((await document(place, one))["published_events"]) for one in (gone, young, waiting)}
    assert lengths == {gone.id: 0, young.id: 1, waiting.id: 0}
    assert len((await document(place, waiting))["pending_events"]) == 1


# Leases


async def test_a_lease_has_one_holder_until_it_ends(place: Place) -> None:
    leases = place.leases
    assert [await leases.take("relay", "a"), await leases.take("relay", "b"), await leases.take("settle", "b")] == [True, False, True]
    place.clock.forward(TERM / 2)
    assert await leases.take("relay", "a"), "renewed"
    place.clock.forward(TERM / 2 + timedelta(seconds=1))
    assert not await leases.take("relay", "b")
    place.clock.forward(TERM)
    assert [await leases.take("relay", "b"), await leases.take("relay", "a")] == [True, False]


async def test_a_lease_that_is_given_back_is_free(place: Place) -> None:
    await place.leases.take("relay", "a")
    await place.leases.take("settle", "b")
    await place.leases.give_back("a")
    assert [await place.leases.take("relay", "b"), await place.leases.take("settle", "a")] == [True, False]


async def test_of_twenty_who_take_a_lease_at_once_one_has_it(place: Place) -> None:
    for _ in range(3):
        together = await asyncio.gather(*(place.leases.take("relay", str(name)) for name in range(20)))
        assert together.count(True) == 1
        place.clock.forward(TERM + timedelta(seconds=1))


# Kept answers


async def test_an_answer_is_kept_as_it_left(place: Place) -> None:
    key, answer = new_id(), Answer(201, {"etag": '"2"', "location": "/appointments/1"}, bytes(range(256)))
    assert await place.answers.claim(key, "f") is None
    await place.answers.keep(key, answer)
    assert await place.answers.claim(key, "f") == answer
    await place.answers.release(key)
    assert await place.answers.claim(key, "f") == answer, "what was answered is not given back"


async def test_a_key_belongs_to_one_request(place: Place) -> None:
    key = new_id()
    await place.answers.claim(key, "f")
    with pytest.raises(IdempotencyKeyReused):
        await place.answers.claim(key, "g")
    with pytest.raises(RequestInProgress):
        await place.answers.claim(key, "f")
    await place.answers.release(key)
    assert await place.answers.claim(key, "g") is None


async def test_a_claim_that_nobody_finished_goes_to_one_of_twenty(place: Place) -> None:
    key = new_id()
    await place.answers.claim(key, "f")
    place.clock.forward(LEASE - timedelta(seconds=1))
    with pytest.raises(RequestInProgress):
        await place.answers.claim(key, "f")
    place.clock.forward(timedelta(seconds=1))
    together = await asyncio.gather(*(place.answers.claim(key, "f") for _ in range(20)), return_exceptions=True)
    assert (together.count(None), sum(isinstance(each, RequestInProgress) for each in together)) == (1, 19)


async def test_of_twenty_first_claims_one_is_granted(place: Place) -> None:
    key = new_id()
    together = await asyncio.gather(*(place.answers.claim(key, "f") for _ in range(20)), return_exceptions=True)
    assert (together.count(None), sum(isinstance(each, RequestInProgress) for each in together)) == (1, 19)


async def test_answers_are_forgotten_when_their_time_is_over(place: Place) -> None:
    if not isinstance(place.answers, MongoAnswers):
        return  # the SQL side prunes them with its outbox: tests/contract/test_outbox.py
    old, young = new_id(), new_id()
    await place.answers.claim(old, "f")
    place.clock.forward(KEPT_FOR)
    await place.answers.claim(young, "f")
    place.clock.forward(timedelta(seconds=1))
    await place.answers.prune()
    assert await place.answers.claim(old, "g") is None
    with pytest.raises(IdempotencyKeyReused):
        await place.answers.claim(young, "g")
