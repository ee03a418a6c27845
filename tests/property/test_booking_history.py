"""The booking history is right for any order and duplication of events, also while it is rebuilt: it equals the fold in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Executable, Select, insert, select, update

from patient_svc.domain.visits import PatientVisit
from patient_svc.repository.tables import PATIENTS, VISITS
from patient_svc.repository.visits import SqlRebuildStore
from shared.contracts.booking_history import VisitRecord
from shared.contracts.pages import Page
from shared.kit.clock import MovableClock
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.rebuilding import ReadModelRebuilding
from shared.kit.rebuilds import RebuildRequests
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
            people = row.patient_id, row.doctor_id, row.service_id
            return *people, row.version, row.status, row.starts_at, row.ends_at, row.treats, row.time_zone

        return self.runner.run(read())

    def has_visit(self, appointment_id: UUID) -> bool:
        return self._read(select(VISITS.c.appointment_id).where(VISITS.c.appointment_id == appointment_id)) is not None

    def successor(self, patient_id: UUID) -> UUID | None:
        """Return into whom a patient was merged."""
        successor: UUID | None = self._read(select(PATIENTS.c.merged_into).where(PATIENTS.c.id == patient_id))
        return successor

    def insert_patients(self, *ids: UUID) -> None:
        fields = {"full_name": "Sam Lee", "active": True, "has_account": False, "account_version": 0, "version": 1}
        fields |= {"preferences_version": 1, "reminders_consent": True, "search_version": 0}
        self.write(*(insert(PATIENTS).values(fields | {"id": patient_id}) for patient_id in ids))

    def write(self, *statements: Executable) -> None:
        """Execute statements in one transaction."""

        async def execute() -> None:
            async with self.store.database.write() as connection:
                for statement in statements:
                    await connection.execute(statement)

        self.runner.run(execute())

    def _read(self, query: Select[Any]) -> Any:
        """Return the value that a query finds, or None."""

        async def read() -> Any:
            async with self.store.database.read() as connection:
                return await connection.scalar(query)

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
                await tx.save_rows(list(map(PatientVisit.of, records)), rebuild_started_at=NOON)

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


def versions_of(appointment_id: UUID, life: list[tuple[str, int, int]], patient_id: UUID | None = None) -> list[VisitRecord]:
    """Return the versions of an appointment. Without a patient, each has that of its doctor's number, and so has the service."""
    return [
        a_record(
            day,
            appointment_id=appointment_id,
            patient_id=patient_id or UUID(int=300 + doctor),
            version=version,
            status=status,
            doctor_id=UUID(int=doctor),
            service_id=UUID(int=500 + doctor),
        )
        for version, (status, day, doctor) in enumerate(life, start=2)
    ]


def expected(record: VisitRecord, patient_id: UUID | None = None) -> tuple[object, ...]:
    visit = PatientVisit.of(record)
    people = patient_id or visit.patient_id, visit.doctor_id, visit.service_id
    return *people, visit.version, visit.status, visit.starts_at, visit.ends_at, visit.treats, visit.time_zone


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


@dataclass
class ListedAppointments:
    """appointment-service: appointments with the number of the version that is the latest at present, in pages of two."""

    lives: list[list[VisitRecord]]
    latest: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.latest = [0] * len(self.lives)

    async def list_page(self, cursor: str | None) -> Page[VisitRecord]:
        offset = int(cursor or 0)
        current = [life[number] for life, number in zip(self.lives, self.latest, strict=True)]
        return Page(items=current[offset : offset + 2], next=str(offset + 2) if offset + 2 < len(current) else None)

    async def list_existing(self, ids: Sequence[UUID]) -> set[UUID]:
        return {life[0].appointment_id for life in self.lives} & set(ids)


@dataclass
class RebuiltHistory:
    """A history whose rows are wrong, and which is rebuilt while appointments change and patients are merged."""

    system: HistorySystem
    appointments: ListedAppointments
    patient_id: UUID
    target_id: UUID

    @property
    def rebuilding(self) -> ReadModelRebuilding:
        return ReadModelRebuilding(self.system.store, self.appointments, PatientVisit.of, self.system.store.now)

    def store_wrong_row(self, record: VisitRecord, wrong: dict[str, object]) -> None:
        """Store a row as if it had been written an hour before the rebuild."""
        row = asdict(PatientVisit.of(record)) | wrong | {"stored_at": NOON - timedelta(hours=1)}
        self.system.write(insert(VISITS).values(row))

    def change(self, number: int) -> None:
        """Change an appointment, if it has a next version, and handle the event."""
        life = self.appointments.lives[number]
        if self.appointments.latest[number] + 1 < len(life):
            self.appointments.latest[number] += 1
            self.receive(number)

    def receive(self, number: int) -> None:
        """Handle the event of the latest version of an appointment, once more if it was handled before."""
        self.system.receive(self.appointments.lives[number][self.appointments.latest[number]])

    def merge(self) -> None:
        """Merge the patient of all appointments into another one, as patient-service does. A later merge changes nothing."""
        self.system.write(
            update(PATIENTS).where(PATIENTS.c.id == self.patient_id).values(merged_into=self.target_id),
            update(VISITS).where(VISITS.c.patient_id == self.patient_id).values(patient_id=self.target_id),
        )

    def advance(self) -> None:
        """Carry out the next step of the rebuild, if one is left."""
        self.system.runner.run(self.rebuilding.advance())

    def finish(self) -> None:
        while self.system.runner.run(self.rebuilding.advance()):
            pass


def a_wrong_row(record: VisitRecord) -> st.SearchStrategy[dict[str, object]]:
    """What somebody has changed in the database: nothing, a value at the same version, an older version, or one that does not exist."""
    values = st.fixed_dictionaries(
        {}, optional={"patient_id": st.just(UUID(int=77)), "service_id": st.none(), "status": st.just("missed"), "time_zone": st.none()}
    )
    return st.builds(lambda wrong, version: wrong | {"version": version}, values, st.sampled_from([1, record.version, 99]))


@settings(max_examples=40)
@given(data=st.data(), lives=st.lists(LIVES, min_size=1, max_size=4))
def test_a_rebuild_makes_changed_rows_right_while_appointments_change_and_patients_are_merged(
    system: HistorySystem, data: st.DataObject, lives: list[list[tuple[str, int, int]]]
) -> None:
    patient_id, target_id, unknown_id = new_id(), new_id(), new_id()
    system.insert_patients(patient_id, target_id)
    appointments = ListedAppointments([versions_of(new_id(), life, patient_id) for life in lives])
    history = RebuiltHistory(system, appointments, patient_id, target_id)
    for versions in appointments.lives:
        if (wrong := data.draw(st.none() | a_wrong_row(versions[0]))) is not None:
            history.store_wrong_row(versions[0], wrong)
    history.store_wrong_row(a_record(1, appointment_id=unknown_id, patient_id=patient_id), {})
    numbers = st.integers(0, len(lives) - 1)
    steps = data.draw(st.lists(st.tuples(st.sampled_from(["change", "receive", "advance", "merge"]), numbers), max_size=12))
    # Nothing is drawn from here on: Hypothesis may give up an example while it draws, and would leave an unfinished rebuild to the next.
    system.runner.run(RebuildRequests(system.store, system.store.now).request(new_id()))
    history.advance()
    for step, number in steps:
        match step:
            case "change":
                history.change(number)
            case "receive":
                history.receive(number)
            case "merge":
                history.merge()
            case _:
                history.advance()
    history.finish()
    is_merged = system.successor(patient_id) is not None
    for versions, latest in zip(appointments.lives, appointments.latest, strict=True):
        assert system.stored(versions[0].appointment_id) == expected(versions[latest], target_id if is_merged else patient_id)
    assert not system.has_visit(unknown_id)
