"""Appointments are deleted when they ended longer ago than the clinic keeps them, on every back end of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.usecases.retention import BATCH, DELETED_AT_ONCE, AppointmentRetention
from shared.kit.clock import MovableClock
from tests.contract.test_appointment_store import Backend, mongo, sqlite
from tests.unit.appointment.builders import NINE, NOON, a_change, an_appointment, link_hash_of

SECOND = timedelta(seconds=1)
YEARS = 2
LIMIT = NOON.replace(year=NOON.year - YEARS)


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.needs_servers("MONGO"))])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    clock = MovableClock(NOON, running=False)
    opened = sqlite(tmp_path, clock) if request.param == "sqlite" else mongo(request.getfixturevalue("mongo_url"), clock)
    async with opened as backend:
        yield backend


def retention(backend: Backend) -> AppointmentRetention:
    """Return the use case as a process that has just started has it."""
    return AppointmentRetention(backend.store, lambda: YEARS, backend.clock)


def an_over_visit(ended_at: datetime = LIMIT - SECOND) -> Appointment:
    visit = an_appointment(starts_at=NINE, status=AppointmentStatus.COMPLETED)
    return replace(visit, starts_at=ended_at - timedelta(minutes=30), ends_at=ended_at)


async def test_an_appointment_is_deleted_with_its_link_a_second_after_the_years(backend: Backend) -> None:
    over, at_limit = an_over_visit(), an_over_visit(LIMIT)
    await backend.add(over, at_limit)

    assert await retention(backend).delete_old() == 1

    assert await backend.store.find(over.id) is None
    assert await backend.store.find_by_link(link_hash_of(over)) is None
    assert await backend.store.list_link_hashes([over.id]) == {}
    assert await backend.store.find(at_limit.id) is not None
    assert await backend.store.find_by_link(link_hash_of(at_limit)) is not None


async def test_an_appointment_whose_event_or_calendar_entry_waits_is_kept(backend: Backend) -> None:
    waiting = an_over_visit()
    await backend.add(waiting)
    stored = await backend.store.get(waiting.id)
    await backend.store.save(stored.amend({"reason": "changed"}, a_change()))

    assert await retention(backend).delete_old() == 0
    assert await backend.store.find(waiting.id) is not None


async def test_a_run_deletes_page_after_page_and_the_next_one_goes_on(backend: Backend) -> None:
    kept = an_over_visit(LIMIT + SECOND)
    await backend.add(kept, *(an_over_visit() for _ in range(BATCH + 2)))

    deleted = await backend.store.delete_ended([stored.id for stored in await backend.store.list_ended(LIMIT, 3, None)], LIMIT)
    assert deleted == 3, "a run that was stopped in its first page"
    assert await retention(backend).delete_old() == BATCH - 1
    assert await retention(backend).delete_old() == 0
    assert [stored.id for stored in await backend.store.list_by_id(DELETED_AT_ONCE, None)] == [kept.id]


async def test_an_appointment_that_was_moved_meanwhile_is_kept(backend: Backend) -> None:
    moved = an_over_visit(LIMIT + SECOND)
    await backend.add(moved)

    assert await backend.store.delete_ended([moved.id], LIMIT) == 0
