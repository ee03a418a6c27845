"""The store of appointments on every back end: SQLite's JSON, and a server that speaks MongoDB's protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.moves import Status
from appointment_svc.migrations import migrate
from appointment_svc.ports import Filter, Overtaken
from appointment_svc.repository.documents import Documents
from appointment_svc.repository.mongo import MongoAnswers, MongoDocuments, MongoLeases, opened
from appointment_svc.repository.relay import BATCH, DocumentRelay
from appointment_svc.repository.sqlite import SqliteDocuments
from appointment_svc.repository.store import DocumentStore
from appointment_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.http import Money, Reservation
from shared.contracts.refusals import Conflict, Unavailable
from shared.kit.bus import Handlers, PublishFailed, Unroutable
from shared.kit.clock import MovableClock
from shared.kit.idempotency import LEASE, IdempotencyKeyReused, IdempotencyStore, RequestInProgress, StoredResponse
from shared.kit.ids import new_id
from shared.kit.jobs import Work
from shared.kit.leases import TERM, Leases
from shared.kit.outbox import RETENTION, Relay
from shared.kit.paging import BadCursor
from shared.kit.sql import Database
from shared.kit.sql_idempotency import SqlIdempotencyStore
from shared.kit.sql_leases import SqlLeases
from tests.unit.appointment.builders import (
    BY,
    COLLEAGUE,
    DOCTOR,
    HALF,
    NINE,
    NOON,
    PATIENT,
    STRANGER,
    TEN,
    an_appointment,
    remembered,
    with_anyone,
)

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@dataclass
class Place:
    """What a back end keeps."""

    documents: Documents
    answers: IdempotencyStore
    leases: Leases
    clock: MovableClock
    prune_answers: Work
    nudged: int = 0

    def __post_init__(self) -> None:
        self.store = DocumentStore(self.documents, self._nudge)

    def _nudge(self) -> None:
        self.nudged += 1

    async def has(self, *appointments: Appointment) -> None:
        for one in appointments:
            assert await self.store.add(one)


@asynccontextmanager
async def sqlite(folder: Path, clock: MovableClock) -> AsyncIterator[Place]:
    url = f"sqlite+aiosqlite:///{folder / 'appointments.db'}"
    migrate(url)
    async with Database(url) as database:
        prune = Relay(database, INFRASTRUCTURE, Told(), clock).prune
        yield Place(
            SqliteDocuments(database),
            SqlIdempotencyStore(database, INFRASTRUCTURE, clock),
            SqlLeases(database, INFRASTRUCTURE, clock),
            clock,
            prune,
        )


@asynccontextmanager
async def mongo(url: str, clock: MovableClock) -> AsyncIterator[Place]:
    migrate(url)
    migrate(url)
    async with opened(url) as database:
        answers = MongoAnswers(database, clock)
        yield Place(MongoDocuments(database), answers, MongoLeases(database, clock), clock, answers.prune)
        await database.client.drop_database(database.name)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    clock = MovableClock(NOON, running=False)
    there = sqlite(tmp_path, clock) if request.param == "sqlite" else mongo(request.getfixturevalue("mongo_url"), clock)
    async with there as found:
        yield found


class Told:
    """A bus that writes down what it is told, and fails as it is told."""

    def __init__(self, unwanted: tuple[str, ...] = (), *, gone: bool = False) -> None:
        self.unwanted, self.gone = unwanted, gone
        self.tried: list[str] = []
        self.taken: list[dict[str, Any]] = []

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        self.tried.append(message_id)
        if self.gone:
            raise PublishFailed
        if topic in self.unwanted:
            raise Unroutable
        self.taken.append(json.loads(body))

    async def subscribe(self, queue: str, handlers: Handlers) -> None: ...

    async def subscribe_broadcast(self, handlers: Handlers) -> None: ...

    async def check(self) -> None: ...


def cancelled(one: Appointment) -> Appointment:
    return one.cancel(BY, NOON, once=new_id(), reason=None)


async def raw(place: Place, one: Appointment) -> dict[str, Any]:
    return (await place.documents.get([str(one.id)]))[0]


# The appointment


async def test_what_was_written_is_read_back_whole(place: Place) -> None:
    strange = {"a.b": "1", "$where": "2", "": "3", "é ü 中": "4", "0": "5"}
    one = an_appointment(
        service={"price": Money(amount=12_50, currency="EUR")}, reason="it 'hurts' $now.here", intake=strange, cancel_reason="",
    )  # fmt: skip
    asked = one.reschedule(TEN, one.doctor, BY, NOON + timedelta(microseconds=1), once=new_id(), note="n")
    await place.has(asked)
    assert await place.store.find(one.id) == asked
    assert await place.store.find(new_id()) is None
    assert await place.store.find_all([one.id, new_id()]) == {one.id: asked}


async def test_an_id_is_there_once(place: Place) -> None:
    one = an_appointment()
    assert [await place.store.add(one), await place.store.add(replace(one, reason="other"))] == [True, False]
    assert await place.store.find(one.id) == one


async def test_a_save_writes_the_change_its_line_and_its_event_at_once(place: Place) -> None:
    one = an_appointment()
    await place.has(one)
    saved = await place.store.save(cancelled(one))
    assert saved == await place.store.find(one.id)
    assert (saved.edition, saved.status, saved.news, len(saved.history), place.nudged) == (2, Status.CANCELLED, None, 1, 1)
    (waiting,) = (await raw(place, one))["pending_events"]
    assert json.loads(waiting)["type"] == "appointment.cancelled.v1"


async def test_a_save_without_news_adds_no_line_and_nudges_nobody(place: Place) -> None:
    one = an_appointment()
    await place.has(one)
    saved = await place.store.save(await place.store.save(cancelled(one)))
    released = await place.store.save(saved.released())
    assert (len(released.history), released.intent, place.nudged) == (1, None, 1)
    assert (await place.store.find(one.id)) == released


async def test_a_refused_booking_keeps_its_refusal_and_its_line(place: Place) -> None:
    one = an_appointment(Status.PENDING)
    await place.has(one)
    kind = type("SlotTaken", (Conflict,), {})
    refused = await place.store.save(one.denied(kind("taken", alternatives=[{"doctor_id": str(DOCTOR)}]), NOON))
    found = await place.store.find(one.id)
    assert found == refused
    assert len(refused.history) == 1
    with pytest.raises(Conflict) as refusal:
        refused.did(one.id)
    assert (refusal.value.code, refusal.value.facts) == ("slot_taken", {"alternatives": [{"doctor_id": str(DOCTOR)}]})


async def test_a_line_is_written_once_however_often_its_appointment_is_saved(place: Place) -> None:
    """A refused booking gives back what stands for it: two writes after the line, and none brings it again."""
    one = an_appointment(Status.PENDING)
    await place.has(one)
    elsewhere = Reservation(
        appointment_id=one.id, service_id=one.service.id, doctor_id=COLLEAGUE, patient_id=PATIENT, starts_at=TEN, ends_at=TEN + HALF,
        revision=2,
    )  # fmt: skip
    refused = await place.store.save(one.overtaken(elsewhere, NOON))
    await place.store.save(refused.released())
    found = await place.store.find(one.id)
    assert found is not None
    assert ([line.action for line in found.history], found.status, found.intent) == (["refused"], Status.REFUSED, None)


async def test_one_that_waits_for_whoever_is_free_is_nobodys_until_then(place: Place) -> None:
    one = with_anyone()
    assert one.intent is not None
    held = replace(one, intent=replace(one.intent, hold_id=STRANGER))
    await place.has(held)
    assert await place.store.find(one.id) == held
    assert (await raw(place, one))["doctor_id"] is None
    for wanted, expected in {
        Filter(): [held],
        Filter(doctor_ids=(DOCTOR, COLLEAGUE)): [],
        Filter(owner_doctor_id=DOCTOR): [],
        Filter(owner_patient_id=PATIENT): [held],
    }.items():
        assert await place.store.listed(wanted, 10, None) == expected, wanted
    found = Reservation(
        appointment_id=one.id, service_id=one.service.id, doctor_id=COLLEAGUE, patient_id=PATIENT, starts_at=NINE, ends_at=NINE + HALF,
        revision=1,
    )  # fmt: skip
    booked = await place.store.save(held.granted(found, remembered(id=COLLEAGUE), NOON))
    assert await place.store.listed(Filter(doctor_ids=(COLLEAGUE,)), 10, None) == [booked]


async def test_what_was_written_before_holds_and_free_choice_is_read_as_ever(place: Place) -> None:
    one = an_appointment(Status.PENDING)
    await place.has(one)
    intent = {name: value for name, value in (await raw(place, one))["intent"].items() if name != "hold_id"}
    assert await place.documents.update(str(one.id), one.edition, {"intent": intent, "edition": 2}, None, None)
    assert await place.store.find(one.id) == replace(one, edition=2)


async def test_only_the_edition_that_was_read_can_be_saved(place: Place) -> None:
    one = an_appointment()
    await place.has(one)
    await place.store.save(replace(one, reason="first"))
    with pytest.raises(Overtaken):
        await place.store.save(cancelled(one))
    with pytest.raises(Overtaken):
        await place.store.save(cancelled(an_appointment()))
    found = await place.store.find(one.id)
    assert found is not None
    assert (found.reason, found.status, found.history) == ("first", Status.BOOKED, ())
    assert (await raw(place, one))["pending_events"] == []


async def test_of_fifty_who_save_one_edition_at_once_one_does(place: Place) -> None:
    one = an_appointment()
    await place.has(one)
    tries = [replace(one.become(Status.CHECKED_IN, BY, NOON, once=new_id()), reason=str(number)) for number in range(50)]
    together = await asyncio.gather(*(place.store.save(attempt) for attempt in tries), return_exceptions=True)
    winners = [saved for saved in together if isinstance(saved, Appointment)]
    assert len(winners) == 1
    assert all(isinstance(other, Overtaken | Appointment) for other in together), together
    assert await place.store.find(one.id) == winners[0]
    assert len((await raw(place, one))["pending_events"]) == 1


async def test_of_ten_who_add_one_id_at_once_one_does(place: Place) -> None:
    one = an_appointment()
    together = await asyncio.gather(*(place.store.add(one) for _ in range(10)))
    assert together.count(True) == 1


# Lists


async def walked(place: Place, wanted: Filter, limit: int = 3) -> list[Appointment]:
    seen: list[Appointment] = []
    after: tuple[str, ...] | None = None
    while page := await place.store.listed(wanted, limit, after):
        seen += page
        last = page[-1].created_at if wanted.sort.endswith("created_at") else page[-1].starts_at
        after = (str(int(last.timestamp()) * 10**6 + last.microsecond), str(page[-1].id))
    return seen


@pytest.mark.parametrize("sort", ["starts_at", "-starts_at", "created_at", "-created_at"])
async def test_pages_are_in_order_without_gaps_or_repeats(place: Place, sort: Any) -> None:
    hours = (3, 1, 2, 2, 2, 1, 3)
    all_of_them = [
        an_appointment(starts_at=NINE + hour * HOUR, created_at=NOON + number // 3 * SECOND + timedelta(microseconds=7))
        for number, hour in enumerate(hours)
    ]
    await place.has(*all_of_them)
    name, descending = sort.removeprefix("-"), sort.startswith("-")

    def key(one: Appointment) -> tuple[datetime, str]:
        return getattr(one, name), str(one.id)

    assert await walked(place, Filter(sort=sort)) == sorted(all_of_them, key=key, reverse=descending)


async def test_a_cursor_is_stable_while_rows_are_added(place: Place) -> None:
    await place.has(*(an_appointment(starts_at=NINE + number * HOUR) for number in range(6)))
    first = await place.store.listed(Filter(), 3, None)
    after = (str(int(first[-1].starts_at.timestamp()) * 10**6), str(first[-1].id))
    await place.has(an_appointment(starts_at=NINE - HOUR), an_appointment(starts_at=NINE + 10 * HOUR))
    rest = await place.store.listed(Filter(), 10, after)
    assert [one.starts_at for one in rest] == [NINE + hours * HOUR for hours in (3, 4, 5, 10)]


@pytest.mark.parametrize(
    "after",
    [("1",), ("x", str(new_id())), ("1", "x"), ("1", str(new_id()), "2"), (str(2**63), str(new_id())), ("-" + "9" * 300, str(new_id()))],
)
async def test_a_hostile_cursor_is_refused(place: Place, after: tuple[str, ...]) -> None:
    with pytest.raises(BadCursor):
        await place.store.listed(Filter(), 3, after)


async def test_filters_narrow_and_refused_ones_are_listed_only_when_asked_for(place: Place) -> None:
    booked = an_appointment()
    missed = an_appointment(Status.MISSED, starts_at=TEN, doctor=remembered(id=COLLEAGUE))
    refused = an_appointment(Status.REFUSED, patient=replace(booked.patient, id=STRANGER), service={"id": UUID(int=9)})
    await place.has(booked, missed, refused)
    for wanted, expected in {
        Filter(): [booked, missed],
        Filter(statuses=(Status.REFUSED,)): [refused],
        Filter(statuses=(Status.REFUSED, Status.MISSED)): [refused, missed],
        Filter(doctor_ids=(COLLEAGUE,)): [missed],
        Filter(doctor_ids=(COLLEAGUE, DOCTOR)): [booked, missed],
        Filter(service_ids=(UUID(int=9),)): [],
        Filter(begins=TEN): [missed],
        Filter(ends=TEN): [booked],
        Filter(begins=NINE, ends=NINE): [],
        Filter(owner_patient_id=PATIENT): [booked, missed],
        Filter(owner_patient_id=STRANGER, patient_ids=(PATIENT,)): [],
        Filter(owner_doctor_id=DOCTOR, patient_ids=(PATIENT,)): [booked],
        Filter(owner_doctor_id=DOCTOR, doctor_ids=(DOCTOR, COLLEAGUE)): [booked],
    }.items():
        assert await place.store.listed(wanted, 10, None) == expected, wanted


# What the jobs look for


async def test_the_jobs_find_what_is_theirs(place: Place) -> None:
    pending = an_appointment(Status.PENDING)
    requested = an_appointment(Status.REQUESTED)
    over = an_appointment(starts_at=NINE - 10 * HOUR)
    await place.has(pending, requested, over)
    store = place.store
    assert [await store.unsettled(NOON - SECOND, 10), await store.unsettled(NOON, 10)] == [[], [pending]]
    assert [await store.unanswered(NINE - SECOND, 10), await store.unanswered(NINE, 10)] == [[], [requested]]
    assert await store.upcoming(NINE, 10, None) == [requested]
    assert await store.upcoming(NINE, 10, requested.id) == []
    assert [await store.open_of(PATIENT, NINE), await store.open_of(PATIENT, NOON), await store.open_of(STRANGER, NOON)] == [2, 3, 0]
    await store.save(cancelled(requested))
    assert [one.id for one in await store.unsettled(NOON, 10)] == sorted([pending.id, requested.id])
    assert await store.unanswered(NINE, 10) == []


# Events inside of documents


async def test_an_event_leaves_once_and_is_kept_for_a_week(place: Place) -> None:
    bus, one = Told(), an_appointment()
    relay = DocumentRelay(place.documents, bus, place.clock)
    await place.has(one)
    await place.store.save(cancelled(one))
    assert [await relay.publish(), await relay.publish()] == [1, 0]
    (event,) = bus.taken
    assert (event["type"], event["subject"], event["data"]["version"]) == ("appointment.cancelled.v1", str(one.id), 3)
    document = await raw(place, one)
    assert (document["pending_events"], [json.loads(gone) for gone in document["published_events"]]) == ([], [event])
    place.clock.advance(RETENTION)
    await relay.prune()
    assert len((await raw(place, one))["published_events"]) == 1
    place.clock.advance(SECOND)
    await relay.prune()
    assert (await raw(place, one))["published_events"] == []
    assert (await place.store.find(one.id)) is not None


async def test_the_events_of_one_document_leave_in_order_and_survive_a_change_meanwhile(place: Place) -> None:
    one = an_appointment()
    await place.has(one)
    checked_in = await place.store.save(one.become(Status.CHECKED_IN, BY, NOON, once=new_id()))

    class Changing(Told):
        async def publish(self, topic: str, message_id: str, body: bytes) -> None:
            await super().publish(topic, message_id, body)
            if len(self.taken) == 1:
                await place.store.save(checked_in.become(Status.IN_PROGRESS, BY, NOON, once=new_id()))

    bus = Changing()
    relay = DocumentRelay(place.documents, bus, place.clock)
    assert [await relay.publish(), await relay.publish(), await relay.publish()] == [1, 1, 0]
    assert [event["type"] for event in bus.taken] == ["appointment.checked_in.v1", "appointment.started.v1"]


async def test_a_silent_bus_ends_the_round_and_loses_nothing(place: Place) -> None:
    bus = Told(gone=True)
    relay = DocumentRelay(place.documents, bus, place.clock)
    for number in range(3):
        one = an_appointment(starts_at=NINE + number * HOUR)
        await place.has(one)
        await place.store.save(cancelled(one))
    assert (await relay.publish(), len(bus.tried)) == (0, 1)
    bus.gone = False
    assert await relay.publish() == 3


async def test_what_no_queue_wants_yet_holds_up_nothing(place: Place) -> None:
    bus = Told(("appointment.amended.v1",))
    relay = DocumentRelay(place.documents, bus, place.clock)
    amended = [an_appointment(id=UUID(int=number + 1)).amend({"reason": "x"}, BY, NOON, once=new_id()) for number in range(BATCH + 5)]
    await place.has(*amended)
    last = an_appointment(id=UUID(int=2**127))
    await place.has(last)
    await place.store.save(cancelled(last))
    first = await place.store.find(amended[0].id)
    assert first is not None
    await place.store.save(cancelled(first))
    assert await relay.publish() == 1
    assert await relay.publish() == 1
    assert {event["subject"] for event in bus.taken} == {str(first.id), str(last.id)}
    bus.unwanted = ()
    assert sum([await relay.publish() for _ in range(3)]) == BATCH + 5


async def test_two_relays_at_once_lose_nothing_and_come_to_rest(place: Place) -> None:
    gone = [an_appointment() for _ in range(5)]
    await place.has(*gone)
    for one in gone:
        await place.store.save(cancelled(one))
    bus = Told()
    relay = DocumentRelay(place.documents, bus, place.clock)
    await asyncio.gather(*(relay.publish() for _ in range(4)))
    assert {event["subject"] for event in bus.taken} == {str(one.id) for one in gone}
    assert (await place.documents.unsent(10, ""), await relay.publish()) == ([], 0)


# Leases and kept answers


async def test_a_lease_has_one_holder_until_it_ends_or_is_given_back(place: Place) -> None:
    leases = place.leases
    assert [await leases.acquire("settle", one) for one in "aba"] == [True, False, True]
    assert await leases.acquire("relay", "b")
    place.clock.advance(TERM + SECOND)
    assert [await leases.acquire("settle", "b"), await leases.acquire("settle", "a")] == [True, False]
    await leases.release_all("b")
    assert await leases.acquire("settle", "a")


async def test_of_twenty_who_take_a_lease_at_once_one_has_it(place: Place) -> None:
    for _ in range(2):
        together = await asyncio.gather(*(place.leases.acquire("settle", str(name)) for name in range(20)))
        assert together.count(True) == 1
        place.clock.advance(TERM + SECOND)


async def test_an_answer_is_kept_and_given_again(place: Place) -> None:
    key, answer = new_id(), StoredResponse(201, {"etag": '"1"', "content-type": "a/b"}, bytes(range(256)) * 100)
    assert await place.answers.claim(key, "f") is None
    with pytest.raises(RequestInProgress):
        await place.answers.claim(key, "f")
    with pytest.raises(IdempotencyKeyReused):
        await place.answers.claim(key, "other")
    await place.answers.save_response(key, answer)
    await place.answers.release(key)
    assert await place.answers.claim(key, "f") == answer
    with pytest.raises(IdempotencyKeyReused):
        await place.answers.claim(key, "other")


async def test_a_claim_that_was_given_up_or_outlived_its_lease_is_free(place: Place) -> None:
    key = new_id()
    await place.answers.claim(key, "f")
    await place.answers.release(key)
    assert await place.answers.claim(key, "f") is None
    place.clock.advance(LEASE - SECOND)
    with pytest.raises(RequestInProgress):
        await place.answers.claim(key, "f")
    place.clock.advance(SECOND)
    together = await asyncio.gather(*(place.answers.claim(key, "f") for _ in range(20)), return_exceptions=True)
    assert together.count(None) == 1, together


async def test_answers_are_kept_for_more_than_a_day_and_forgotten_in_the_end(place: Place) -> None:
    key = new_id()
    await place.answers.claim(key, "f")
    await place.answers.save_response(key, StoredResponse(200, {}, b"x"))
    place.clock.advance(timedelta(hours=25))
    await place.prune_answers()
    assert await place.answers.claim(key, "f") == StoredResponse(200, {}, b"x")
    place.clock.advance(RETENTION)
    await place.prune_answers()
    assert await place.answers.claim(key, "f") is None


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    client = AsyncIOMotorClient[Any]("mongodb://127.0.0.1:1", timeoutMS=100)
    with pytest.raises(Unavailable):
        await MongoDocuments(client["nowhere"]).get([str(new_id())])
    client.close()
