"""The store of appointments on every back end: JSON in SQLite, and a server that speaks MongoDB's protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from sqlalchemy import Engine, event, insert, text

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.migrations import migrate
from appointment_svc.ports import AppointmentFilter, ChangedDoctor, RowChanged
from appointment_svc.repository.documents import KEYS, Documents, to_document
from appointment_svc.repository.mongo import MongoDocuments, MongoIdempotencyStore, MongoLeases, open_database
from appointment_svc.repository.relay import BATCH, DocumentRelay
from appointment_svc.repository.sqlite import SqliteDocuments
from appointment_svc.repository.store import DocumentStore
from appointment_svc.repository.tables import APPOINTMENTS, INFRASTRUCTURE
from shared.contracts.http import Money, Reservation
from shared.contracts.refusals import Conflict, Unavailable
from shared.contracts.relayed_refusals import SlotTaken
from shared.kit.bus import Handlers, PublishFailed, Unroutable
from shared.kit.clock import MovableClock
from shared.kit.dead_messages import KeepDeadMessage
from shared.kit.idempotency_store import (
    CALLER,
    CLAIM_TIMEOUT,
    IdempotencyKeyReused,
    IdempotencyStore,
    KeyClaim,
    RequestInProgress,
    StoredResponse,
)
from shared.kit.ids import new_id
from shared.kit.jobs import Work
from shared.kit.leases import LEASE_DURATION, Leases
from shared.kit.outbox import RETENTION, Relay
from shared.kit.paging import BadCursor
from shared.kit.sql import Database
from shared.kit.sql_idempotency import SqlIdempotencyStore
from shared.kit.sql_leases import SqlLeases
from tests.unit.appointment.builders import (
    COLLEAGUE,
    DESK_ACTOR,
    DOCTOR,
    HALF,
    NINE,
    NOON,
    PATIENT,
    STRANGER,
    TEN,
    a_change,
    a_doctor_snapshot,
    after_release,
    after_reply,
    an_appointment,
    link_hash_of,
    pending_with_any_doctor,
    with_sync,
)

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@dataclass
class Backend:
    """One database with its adapters. `wake_count` counts how often the relay was woken."""

    documents: Documents
    idempotency: IdempotencyStore
    leases: Leases
    clock: MovableClock
    prune_keys: Work
    wake_count: int = 0

    def __post_init__(self) -> None:
        self.store = DocumentStore(self.documents, self._wake_relay)

    def _wake_relay(self) -> None:
        self.wake_count += 1

    async def add(self, *appointments: Appointment) -> None:
        for appointment in appointments:
            assert await self.store.insert(appointment, link_hash_of(appointment))


@asynccontextmanager
async def sqlite(folder: Path, clock: MovableClock) -> AsyncIterator[Backend]:
    url = f"sqlite+aiosqlite:///{folder / 'appointments.db'}"
    migrate(url)
    async with Database(url) as database:
        prune = Relay(database, INFRASTRUCTURE, AppointmentEventBus(), clock).prune
        yield Backend(
            SqliteDocuments(database),
            SqlIdempotencyStore(database, INFRASTRUCTURE, clock),
            SqlLeases(database, INFRASTRUCTURE, clock),
            clock,
            prune,
        )


@asynccontextmanager
async def mongo(url: str, clock: MovableClock) -> AsyncIterator[Backend]:
    migrate(url)
    migrate(url)
    async with open_database(url) as database:
        keys = MongoIdempotencyStore(database, clock)
        yield Backend(MongoDocuments(database), keys, MongoLeases(database, clock), clock, keys.prune)
        await database.client.drop_database(database.name)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    clock = MovableClock(NOON, running=False)
    opened = sqlite(tmp_path, clock) if request.param == "sqlite" else mongo(request.getfixturevalue("mongo_url"), clock)
    async with opened as backend:
        yield backend


class AppointmentEventBus:
    """A bus that records what is published. Topics in `without_queue` have no queue, and while it is `down` every call fails."""

    def __init__(self, without_queue: tuple[str, ...] = (), *, down: bool = False) -> None:
        self.without_queue, self.down = without_queue, down
        self.attempted: list[str] = []
        self.published: list[dict[str, Any]] = []

    async def publish(self, topic: str, message_id: str, body: bytes) -> None:
        self.attempted.append(message_id)
        if self.down:
            raise PublishFailed
        if topic in self.without_queue:
            raise Unroutable
        self.published.append(json.loads(body))

    async def subscribe(self, queue: str, handlers: Handlers, keep_dead: KeepDeadMessage | None = None) -> None: ...

    async def redeliver(self, queue: str, message_id: str, body: bytes, replay: int) -> None: ...

    async def subscribe_broadcast(self, handlers: Handlers) -> None: ...

    async def check(self) -> None: ...


def cancelled(appointment: Appointment) -> Appointment:
    return appointment.cancel(a_change())


async def stored_document(backend: Backend, appointment: Appointment) -> dict[str, Any]:
    return (await backend.documents.get_many([str(appointment.id)]))[0]


# The appointment


async def test_a_saved_appointment_is_read_back_unchanged(backend: Backend) -> None:
    strange = {"a.b": "1", "$where": "2", "": "3", "é ü 中": "4", "0": "5"}
    appointment = an_appointment(
        service={"price": Money(amount=12_50, currency="EUR")}, reason="it 'hurts' $now.here", intake=strange, cancel_reason="",
    )  # fmt: skip
    pending = appointment.reschedule(a_change(DESK_ACTOR, NOON + timedelta(microseconds=1), note="n"), starts_at=TEN)
    await backend.add(pending)
    assert await backend.store.find(appointment.id) == pending
    assert await backend.store.find(new_id()) is None
    assert await backend.store.find_many([appointment.id, new_id()]) == {appointment.id: pending}


async def test_an_id_is_inserted_once(backend: Backend) -> None:
    appointment = an_appointment()
    assert [
        await backend.store.insert(appointment, link_hash_of(appointment)),
        await backend.store.insert(replace(appointment, reason="other"), "another hash"),
    ] == [True, False]
    assert await backend.store.find(appointment.id) == appointment


async def test_a_save_writes_appointment_history_entry_and_event_together(backend: Backend) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    saved = await backend.store.save(cancelled(appointment))
    assert saved == await backend.store.find(appointment.id)
    assert (saved.row_version, saved.status, saved.unsaved_change, len(saved.history), backend.wake_count) == (
        2,
        AppointmentStatus.CANCELLED,
        None,
        1,
        1,
    )
    (pending_event,) = (await stored_document(backend, appointment))["pending_events"]
    assert json.loads(pending_event)["type"] == "appointment.cancelled.v1"


async def test_events_of_an_appointment_are_numbered_without_gaps_also_where_changes_have_none(backend: Backend) -> None:
    pending = an_appointment(AppointmentStatus.PENDING)
    await backend.add(pending)
    reservation = Reservation(
        appointment_id=pending.id, service_id=pending.service.id,
        doctor_id=DOCTOR, patient_id=PATIENT, starts_at=NINE, ends_at=NINE + HALF,
        revision=1,
    )  # fmt: skip
    booked = await backend.store.save(after_reply(pending, reservation))
    amended = await backend.store.save(booked.amend({"reason": "Knee"}, a_change()))
    unchanged = await backend.store.save(amended.reschedule(a_change(), starts_at=TEN))  # adds no event
    await backend.store.save(replace(unchanged, sync=amended.sync).cancel(a_change()))
    stored = await backend.store.get(pending.id)
    events = [json.loads(event)["data"] for event in (await stored_document(backend, pending))["pending_events"]]
    assert [(event["event_number"], event["status"]) for event in events] == [(1, "booked"), (2, "booked"), (3, "cancelled")]
    assert (stored.event_count, stored.version) == (3, 4)


async def test_a_save_without_a_recorded_change_adds_no_entry_and_does_not_wake_the_relay(backend: Backend) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    saved = await backend.store.save(await backend.store.save(cancelled(appointment)))
    released = await backend.store.save(after_release(saved))
    assert (len(released.history), released.sync.intent, backend.wake_count) == (1, None, 1)
    assert (await backend.store.find(appointment.id)) == released


async def test_a_refused_booking_keeps_its_refusal_and_its_history_entry(backend: Backend) -> None:
    appointment = an_appointment(AppointmentStatus.PENDING)
    await backend.add(appointment)
    taken = SlotTaken("taken", alternatives=[{"doctor_id": str(DOCTOR)}])
    refused = await backend.store.save(after_reply(appointment, taken))
    found = await backend.store.find(appointment.id)
    assert found == refused
    assert len(refused.history) == 1
    with pytest.raises(Conflict) as refusal:
        refused.already_applied(appointment.id)
    assert (refusal.value.code, refusal.value.facts) == ("slot_taken", {"alternatives": [{"doctor_id": str(DOCTOR)}]})


async def test_a_history_entry_is_written_once_however_often_its_appointment_is_saved(backend: Backend) -> None:
    """A refused booking may release a reservation: neither of the two writes adds the entry again."""
    appointment = an_appointment(AppointmentStatus.PENDING)
    await backend.add(appointment)
    elsewhere = Reservation(
        appointment_id=appointment.id, service_id=appointment.service.id,
        doctor_id=COLLEAGUE, patient_id=PATIENT, starts_at=TEN, ends_at=TEN + HALF,
        revision=2,
    )  # fmt: skip
    refused = await backend.store.save(after_reply(appointment, elsewhere))
    await backend.store.save(after_release(refused))
    found = await backend.store.find(appointment.id)
    assert found is not None
    assert ([entry.action for entry in found.history], found.status, found.sync.intent) == (["refused"], AppointmentStatus.REFUSED, None)


async def test_a_booking_with_any_doctor_belongs_to_no_doctor_until_one_is_chosen(backend: Backend) -> None:
    appointment = pending_with_any_doctor()
    assert appointment.sync.intent is not None
    held = with_sync(appointment, intent=replace(appointment.sync.intent, hold_id=STRANGER))
    await backend.add(held)
    assert await backend.store.find(appointment.id) == held
    assert (await stored_document(backend, appointment))["doctor_id"] is None
    for wanted, expected in {
        AppointmentFilter(): [held],
        AppointmentFilter(doctor_ids=(DOCTOR, COLLEAGUE)): [],
        AppointmentFilter(owner_doctor_id=DOCTOR): [],
        AppointmentFilter(owner_patient_ids=(PATIENT,)): [held],
    }.items():
        assert await backend.store.list_matching(wanted, 10, None) == expected, wanted
    found = Reservation(
        appointment_id=appointment.id, service_id=appointment.service.id,
        doctor_id=COLLEAGUE, patient_id=PATIENT, starts_at=NINE, ends_at=NINE + HALF,
        revision=1,
    )  # fmt: skip
    booked = await backend.store.save(after_reply(held, found, a_doctor_snapshot(id=COLLEAGUE)))
    assert await backend.store.list_matching(AppointmentFilter(doctor_ids=(COLLEAGUE,)), 10, None) == [booked]


async def test_an_intent_that_was_stored_before_holds_existed_is_read(backend: Backend) -> None:
    appointment = an_appointment(AppointmentStatus.PENDING)
    await backend.add(appointment)
    intent = {name: value for name, value in (await stored_document(backend, appointment))["intent"].items() if name != "hold_id"}
    assert await backend.documents.update(str(appointment.id), appointment.row_version, {"intent": intent, "edition": 2}, None, None)
    assert await backend.store.find(appointment.id) == replace(appointment, row_version=2)


async def test_only_the_row_version_that_was_read_can_be_saved(backend: Backend) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    await backend.store.save(replace(appointment, reason="first"))
    with pytest.raises(RowChanged):
        await backend.store.save(cancelled(appointment))
    with pytest.raises(RowChanged):
        await backend.store.save(cancelled(an_appointment()))
    found = await backend.store.find(appointment.id)
    assert found is not None
    assert (found.reason, found.status, found.history) == ("first", AppointmentStatus.BOOKED, ())
    assert (await stored_document(backend, appointment))["pending_events"] == []


async def test_of_fifty_saves_of_one_row_version_one_succeeds(backend: Backend) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    tries = [replace(appointment.check_in(a_change(at=NINE)), reason=str(number)) for number in range(50)]
    together = await asyncio.gather(*(backend.store.save(attempt) for attempt in tries), return_exceptions=True)
    winners = [saved for saved in together if isinstance(saved, Appointment)]
    assert len(winners) == 1
    assert all(isinstance(other, RowChanged | Appointment) for other in together), together
    assert await backend.store.find(appointment.id) == winners[0]
    assert len((await stored_document(backend, appointment))["pending_events"]) == 1


async def test_of_ten_inserts_of_one_id_one_succeeds(backend: Backend) -> None:
    appointment = an_appointment()
    together = await asyncio.gather(*(backend.store.insert(appointment, link_hash_of(appointment)) for _ in range(10)))
    assert together.count(True) == 1


# Lists


async def list_all_pages(backend: Backend, wanted: AppointmentFilter, limit: int = 3) -> list[Appointment]:
    seen: list[Appointment] = []
    after: tuple[str, ...] | None = None
    while page := await backend.store.list_matching(wanted, limit, after):
        seen += page
        instant, appointment_id = wanted.sort_key(page[-1])
        after = (str(instant), str(appointment_id))
    return seen


@pytest.mark.parametrize("sort", ["starts_at", "-starts_at", "created_at", "-created_at"])
async def test_pages_are_in_order_without_gaps_or_repeats(backend: Backend, sort: Any) -> None:
    hours = (3, 1, 2, 2, 2, 1, 3)
    appointments = [
        an_appointment(starts_at=NINE + hour * HOUR, created_at=NOON + number // 3 * SECOND + timedelta(microseconds=7))
        for number, hour in enumerate(hours)
    ]
    await backend.add(*appointments)
    name, descending = sort.removeprefix("-"), sort.startswith("-")

    def key(appointment: Appointment) -> tuple[datetime, str]:
        return getattr(appointment, name), str(appointment.id)

    assert await list_all_pages(backend, AppointmentFilter(sort=sort)) == sorted(appointments, key=key, reverse=descending)


async def test_a_cursor_is_stable_while_rows_are_added(backend: Backend) -> None:
    await backend.add(*(an_appointment(starts_at=NINE + number * HOUR) for number in range(6)))
    first = await backend.store.list_matching(AppointmentFilter(), 3, None)
    after = (str(first[-1].starts_at), str(first[-1].id))
    await backend.add(an_appointment(starts_at=NINE - HOUR), an_appointment(starts_at=NINE + 10 * HOUR))
    rest = await backend.store.list_matching(AppointmentFilter(), 10, after)
    assert [appointment.starts_at for appointment in rest] == [NINE + hours * HOUR for hours in (3, 4, 5, 10)]


@pytest.mark.parametrize(
    "after",
    [("1",), ("x", str(new_id())), ("1", "x"), ("1", str(new_id()), "2"), (str(2**63), str(new_id())), ("-" + "9" * 300, str(new_id()))],
)
async def test_a_hostile_cursor_is_refused(backend: Backend, after: tuple[str, ...]) -> None:
    with pytest.raises(BadCursor):
        await backend.store.list_matching(AppointmentFilter(), 3, after)


async def test_filters_narrow_the_list_and_refused_appointments_are_listed_only_on_request(backend: Backend) -> None:
    booked = an_appointment()
    missed = an_appointment(AppointmentStatus.MISSED, starts_at=TEN, doctor=a_doctor_snapshot(id=COLLEAGUE))
    refused = an_appointment(AppointmentStatus.REFUSED, patient=replace(booked.patient, id=STRANGER), service={"id": UUID(int=9)})
    await backend.add(booked, missed, refused)
    for wanted, expected in {
        AppointmentFilter(): [booked, missed],
        AppointmentFilter(statuses=(AppointmentStatus.REFUSED,)): [refused],
        AppointmentFilter(statuses=(AppointmentStatus.REFUSED, AppointmentStatus.MISSED)): [refused, missed],
        AppointmentFilter(doctor_ids=(COLLEAGUE,)): [missed],
        AppointmentFilter(doctor_ids=(COLLEAGUE, DOCTOR)): [booked, missed],
        AppointmentFilter(service_ids=(UUID(int=9),)): [],
        AppointmentFilter(begins=TEN): [missed],
        AppointmentFilter(ends=TEN): [booked],
        AppointmentFilter(begins=NINE, ends=NINE): [],
        AppointmentFilter(owner_patient_ids=(PATIENT,)): [booked, missed],
        AppointmentFilter(owner_patient_ids=(STRANGER,), patient_ids=(PATIENT,)): [],
        AppointmentFilter(owner_patient_ids=(STRANGER, PATIENT), patient_ids=(PATIENT,)): [booked, missed],
        AppointmentFilter(owner_doctor_id=DOCTOR, patient_ids=(PATIENT,)): [booked],
        AppointmentFilter(owner_doctor_id=DOCTOR, doctor_ids=(DOCTOR, COLLEAGUE)): [booked],
    }.items():
        assert await backend.store.list_matching(wanted, 10, None) == expected, wanted


# What the jobs look for


async def test_the_lists_for_the_jobs_contain_what_is_due(backend: Backend) -> None:
    pending = an_appointment(AppointmentStatus.PENDING)
    requested = an_appointment(AppointmentStatus.REQUESTED)
    over = an_appointment(starts_at=NINE - 10 * HOUR)
    await backend.add(pending, requested, over)
    store = backend.store
    assert [await store.list_pending(NOON - SECOND, 10), await store.list_pending(NOON, 10)] == [[], [pending]]
    assert [await store.list_unanswered(NINE - SECOND, 10, None), await store.list_unanswered(NINE, 10, None)] == [[], [requested]]
    assert await store.list_upcoming(NINE, 10, None) == [requested]
    assert await store.list_upcoming(NINE, 10, requested) == []
    await store.save(cancelled(requested))
    assert [appointment.id for appointment in await store.list_pending(NOON, 10)] == sorted([pending.id, requested.id])
    assert await store.list_unanswered(NINE, 10, None) == []


async def test_unanswered_requests_are_listed_in_pages(backend: Backend) -> None:
    requested = [an_appointment(AppointmentStatus.REQUESTED, starts_at=NINE + number * HALF) for number in (1, 0, 0)]
    await backend.add(*requested)
    expected = sorted(requested, key=lambda appointment: (appointment.starts_at, str(appointment.id)))
    assert await backend.store.list_unanswered(TEN, 2, None) == expected[:2]
    assert await backend.store.list_unanswered(TEN, 2, expected[1]) == expected[2:]


async def test_a_postponed_appointment_is_listed_from_then_on_and_behind_others(backend: Backend) -> None:
    first, second = (an_appointment(AppointmentStatus.PENDING, id=UUID(int=number)) for number in (1, 2))
    await backend.add(first, second)
    await backend.store.postpone(first, NOON + HOUR)
    assert await backend.store.list_pending(NOON, 10) == [second]
    assert await backend.store.list_pending(NOON + HOUR, 10) == [second, first]
    assert (await backend.store.get(first.id)).row_version == first.row_version, "the appointment itself is the same"
    changed = await backend.store.save(replace(first, reason="x"))
    assert await backend.store.list_pending(NOON, 10) == [changed, second], "a saved one counts from its intent again"
    await backend.store.postpone(first, NOON + HOUR)
    assert await backend.store.list_pending(NOON, 10) == [changed, second], "it was saved since it was read"


# Changed doctors


async def test_the_newest_version_of_a_doctor_is_stored_and_followed_once(backend: Backend) -> None:
    store = backend.store
    first, second, hours = (a_doctor_snapshot(location=place, version=version) for version, place in ((1, "A"), (2, "B"), (3, "B")))
    await asyncio.gather(*(store.save_doctor(doctor, NOON) for doctor in (second, first, second)))
    assert [await store.find_doctor(DOCTOR), await store.find_doctor(COLLEAGUE)] == [second, None]
    assert await store.list_changed_doctors(10, None) == [ChangedDoctor(second, NOON)]
    await store.mark_followed(first)
    assert await store.list_changed_doctors(10, None) == [ChangedDoctor(second, NOON)], "a newer version is still to be followed"
    await store.mark_followed(second)
    await store.save_doctor(hours, NOON)
    assert [await store.list_changed_doctors(10, None), await store.find_doctor(DOCTOR)] == [[], hours], "only the hours have changed"


async def test_the_active_and_checked_in_appointments_of_a_doctor_are_listed_in_pages(backend: Backend) -> None:
    statuses = (AppointmentStatus.BOOKED, AppointmentStatus.CHECKED_IN, AppointmentStatus.REQUESTED)
    ahead = [an_appointment(status, starts_at=NINE + number * HALF) for status, number in zip(statuses, (1, 0, 0), strict=True)]
    colleague = an_appointment(doctor=a_doctor_snapshot(id=COLLEAGUE))
    await backend.add(*ahead, colleague, an_appointment(AppointmentStatus.CANCELLED), an_appointment(starts_at=NOON - HOUR))
    expected = sorted(ahead, key=lambda appointment: (appointment.starts_at, str(appointment.id)))
    assert await backend.store.list_ahead_with_doctor(DOCTOR, NOON, 2, None) == expected[:2]
    assert await backend.store.list_ahead_with_doctor(DOCTOR, NOON, 2, expected[1]) == expected[2:]


# The places of a patient


async def test_of_twenty_bookings_at_once_as_many_succeed_as_there_are_places(backend: Backend) -> None:
    await backend.add(an_appointment(), an_appointment(AppointmentStatus.CANCELLED), an_appointment(starts_at=NOON - HOUR))
    requested = [an_appointment(AppointmentStatus.PENDING, starts_at=NINE + number * HALF) for number in range(20)]

    async def book(appointment: Appointment) -> bool:
        admitted = await backend.store.take_place(PATIENT, appointment.id, 5, NOON)
        return admitted and await backend.store.insert(appointment, link_hash_of(appointment))

    results = await asyncio.gather(*map(book, requested))
    assert sum(results) == 4, "one of five places belongs to the appointment that was booked before"
    assert not await backend.store.take_place(PATIENT, new_id(), 5, NOON)
    assert await backend.store.take_place(STRANGER, new_id(), 5, NOON)


async def test_a_place_is_free_again_when_its_appointment_has_ended_or_begun(backend: Backend) -> None:
    first, second = an_appointment(), an_appointment(starts_at=TEN)
    for appointment in (first, second):
        assert await backend.store.take_place(PATIENT, appointment.id, 2, NOON)
        assert await backend.store.take_place(PATIENT, appointment.id, 2, NOON), "a repeated request has its place already"
        await backend.add(appointment)
    assert not await backend.store.take_place(PATIENT, new_id(), 2, NOON)
    assert await backend.store.take_place(PATIENT, new_id(), 2, NINE + SECOND), "the first one has begun"
    await backend.store.save(cancelled(second))
    assert await backend.store.take_place(PATIENT, new_id(), 2, NINE + SECOND)


async def test_a_place_that_was_taken_without_an_appointment_is_free_a_minute_later(backend: Backend) -> None:
    assert await backend.store.take_place(PATIENT, new_id(), 1, NOON)
    assert not await backend.store.take_place(PATIENT, new_id(), 1, NOON + 59 * SECOND)
    assert await backend.store.take_place(PATIENT, new_id(), 1, NOON + 60 * SECOND)


# Events inside documents


async def test_an_event_is_published_once_and_kept_for_a_week(backend: Backend) -> None:
    bus, appointment = AppointmentEventBus(), an_appointment()
    relay = DocumentRelay(backend.documents, bus, backend.clock)
    await backend.add(appointment)
    await backend.store.save(cancelled(appointment))
    assert [await relay.publish(), await relay.publish()] == [1, 0]
    (event,) = bus.published
    assert (event["type"], event["subject"], event["data"]["version"]) == ("appointment.cancelled.v1", str(appointment.id), 3)
    document = await stored_document(backend, appointment)
    assert (document["pending_events"], [json.loads(gone) for gone in document["published_events"]]) == ([], [event])
    backend.clock.advance(RETENTION)
    await relay.prune()
    assert len((await stored_document(backend, appointment))["published_events"]) == 1
    backend.clock.advance(SECOND)
    await relay.prune()
    assert (await stored_document(backend, appointment))["published_events"] == []
    assert (await backend.store.find(appointment.id)) is not None


async def test_events_of_one_document_are_published_in_order_also_when_it_changes_meanwhile(backend: Backend) -> None:
    appointment = an_appointment()
    await backend.add(appointment)
    checked_in = await backend.store.save(appointment.check_in(a_change(at=NINE)))

    class ChangingBus(AppointmentEventBus):
        async def publish(self, topic: str, message_id: str, body: bytes) -> None:
            await super().publish(topic, message_id, body)
            if len(self.published) == 1:
                await backend.store.save(checked_in.start(a_change()))

    bus = ChangingBus()
    relay = DocumentRelay(backend.documents, bus, backend.clock)
    assert [await relay.publish(), await relay.publish(), await relay.publish()] == [1, 1, 0]
    assert [event["type"] for event in bus.published] == ["appointment.checked_in.v1", "appointment.started.v1"]


async def test_a_failing_bus_ends_the_run_and_loses_nothing(backend: Backend) -> None:
    bus = AppointmentEventBus(down=True)
    relay = DocumentRelay(backend.documents, bus, backend.clock)
    for number in range(3):
        appointment = an_appointment(starts_at=NINE + number * HOUR)
        await backend.add(appointment)
        await backend.store.save(cancelled(appointment))
    assert (await relay.publish(), len(bus.attempted)) == (0, 1)
    bus.down = False
    assert await relay.publish() == 3


async def test_an_event_that_cannot_be_published_does_not_hold_up_others(backend: Backend) -> None:
    class FailingBus(AppointmentEventBus):
        async def publish(self, topic: str, message_id: str, body: bytes) -> None:
            if json.loads(body)["subject"] == str(broken.id) and self.fails:
                raise ZeroDivisionError
            await super().publish(topic, message_id, body)

        fails = True

    broken, whole = an_appointment(id=UUID(int=1)), an_appointment(id=UUID(int=2))
    await backend.add(broken, whole)
    for appointment in (broken, whole):
        await backend.store.save(cancelled(appointment))
    bus = FailingBus()
    relay = DocumentRelay(backend.documents, bus, backend.clock)
    assert [await relay.publish(), await relay.publish()] == [1, 0]
    bus.fails = False
    assert await relay.publish() == 1
    assert [event["subject"] for event in bus.published] == [str(whole.id), str(broken.id)]


async def test_an_event_without_a_queue_does_not_hold_up_others(backend: Backend) -> None:
    bus = AppointmentEventBus(("appointment.amended.v1",))
    relay = DocumentRelay(backend.documents, bus, backend.clock)
    amended = [an_appointment(id=UUID(int=number + 1)).amend({"reason": "x"}, a_change()) for number in range(BATCH + 5)]
    await backend.add(*amended)
    last = an_appointment(id=UUID(int=2**127))
    await backend.add(last)
    await backend.store.save(cancelled(last))
    first = await backend.store.find(amended[0].id)
    assert first is not None
    await backend.store.save(cancelled(first))
    assert await relay.publish() == 2
    assert {event["subject"] for event in bus.published} == {str(first.id), str(last.id)}
    bus.without_queue = ()
    assert sum([await relay.publish() for _ in range(3)]) == BATCH + 5


async def test_several_relays_at_once_lose_nothing(backend: Backend) -> None:
    gone = [an_appointment() for _ in range(5)]
    await backend.add(*gone)
    for appointment in gone:
        await backend.store.save(cancelled(appointment))
    bus = AppointmentEventBus()
    relay = DocumentRelay(backend.documents, bus, backend.clock)
    await asyncio.gather(*(relay.publish() for _ in range(4)))
    assert {event["subject"] for event in bus.published} == {str(appointment.id) for appointment in gone}
    assert (await backend.documents.list_unsent(10, ""), await relay.publish()) == ([], 0)


# Leases and idempotency keys


async def test_a_lease_has_one_holder_until_it_expires_or_is_given_back(backend: Backend) -> None:
    leases = backend.leases
    assert [await leases.acquire("settle", appointment) for appointment in "aba"] == [True, False, True]
    assert await leases.acquire("relay", "b")
    backend.clock.advance(LEASE_DURATION + SECOND)
    assert [await leases.acquire("settle", "b"), await leases.acquire("settle", "a")] == [True, False]
    await leases.release_all("b")
    assert await leases.acquire("settle", "a")


async def test_of_twenty_attempts_to_take_a_lease_one_succeeds(backend: Backend) -> None:
    for _ in range(2):
        together = await asyncio.gather(*(backend.leases.acquire("settle", str(name)) for name in range(20)))
        assert together.count(True) == 1
        backend.clock.advance(LEASE_DURATION + SECOND)


async def test_a_response_is_stored_and_returned_again(backend: Backend) -> None:
    key, answer = new_id(), StoredResponse(201, {"etag": '"1"', "content-type": "a/b"}, bytes(range(256)) * 100)
    assert (await backend.idempotency.claim(key, "f")).response is None
    with pytest.raises(RequestInProgress):
        await backend.idempotency.claim(key, "f")
    with pytest.raises(IdempotencyKeyReused):
        await backend.idempotency.claim(key, "other")
    await backend.idempotency.save_response(key, answer)
    await backend.idempotency.release(key)
    assert (await backend.idempotency.claim(key, "f")).response == answer
    with pytest.raises(IdempotencyKeyReused):
        await backend.idempotency.claim(key, "other")


async def test_the_responses_that_name_a_person_or_were_sent_to_them_are_deleted(backend: Backend) -> None:
    subject, keys = new_id(), [new_id() for _ in range(3)]
    answers = [StoredResponse(201, {}, f"about {subject}".encode()), StoredResponse(201, {CALLER: str(subject)}, b"x")]
    for key, answer in zip(keys, [*answers, StoredResponse(201, {CALLER: str(new_id())}, b"x")], strict=True):
        await backend.idempotency.claim(key, "f")
        await backend.idempotency.save_response(key, answer)
    assert await backend.idempotency.delete_mentioning(subject) == 2
    assert [(await backend.idempotency.claim(key, "f")).response is None for key in keys] == [True, True, False]


async def test_a_key_that_was_given_up_or_has_expired_can_be_claimed(backend: Backend) -> None:
    key = new_id()
    await backend.idempotency.claim(key, "f")
    await backend.idempotency.release(key)
    assert (await backend.idempotency.claim(key, "f")).response is None
    backend.clock.advance(CLAIM_TIMEOUT - SECOND)
    with pytest.raises(RequestInProgress):
        await backend.idempotency.claim(key, "f")
    backend.clock.advance(SECOND)
    together = await asyncio.gather(*(backend.idempotency.claim(key, "f") for _ in range(20)), return_exceptions=True)
    assert [isinstance(claim, KeyClaim) for claim in together].count(True) == 1, together


async def test_a_reopened_key_runs_the_same_request_once_more_and_no_other(backend: Backend) -> None:
    key = new_id()
    await backend.idempotency.claim(key, "f")
    await backend.idempotency.reopen(key)
    with pytest.raises(IdempotencyKeyReused):
        await backend.idempotency.claim(key, "other")
    assert (await backend.idempotency.claim(key, "f")).response is None
    with pytest.raises(RequestInProgress):
        await backend.idempotency.claim(key, "f")
    await backend.idempotency.save_response(key, StoredResponse(200, {}, b"x"))
    await backend.idempotency.reopen(key)
    assert (await backend.idempotency.claim(key, "f")).response == StoredResponse(200, {}, b"x")


async def test_responses_are_kept_for_more_than_a_day_and_then_deleted(backend: Backend) -> None:
    key = new_id()
    await backend.idempotency.claim(key, "f")
    await backend.idempotency.save_response(key, StoredResponse(200, {}, b"x"))
    backend.clock.advance(timedelta(hours=25))
    await backend.prune_keys()
    assert (await backend.idempotency.claim(key, "f")).response == StoredResponse(200, {}, b"x")
    backend.clock.advance(RETENTION)
    await backend.prune_keys()
    assert (await backend.idempotency.claim(key, "f")).response is None


async def test_all_runs_of_a_request_are_one_operation_and_after_the_retention_it_is_another(backend: Backend) -> None:
    key = new_id()
    first = await backend.idempotency.claim(key, "f")
    backend.clock.advance(CLAIM_TIMEOUT)
    ids = [(await backend.idempotency.claim(key, "f")).operation_id]
    await backend.idempotency.reopen(key)
    ids.append((await backend.idempotency.claim(key, "f")).operation_id)
    await backend.idempotency.save_response(key, StoredResponse(201, {CALLER: str(key)}, b"x"))
    ids.append((await backend.idempotency.claim(key, "f")).operation_id)
    await backend.idempotency.delete_mentioning(key)
    ids.append((await backend.idempotency.claim(key, "f")).operation_id)
    assert ids == [first.operation_id] * 4
    backend.clock.advance(RETENTION + SECOND)
    await backend.prune_keys()
    other = await backend.idempotency.claim(key, "other")
    assert (other.is_first_run, other.operation_id in ids) == (True, False)


async def test_a_server_that_does_not_answer_raises_unavailable() -> None:
    client = AsyncIOMotorClient[Any]("mongodb://127.0.0.1:1", timeoutMS=100)
    with pytest.raises(Unavailable):
        await MongoDocuments(client["nowhere"]).get_many([str(new_id())])
    client.close()


# Indexes


@contextmanager
def recorded_statements() -> Iterator[list[tuple[str, Any]]]:
    """Record the SQL statements and their parameters."""
    statements: list[tuple[str, Any]] = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", record)


@pytest.mark.parametrize("rows", [0, 3000])
async def test_the_lists_for_the_jobs_walk_an_index_in_the_order_of_the_list(tmp_path: Path, rows: int) -> None:
    """Almost all appointments are over, and none of these lists may read them."""
    async with sqlite(tmp_path, MovableClock(NOON, running=False)) as backend:
        documents, database = backend.documents, cast(SqliteDocuments, backend.documents).database
        over = [to_document(an_appointment(AppointmentStatus.COMPLETED, starts_at=NOON - number * HOUR)) for number in range(1, rows + 1)]
        extra = {"pending_events": [], "published_events": [], "unsent": 0}
        async with database.write() as connection:
            for document in over:
                row = {name: document[name] for name in ("id", "edition", *KEYS)} | {"unsent": 0, "document": document | extra}
                await connection.execute(insert(APPOINTMENTS).values(row))
            await connection.execute(text("ANALYZE"))
        store = DocumentStore(documents, lambda: None)
        with recorded_statements() as statements:
            await store.list_upcoming(NOON, 10, an_appointment())
            await store.list_pending(NOON, 10)
            await store.list_ahead_with_doctor(DOCTOR, NOON, 10, None)
            await store.list_unanswered(NOON, 10, None)
        selects = [(statement, parameters) for statement, parameters in statements if statement.startswith("SELECT")]
        async with database.read() as connection:
            plans = [
                str((await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all())
                for statement, parameters in selects
            ]
    expected = ["by_end (ends_us>", "by_unsettled (unsettled_us>", "by_doctor (doctor_id=", "by_status (status="]
    assert len(plans) == len(expected)
    for plan, index in zip(plans, expected, strict=True):
        assert index in plan, plan
    assert not [plan for plan in plans[:3] if "TEMP B-TREE" in plan and "unsettled" not in plan], "sorted by the index"


async def test_the_document_server_has_an_index_for_each_list_of_a_job(mongo_url: str) -> None:
    """The server of the tests explains no plans; MongoDB walks an index that begins with the sort key of a bounded range."""
    async with mongo(mongo_url, MovableClock(NOON, running=False)) as backend:
        collection = cast(MongoDocuments, backend.documents).database["appointments"]
        keys = {name: [key for key, _ in index["key"]] for name, index in (await collection.index_information()).items()}
    assert keys["by_end"] == ["ends_us", "_id"]
    assert keys["by_unsettled"] == ["unsettled_us"]
    assert keys["by_doctor"] == ["doctor_id", "starts_us", "_id"]
    assert keys["by_status"] == ["status", "starts_us", "_id"]


async def test_all_appointments_are_listed_by_id_whatever_their_status(backend: Backend) -> None:
    appointments = sorted(
        (an_appointment(id=new_id(), starts_at=NINE + number * HOUR) for number in range(5)), key=lambda appointment: str(appointment.id)
    )
    pending = pending_with_any_doctor()
    await backend.add(*appointments, pending)
    expected = sorted([*(appointment.id for appointment in appointments), pending.id], key=str)
    listed: list[UUID] = []
    while page := await backend.store.list_by_id(2, listed[-1] if listed else None):
        listed += [appointment.id for appointment in page]
    assert listed == expected
