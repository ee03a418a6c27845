"""Rebuilding the booking history from appointment-service's list, while events go on arriving."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from patient_svc.repository.tables import VISITS
from patient_svc.repository.visits import SqlRebuildStore
from shared.contracts.events import AppointmentEvent
from shared.kit.ids import new_id
from shared.kit.rebuilds import ReadModelRebuild, RebuildPhase, RebuildRequests
from shared.kit.sql import Database
from tests.running import RunningService
from tests.service.patient.appointments_upstream import AppointmentsUpstream, a_record, an_event_of
from tests.service.patient.running_patient import run_patient_service

SECOND = timedelta(seconds=1)


@dataclass
class Rebuilder:
    """A running patient-service, what it calls, and the database in which the command line requests a rebuild."""

    service: RunningService
    upstream: AppointmentsUpstream
    database: Database

    async def request(self) -> ReadModelRebuild:
        return await self._requests.request(new_id())

    async def rebuild(self) -> ReadModelRebuild:
        """Request a rebuild and let it run to its end."""
        requested = await self.request()
        await self.service.run_until_idle()
        return await self.get(requested)

    async def get(self, rebuild: ReadModelRebuild) -> ReadModelRebuild:
        current = await self._requests.find(rebuild.id)
        assert current is not None
        return current

    async def visits(self) -> dict[int, Any]:
        """Return the stored visits by the number of their record."""
        async with self.database.read() as connection:
            return {row.appointment_id.int - 1000: row for row in await connection.execute(select(VISITS))}

    @property
    def _requests(self) -> RebuildRequests:
        return RebuildRequests(SqlRebuildStore(self.database, self.service.clock), self.service.clock)


@asynccontextmanager
async def a_rebuilder(folder: Path, url: str) -> AsyncIterator[Rebuilder]:
    upstream = AppointmentsUpstream()
    async with run_patient_service(folder, database_url=url, upstream=upstream) as service, Database(url) as database:
        yield Rebuilder(service, upstream, database)


@pytest.fixture
async def rebuilder(tmp_path: Path, sql_url: str) -> AsyncIterator[Rebuilder]:
    async with a_rebuilder(tmp_path, sql_url) as rebuilder:
        yield rebuilder


def event_body(event: AppointmentEvent) -> bytes:
    return json.dumps(event.to_cloudevent("appointment-service")).encode()


def facts(row: Any) -> tuple[Any, ...]:
    return row.version, row.status, row.starts_at, row.ends_at, row.time_zone, row.doctor_id, row.patient_id, row.treats


def expected(number: int, treats: bool = True, **changes: Any) -> tuple[Any, ...]:
    record = a_record(number, **changes)
    people = (record.doctor_id, record.patient_id, treats)
    return record.version, record.status, record.starts_at, record.ends_at, record.time_zone, *people


async def test_a_rebuild_adds_what_is_missing_completes_old_rows_and_removes_what_is_gone(rebuilder: Rebuilder) -> None:
    for number in (1, 2, 3):
        await rebuilder.service.publish_event(an_event_of(a_record(number)))
    old = {"service_id": None, "status": None, "starts_at": None, "ends_at": None, "time_zone": None, "stored_at": None}
    async with rebuilder.database.write() as connection:
        await connection.execute(update(VISITS).where(VISITS.c.appointment_id == a_record(1).appointment_id).values(old))
    rebuilder.upstream.add(a_record(1), a_record(2, version=5, status="cancelled"), a_record(4), a_record(5))
    rebuilder.service.clock.advance(SECOND)
    finished = await rebuilder.rebuild()
    assert (finished.phase, finished.read_count, finished.removed_count) == (RebuildPhase.FINISHED, 4, 1)
    visits = {number: facts(row) for number, row in (await rebuilder.visits()).items()}
    assert visits == {
        1: expected(1),
        2: expected(2, treats=False, version=5, status="cancelled"),
        4: expected(4),
        5: expected(5),
    }


@pytest.mark.parametrize("stored_version", [2, 99], ids=["true", "wrong"])
async def test_what_events_write_during_a_rebuild_stays(rebuilder: Rebuilder, stored_version: int) -> None:
    """The list of a page is older than an event that is handled before it is stored, and a new appointment is behind the position."""
    await rebuilder.service.publish_event(an_event_of(a_record(4, version=stored_version)))
    rebuilder.upstream.add(*(a_record(number) for number in (2, 3, 4, 5, 6)))
    rebuilder.service.clock.advance(SECOND)
    newer, newest = a_record(4, version=7, status="completed"), a_record(1)
    pages = iter([(newer, newest)])

    async def publish_between_pages() -> int:
        for record in next(pages, ()):
            event = an_event_of(record)
            await rebuilder.service.bus.publish(event.topic, str(event.id), event_body(event))
        return 0

    rebuilder.service.background_work.add(publish_between_pages)
    finished = await rebuilder.rebuild()
    assert (finished.read_count, finished.removed_count) == (5, 0)
    visits = {number: facts(row) for number, row in (await rebuilder.visits()).items()}
    assert visits[4] == expected(4, version=7, status="completed")
    assert sorted(visits) == [1, 2, 3, 4, 5, 6], "1 is not in the list any more, and was stored after the start"


async def test_an_appointment_that_exists_and_is_not_listed_is_not_removed(rebuilder: Rebuilder) -> None:
    """An appointment that appointment-service cannot read is in none of its pages."""
    await rebuilder.service.publish_event(an_event_of(a_record(1)))
    rebuilder.upstream.add(a_record(1), a_record(2))
    rebuilder.upstream.unlisted.add(a_record(1).appointment_id)
    rebuilder.service.clock.advance(SECOND)
    finished = await rebuilder.rebuild()
    assert (finished.phase, finished.removed_count) == (RebuildPhase.FINISHED, 0)
    assert sorted(await rebuilder.visits()) == [1, 2]


async def test_a_rebuild_goes_on_where_it_stopped(rebuilder: Rebuilder) -> None:
    rebuilder.upstream.add(*(a_record(number) for number in range(1, 6)))

    def stop_after_two_pages() -> None:
        rebuilder.upstream.is_down = len(rebuilder.upstream.cursors) == 1

    rebuilder.upstream.before_page = stop_after_two_pages
    stopped = await rebuilder.rebuild()
    assert (stopped.phase, stopped.read_count) == (RebuildPhase.READING, 4)
    assert await rebuilder.request() == stopped, "the command goes on with the rebuild that is not finished"
    rebuilder.upstream.is_down = False
    rebuilder.upstream.before_page = lambda: None
    rebuilder.service.clock.advance(SECOND * 10)
    await rebuilder.service.run_until_idle()
    finished = await rebuilder.get(stopped)
    assert (finished.phase, finished.read_count) == (RebuildPhase.FINISHED, 5)
    first, second, third = (None, *(str(a_record(number).appointment_id) for number in (2, 4)))
    assert rebuilder.upstream.cursors == [first, second, third]
    assert (await rebuilder.request()).id != finished.id, "and begins a new one after that"


async def test_many_visits_that_are_gone_are_removed_page_by_page(rebuilder: Rebuilder) -> None:
    people = {"patient_id": UUID(int=1), "doctor_id": UUID(int=2), "treats": True, "version": 2}
    rows = [people | {"appointment_id": UUID(int=5000 + number)} for number in range(250)]
    async with rebuilder.database.write() as connection:
        await connection.execute(insert(VISITS), rows)
    rebuilder.upstream.add(a_record(1))
    finished = await rebuilder.rebuild()
    assert (finished.read_count, finished.removed_count) == (1, 250)
    assert sorted(await rebuilder.visits()) == [1]
