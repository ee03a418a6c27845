"""Old appointments lose their texts, on every back end of the store; how far the job has come survives the process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.ports import StoredAppointment
from appointment_svc.repository.store import DocumentStore
from appointment_svc.usecases.retention import BATCH, LOOK_AGAIN_AFTER, TextRetention
from shared.kit.clock import MovableClock
from tests.contract.test_appointment_store import Backend, mongo, sqlite
from tests.unit.appointment.builders import DESK_ACTOR, NINE, NOON, a_change, an_appointment, link_hash_of

SECOND = timedelta(seconds=1)
YEARS = 2
LIMIT = NOON.replace(year=NOON.year - YEARS)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    clock = MovableClock(NOON, running=False)
    opened = sqlite(tmp_path, clock) if request.param == "sqlite" else mongo(request.getfixturevalue("mongo_url"), clock)
    async with opened as backend:
        yield backend


@dataclass(frozen=True, slots=True)
class ReadingStore(DocumentStore):
    """The store, with the ids of the old appointments that were read. `moved` are changed by others after they were read."""

    read: list[UUID] = field(default_factory=list)
    moved: list[UUID] = field(default_factory=list)

    async def list_ended(self, before: datetime, limit: int, after: tuple[datetime, UUID] | None) -> list[StoredAppointment]:
        page = await DocumentStore.list_ended(self, before, limit, after)
        self.read.extend(appointment.id for appointment in page)
        for appointment in page:
            if isinstance(appointment, Appointment) and appointment.id in self.moved:
                await self.save(appointment.amend({"reason": "changed by another request"}, a_change()))
        return page


def retention(backend: Backend, store: DocumentStore | None = None) -> TextRetention:
    """Return the use case as a process that has just started has it."""
    return TextRetention(store or backend.store, lambda: YEARS, backend.clock)


def reading(backend: Backend) -> ReadingStore:
    return ReadingStore(backend.documents, lambda: None)


def an_old_visit(ended_at: datetime = LIMIT - SECOND, **changes: Any) -> Appointment:
    """Return an appointment with every text that there can be."""
    visit = an_appointment(starts_at=NINE, reason="a rash", intake={"Since when?": "Sunday"}, **changes)
    moved = replace(visit, starts_at=ended_at - timedelta(minutes=30), ends_at=ended_at)
    if moved.status is not AppointmentStatus.BOOKED:
        return moved
    return moved.cancel(a_change(DESK_ACTOR, ended_at - timedelta(days=1), note="on holiday"))


async def find(backend: Backend, visit: Appointment) -> Appointment:
    stored = await backend.store.find(visit.id)
    assert stored is not None
    return stored


async def test_all_texts_of_an_old_appointment_are_removed_and_its_facts_stay(backend: Backend) -> None:
    visit = an_old_visit()
    await backend.add(visit)
    assert await retention(backend).erase_old_texts() == 1
    after = await find(backend, visit)
    assert (after.reason, after.intake, after.cancel_reason, {entry.note for entry in after.history}) == (None, None, None, {None})
    assert after.sync.intent is None or after.sync.intent.note is None
    document = str((await backend.documents.get_many([str(visit.id)]))[0])
    assert [text for text in ("a rash", "Sunday", "on holiday") if text in document] == []
    same = ("id", "status", "patient", "doctor", "service", "starts_at", "ends_at")
    assert [getattr(after, name) for name in same] == [getattr(visit, name) for name in same]
    assert (after.history[-1].action, after.version) == ("erased", visit.version + 1)
    assert await backend.store.find_by_link(link_hash_of(visit)) is None


@pytest.mark.parametrize("ended_at", [LIMIT, LIMIT + SECOND, NOON], ids=["at the limit", "a second later", "now"])
async def test_a_younger_appointment_keeps_its_texts(backend: Backend, ended_at: datetime) -> None:
    visit = an_old_visit(ended_at)
    await backend.add(visit)
    assert await retention(backend).erase_old_texts() == 0
    assert (await find(backend, visit)).reason == "a rash"


async def test_an_appointment_without_texts_gets_no_new_version(backend: Backend) -> None:
    visit = replace(an_old_visit(status=AppointmentStatus.COMPLETED), reason=None, intake=None)
    await backend.add(visit)
    assert await retention(backend).erase_old_texts() == 1
    assert (await find(backend, visit)).version == visit.version


async def test_a_run_reads_only_what_has_become_too_old_since_the_last_one(backend: Backend) -> None:
    first, second = an_old_visit(), an_old_visit(LIMIT + timedelta(days=1))
    await backend.add(first, second)
    store = reading(backend)
    assert await retention(backend, store).erase_old_texts() == 1
    assert await retention(backend, store).erase_old_texts() == 0, "also after the process was started again"
    backend.clock.advance(timedelta(days=1, seconds=1))
    assert await retention(backend, store).erase_old_texts() == 1
    assert store.read == [first.id, second.id]
    assert (await find(backend, second)).reason is None


async def test_a_process_that_is_stopped_between_two_pages_goes_on_where_it_ended(backend: Backend) -> None:
    visits = [an_old_visit(LIMIT - SECOND) for _ in range(BATCH + 2)]  # with the same end, so that the id decides where a page ends
    await backend.add(*visits)
    store = reading(backend)
    assert await retention(backend, store).erase_old_texts() == BATCH
    assert await retention(backend, store).erase_old_texts() == 2
    assert sorted(store.read) == sorted(visit.id for visit in visits)
    stored = await backend.store.find_many([visit.id for visit in visits])
    assert {visit.reason for visit in stored.values() if isinstance(visit, Appointment)} == {None}


async def test_an_appointment_that_was_changed_meanwhile_is_read_again_after_thirty_days(backend: Backend) -> None:
    busy, other = an_old_visit(status=AppointmentStatus.COMPLETED), an_old_visit(status=AppointmentStatus.COMPLETED)
    await backend.add(busy, other)
    store = reading(backend)
    store.moved.append(busy.id)
    await retention(backend, store).erase_old_texts()
    assert ((await find(backend, busy)).reason, (await find(backend, other)).reason) == ("changed by another request", None)
    store.moved.clear()
    backend.clock.advance(LOOK_AGAIN_AFTER - SECOND)
    await retention(backend, store).erase_old_texts()
    assert (await find(backend, busy)).reason == "changed by another request"
    backend.clock.advance(SECOND)
    await retention(backend, store).erase_old_texts()
    assert (await find(backend, busy)).reason is None
