"""The booking history is right for any order and duplication of events, also while it is rebuilt: it equals the fold in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from patient_svc.domain.visits import PatientVisit
from patient_svc.repository.tables import VISITS
from patient_svc.repository.visits import SqlRebuildStore
from shared.contracts.booking_history import VisitRecord
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON
from tests.service.patient.appointments_upstream import a_record, an_event_of

STATUSES = st.sampled_from(["requested", "booked", "checked_in", "completed", "missed", "cancelled", "declined", "expired"])
LIVES = st.lists(st.tuples(STATUSES, st.integers(0, 30), st.integers(1, 3)), min_size=1, max_size=6)
"""What each version of an appointment says: status, day and doctor."""


@dataclass
class HistorySystem:
    """A store that lives through all examples, each of which has an appointment of its own."""

    runner: asyncio.Runner
    store: SqlRebuildStore

    def stored(self, appointment_id: UUID) -> tuple[object, ...]:
        async def read() -> tuple[object, ...]:
            async with self.store.database.read() as connection:
                row = (await connection.execute(select(VISITS).where(VISITS.c.appointment_id == appointment_id))).one()
            return row.version, row.status, row.starts_at, row.ends_at, row.doctor_id, row.treats, row.time_zone

        return self.runner.run(read())

    def receive(self, record: VisitRecord) -> None:
        """Handle the event of a version."""

        async def handle() -> None:
            async with self.store.begin() as tx:
                await tx.save_visit(PatientVisit.of(an_event_of(record)))

        self.runner.run(handle())

    def rebuild(self, *records: VisitRecord) -> None:
        """Store a page of a rebuild, which was read when these versions were the latest."""

        async def store_page() -> None:
            async with self.store.begin() as tx:
                await tx.save_visits(list(map(PatientVisit.of, records)))

        self.runner.run(store_page())


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistorySystem]:
    folder: Path = tmp_path_factory.mktemp("visits")
    url = f"sqlite+aiosqlite:///{folder / 'patient.db'}"
    migrate("patient_svc", url)
    with asyncio.Runner() as runner:
        database = Database(url)
        runner.run(database.__aenter__())
        yield HistorySystem(runner, SqlRebuildStore(database, MovableClock(NOON, running=False)))
        runner.run(database.__aexit__(None, None, None))


def versions_of(appointment_id: UUID, life: list[tuple[str, int, int]]) -> list[VisitRecord]:
    return [
        a_record(day, appointment_id=appointment_id, version=version, status=status, doctor_id=UUID(int=doctor))
        for version, (status, day, doctor) in enumerate(life, start=2)
    ]


def expected(record: VisitRecord) -> tuple[object, ...]:
    visit = PatientVisit.of(record)
    return visit.version, visit.status, visit.starts_at, visit.ends_at, visit.doctor_id, visit.treats, visit.time_zone


@settings(max_examples=60)
@given(data=st.data(), life=LIVES)
def test_any_order_and_duplication_equals_the_fold_in_order(
    system: HistorySystem, data: st.DataObject, life: list[tuple[str, int, int]]
) -> None:
    versions = versions_of(new_id(), life)
    arriving = data.draw(st.permutations(versions)) + data.draw(st.lists(st.sampled_from(versions), max_size=4))
    for record in arriving:
        system.receive(record)
    assert system.stored(versions[0].appointment_id) == expected(versions[-1])


@settings(max_examples=60)
@given(data=st.data(), lives=st.lists(LIVES, min_size=1, max_size=3))
def test_pages_of_a_rebuild_and_events_in_any_order_leave_the_newest(
    system: HistorySystem, data: st.DataObject, lives: list[list[tuple[str, int, int]]]
) -> None:
    """Each page was read at some moment, and events of before and after it come before and after it is stored."""
    appointments = [versions_of(new_id(), life) for life in lives]
    steps = [("event", [record]) for versions in appointments for record in versions]
    pages = data.draw(st.lists(st.tuples(*(st.sampled_from(versions) for versions in appointments)), max_size=3))
    for kind, records in data.draw(st.permutations([*steps, *(("page", list(page)) for page in pages)])):
        if kind == "event":
            system.receive(records[0])
        else:
            system.rebuild(*records)
    for versions in appointments:
        assert system.stored(versions[0].appointment_id) == expected(versions[-1])
