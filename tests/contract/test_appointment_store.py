"""The store of appointments, one suite on SQLite and on a MongoDB-protocol server: whole documents, one winner, ordered pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from appointment_svc.migrations import migrate
from appointment_svc.ports import Filter, Overtaken, Sort
from appointment_svc.repository.mongo import MongoDocuments
from appointment_svc.routes.appointments import place as place_of
from shared.contracts.http import Actor, Money
from shared.contracts.refusals import Conflict, Unavailable
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.paging import BadCursor
from tests.contract.documents import Place, opened
from tests.unit.appointment.builders import (
    ANNA,
    BY,
    CHECKUP,
    COLLEAGUE,
    DOCTOR,
    DR_WEISS,
    HALF,
    NINE,
    NOON,
    PATIENT,
    STRANGER,
    TEN,
    an_appointment,
)

MINUTE = timedelta(minutes=1)


class SlotTaken(Conflict):
    """The time is taken."""


@pytest.fixture(params=["sqlite", "mongo"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'a.db'}" if request.param == "sqlite" else str(request.getfixturevalue("mongo_url"))


@pytest.fixture
async def place(url: str) -> AsyncIterator[Place]:
    async with opened(url, MovableClock(NOON, running=False)) as found:
        yield found


async def kept(place: Place, *appointments: Appointment) -> list[Appointment]:
    for appointment in appointments:
        assert await place.store.add(appointment)
    return list(appointments)


async def found(place: Place, one: UUID) -> Appointment:
    appointment = await place.store.find(one)
    assert appointment is not None
    return appointment


def with_doctor(appointment: Appointment, doctor_id: UUID) -> Appointment:
    return replace(appointment, doctor=replace(appointment.doctor, id=doctor_id))


def of_patient(appointment: Appointment, patient_id: UUID) -> Appointment:
    return replace(appointment, patient=replace(appointment.patient, id=patient_id))


async def listed(place: Place, limit: int = 100, **wanted: object) -> list[UUID]:
    return [one.id for one in await place.store.listed(Filter(**wanted), limit, None)]  # type: ignore[arg-type]


async def test_what_was_added_is_found_whole(place: Place) -> None:
    service = {"price": Money(amount=4200, currency="EUR"), "requires_approval": True}
    asked = an_appointment(Status.PENDING, service=service, reason="Knie 🦵", intake={"Since $when.?": "a\nb", "": "$set"})
    await kept(place, asked)
    assert await found(place, asked.id) == asked
    refused = await place.store.save(asked.denied(SlotTaken(alternatives=[{"doctor_id": "x", "many": [1, None]}]), NOON + MINUTE))
    assert await found(place, asked.id) == refused
    assert refused.history[-1].note == "slot_taken"


async def test_what_is_not_there_is_not_found(place: Place) -> None:
    one, *_ = await kept(place, an_appointment())
    assert await place.store.find(new_id()) is None
    assert await place.store.find_all([]) == {}
    assert set(await place.store.find_all([one.id, new_id()])) == {one.id}


async def test_of_twenty_who_add_one_id_one_does(place: Place) -> None:
    appointment = an_appointment()
    together = await asyncio.gather(*(place.store.add(appointment) for _ in range(20)))
    assert together.count(True) == 1


async def test_of_fifty_who_change_what_they_read_one_wins(place: Place) -> None:
    (one,) = await kept(place, an_appointment())
    wishes = [new_id() for _ in range(50)]
    changed = [one.cancel(BY, NOON, once=wish, reason=str(wish)) for wish in wishes]
    together = await asyncio.gather(*(place.store.save(each) for each in changed), return_exceptions=True)
    won = [each for each in together if isinstance(each, Appointment)]
    assert (len(won), sum(isinstance(each, Overtaken) for each in together)) == (1, 49)
    after = await found(place, one.id)
    assert after == won[0]
    assert [line.note for line in after.history] == [after.cancel_reason]
    ((_, events),) = await place.documents.unsent(10, "")
    assert len(events) == 1


async def test_a_change_of_what_is_not_there_is_overtaken(place: Place) -> None:
    with pytest.raises(Overtaken):
        await place.store.save(an_appointment())


async def test_lines_and_events_follow_each_other(place: Place) -> None:
    (one,) = await kept(place, an_appointment())
    here = await place.store.save(one.become(Status.CHECKED_IN, BY, NOON, once=new_id()))
    begun = await place.store.save(here.become(Status.IN_PROGRESS, BY, NOON + MINUTE, once=new_id()))
    after = await found(place, one.id)
    assert after == begun
    assert [line.action for line in after.history] == ["checked_in", "in_progress"]
    ((_, events),) = await place.documents.unsent(10, "")
    assert ["checked_in" in events[0], "started" in events[1], len(events), place.nudged] == [True, True, 2, 2]


async def test_an_intent_alone_is_no_news(place: Place) -> None:
    (one,) = await kept(place, an_appointment())
    asked = await place.store.save(one.reschedule(TEN, one.doctor, BY, NOON, once=new_id()))
    assert (await found(place, one.id)).intent == asked.intent
    assert (asked.history, await place.documents.unsent(10, ""), place.nudged) == ((), [], 0)


async def test_a_save_neither_drops_nor_revives_an_event(place: Place) -> None:
    (one,) = await kept(place, an_appointment())
    here = await place.store.save(one.become(Status.CHECKED_IN, BY, NOON, once=new_id()))
    ((_, [first]),) = await place.documents.unsent(10, "")
    await place.documents.sent(str(one.id), first)
    await place.documents.sent(str(one.id), first)
    assert await place.documents.unsent(10, "") == []
    await place.store.save(here.become(Status.COMPLETED, BY, NOON, once=new_id()))
    ((_, waiting),) = await place.documents.unsent(10, "")
    assert (len(waiting), first in waiting) == (1, False)


async def test_a_filter_keeps_what_was_asked_for(place: Place) -> None:
    mine, theirs = an_appointment(), of_patient(an_appointment(Status.CANCELLED, starts_at=TEN), STRANGER)
    other = with_doctor(an_appointment(Status.MISSED, starts_at=TEN + HALF, service={"id": UUID(int=0x6)}), COLLEAGUE)
    await kept(place, mine, theirs, other)
    assert await listed(place) == [mine.id, theirs.id, other.id]
    assert await listed(place, statuses=(Status.BOOKED, Status.MISSED)) == [mine.id, other.id]
    assert await listed(place, doctor_ids=(COLLEAGUE,)) == [other.id]
    assert await listed(place, doctor_ids=(COLLEAGUE, DOCTOR)) == [mine.id, theirs.id, other.id]
    assert await listed(place, patient_ids=(STRANGER,)) == [theirs.id]
    assert await listed(place, service_ids=(CHECKUP,)) == [mine.id, theirs.id]
    assert await listed(place, doctor_ids=(DOCTOR,), statuses=(Status.MISSED,)) == []


async def test_a_range_is_half_open(place: Place) -> None:
    nine, ten = await kept(place, an_appointment(), an_appointment(starts_at=TEN))
    assert await listed(place, begins=NINE, ends=TEN) == [nine.id]
    assert await listed(place, begins=NINE + timedelta(microseconds=1)) == [ten.id]
    assert await listed(place, ends=TEN + timedelta(microseconds=1)) == [nine.id, ten.id]


async def test_ones_own_bounds_hold_whatever_is_asked_for(place: Place) -> None:
    mine, theirs = await kept(place, an_appointment(), with_doctor(of_patient(an_appointment(starts_at=TEN), STRANGER), COLLEAGUE))
    for own in (Filter().seen_by(ANNA), Filter().seen_by(DR_WEISS), Filter(patient_ids=(PATIENT, STRANGER)).seen_by(ANNA)):
        assert [one.id for one in await place.store.listed(own, 10, None)] == [mine.id]
    for elsewhere in (Filter(patient_ids=(STRANGER,)).seen_by(ANNA), Filter(doctor_ids=(COLLEAGUE,)).seen_by(DR_WEISS)):
        assert await place.store.listed(elsewhere, 10, None) == []
    assert await listed(place, doctor_ids=(COLLEAGUE,)) == [theirs.id]


async def test_refused_ones_are_listed_when_asked_for(place: Place) -> None:
    refused, pending = await kept(place, an_appointment(Status.REFUSED), an_appointment(Status.PENDING))
    assert await listed(place) == [pending.id]
    assert await listed(place, statuses=(Status.REFUSED,)) == [refused.id]


@pytest.mark.parametrize("sort", ["starts_at", "-starts_at", "created_at", "-created_at"])
async def test_pages_have_no_repeats_and_no_gaps_while_rows_are_added(place: Place, sort: Sort) -> None:
    """Many share a start and a time of creation; what is added meanwhile may or may not be seen."""
    first = [an_appointment(starts_at=NINE + n % 3 * HALF, created_at=NOON + n % 2 * MINUTE) for n in range(23)]
    await kept(place, *first)
    seen: list[Appointment] = []
    after: tuple[str, ...] | None = None
    while page := await place.store.listed(Filter(sort=sort), 5, after):
        seen += page
        after = tuple(map(str, place_of(sort, page[-1])))
        await kept(place, an_appointment(starts_at=NINE + len(seen) % 3 * HALF, created_at=NOON + len(seen) % 2 * MINUTE))
        assert len(seen) < 60
    ids = [one.id for one in seen]
    assert len(set(ids)) == len(ids)
    assert {one.id for one in first} <= set(ids)
    keys = [(place_of(sort, one)[0], str(one.id)) for one in seen]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


@pytest.mark.parametrize("after", [("1",), ("x", str(PATIENT)), ("1", "x"), ("1", str(PATIENT), "2"), (str(2**63), str(PATIENT))])
async def test_a_cursor_of_another_list_is_refused(place: Place, after: tuple[str, ...]) -> None:
    with pytest.raises(BadCursor):
        await place.store.listed(Filter(), 5, after)


async def test_stragglers_are_found_oldest_first(place: Place) -> None:
    one, other = an_appointment(Status.PENDING), an_appointment(Status.PENDING)
    assert other.intent is not None
    older = replace(other, intent=replace(other.intent, since=NOON - MINUTE))
    await kept(place, an_appointment(), one, older)
    ids = [each.id for each in await place.store.unsettled(NOON, 10)]
    assert ids == [older.id, one.id]
    assert [each.id for each in await place.store.unsettled(NOON, 1)] == [older.id]
    assert [each.id for each in await place.store.unsettled(NOON - timedelta(microseconds=1), 10)] == [older.id]


async def test_requests_whose_time_has_come_are_found(place: Place) -> None:
    late, asked = an_appointment(Status.REQUESTED), an_appointment(Status.REQUESTED)
    moving = asked.reschedule(TEN, asked.doctor, BY, NOON, once=new_id())
    await kept(place, late, moving, an_appointment(), an_appointment(Status.REQUESTED, starts_at=TEN))
    assert [one.id for one in await place.store.unanswered(NINE, 10)] == [late.id]
    assert await place.store.unanswered(NINE - timedelta(microseconds=1), 10) == []


async def test_open_ones_that_lie_ahead_are_counted(place: Place) -> None:
    await kept(place, *(an_appointment(status) for status in Status), an_appointment(starts_at=TEN), of_patient(an_appointment(), STRANGER))
    assert await place.store.open_of(PATIENT, NINE) == 4, "pending, booked, requested, and the one at ten"
    assert await place.store.open_of(PATIENT, TEN) == 1
    assert await place.store.open_of(PATIENT, TEN + HALF) == 0


async def test_upcoming_ones_come_page_by_page_in_the_order_of_ids(place: Place) -> None:
    ahead = await kept(place, *(an_appointment(status) for status in (Status.BOOKED, Status.REQUESTED) * 3))
    await kept(place, *(an_appointment(status) for status in Status if status not in (Status.BOOKED, Status.REQUESTED)))
    await kept(place, an_appointment(starts_at=NOON - HALF - timedelta(microseconds=1), ends_at=NOON - timedelta(microseconds=1)))
    seen: list[UUID] = []
    while page := await place.store.upcoming(NOON, 2, seen[-1] if seen else None):
        seen += [one.id for one in page]
    assert seen == sorted(one.id for one in ahead)


async def test_times_are_kept_to_the_microsecond(place: Place) -> None:
    at = datetime.fromisoformat("2026-03-09T08:00:00.123456+00:00")
    (one,) = await kept(place, an_appointment(starts_at=at))
    after = await found(place, one.id)
    assert (after.starts_at, after.starts_at.utcoffset()) == (at, timedelta())


async def test_who_acted_is_kept(place: Place) -> None:
    (one,) = await kept(place, an_appointment())
    await place.store.save(one.cancel(Actor.of(ANNA), NOON, once=new_id(), reason=None))
    assert (await found(place, one.id)).history[-1].actor == Actor.of(ANNA)


async def test_migrating_again_changes_nothing(url: str, place: Place) -> None:
    (one,) = await kept(place, an_appointment())
    migrate(url)
    assert await found(place, one.id) == one


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    client = AsyncIOMotorClient("mongodb://127.0.0.1:1", timeoutMS=100)  # type: ignore[var-annotated]
    with pytest.raises(Unavailable):
        await MongoDocuments(client["nowhere"]).get([str(new_id())])
    client.close()
