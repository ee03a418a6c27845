"""A database of the first release: what is known of each visit is read from its messages, so that visits that were booked before are
reminded of, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command

from notify_svc.domain.reminders import ReminderDefaults
from notify_svc.domain.visits import Visit
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.tables import REMINDERS
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.usecases.reminders import ReminderPlanner
from shared.contracts.contacts import PatientContact
from shared.kit.migrations import alembic_config, migrate, synchronous_url
from shared.kit.migrations.v1 import Id, UtcDateTime
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.builders import DOCTOR, PATIENT, SERVICE, an_event
from tests.unit.notify.pipeline import MemoryContacts

TWO_BATCHES = 501
"""More visits than the migration reads at once."""
START = datetime(2026, 3, 9, 13, tzinfo=UTC)
KNOWN = sa.table("appointments_known", sa.column("appointment_id", Id), sa.column("version", sa.Integer))
MESSAGES = sa.table(
    "messages",
    *(sa.column(name, Id) for name in ("id", "event_id", "recipient_id", "subject_id")),
    *(sa.column(name, sa.String) for name in ("kind", "reader", "status")),
    *(sa.column(name, sa.Integer) for name in ("version", "attempts")),
    *(sa.column(name, UtcDateTime) for name in ("created_at", "due_at")),
    sa.column("facts", sa.JSON),
    sa.column("handed_over", sa.Boolean),
)
BOOKED, MOVED, CANCELLED, ARRIVED, AMENDED, UNTOLD = [UUID(int=0xC0 + number) for number in range(6)]


def a_message_row(number: int, visit_id: UUID, kind: str, version: int, **facts: Any) -> dict[str, Any]:
    """Return the row of a message to the patient as the first release stored it: its facts have no `mode` and no `event_number`."""
    event = an_event(f"appointment.{kind}.v1", appointment_id=visit_id, version=version, **facts).model_dump(mode="json")
    old_facts = {name: value for name, value in event.items() if name not in ("mode", "event_number", "changed")}
    ids = {"id": UUID(int=0x1000 + number), "event_id": UUID(int=0x9000 + number), "recipient_id": PATIENT, "subject_id": visit_id}
    state = {"status": "sent", "attempts": 1, "created_at": NOON, "due_at": NOON, "handed_over": True}
    return {**ids, **state, "kind": kind, "reader": "patient", "version": version, "facts": old_facts}


def old_rows() -> tuple[list[dict[str, Any]], dict[UUID, int]]:
    """Return messages, and the newest version of each visit."""
    moved = {"starts_at": START + timedelta(days=1), "previous_starts_at": START, "sequence": 1}
    rows = [
        a_message_row(1, BOOKED, "booked", 2),
        a_message_row(2, MOVED, "booked", 1),
        a_message_row(3, MOVED, "rescheduled", 3, **moved),
        a_message_row(4, MOVED, "rescheduled", 3, **moved)
        | {"kind": "given_away", "reader": "doctor", "recipient_id": DOCTOR, "facts": {"starts_at": "unread"}},
        a_message_row(5, CANCELLED, "cancelled", 4, status="cancelled"),
        a_message_row(6, ARRIVED, "booked", 1),
        a_message_row(7, AMENDED, "booked", 1),
        a_message_row(8, AMENDED, "amended", 2),
    ]
    many = [a_message_row(100 + number, UUID(int=0xD000 + number), "booked", 1) for number in range(TWO_BATCHES)]
    versions = {BOOKED: 2, MOVED: 3, CANCELLED: 4, ARRIVED: 2, AMENDED: 1, UNTOLD: 5}
    return rows + many, versions | {row["subject_id"]: 1 for row in many}


@pytest.fixture
def old_database(sql_url: str) -> Iterator[sa.Engine]:
    """A connection to a database of the first release with old rows."""
    command.upgrade(alembic_config("notify_svc", sql_url), "0001")
    engine = sa.create_engine(synchronous_url(sql_url))
    rows, versions = old_rows()
    with engine.begin() as connection:
        connection.execute(sa.insert(MESSAGES), rows)
        connection.execute(sa.insert(KNOWN), [{"appointment_id": key, "version": version} for key, version in versions.items()])
    yield engine
    engine.dispose()


async def read_visits(url: str) -> dict[UUID, Visit]:
    _, versions = old_rows()
    async with Database(url) as database, SqlNotificationStore(database, lambda: NOON).begin() as tx:
        return dict(await tx.list_visits(list(versions)))


async def test_a_visit_is_known_from_the_message_of_its_newest_version(old_database: sa.Engine, sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    visits = await read_visits(sql_url)
    assert {key: visit.version for key, visit in visits.items()} == old_rows()[1]
    booked = visits[BOOKED]
    assert (booked.status, booked.starts_at, booked.ends_at) == ("booked", START, START + timedelta(minutes=30))
    assert (booked.service_id, booked.doctor_id, booked.patient_id) == (SERVICE, DOCTOR, PATIENT)
    assert (booked.mode, booked.time_zone, booked.sequence, booked.revision) == ("in_person", "Europe/Berlin", 0, 0)
    assert (booked.wanted_since, booked.planning_due_at) == (NOON, NOON)
    assert (visits[MOVED].starts_at, visits[MOVED].sequence) == (START + timedelta(days=1), 1)
    assert (visits[CANCELLED].status, visits[CANCELLED].planning_due_at) == ("cancelled", None)
    assert visits[AMENDED].status == "booked", "an amendment tells nothing new of the visit, and has no recorded version"
    assert {visit.status for key, visit in visits.items() if key.int >= 0xD000} == {"booked"}, "also those of the second batch"


async def test_a_visit_whose_newest_version_has_no_message_is_unknown_and_not_reminded_of(old_database: sa.Engine, sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    visits = await read_visits(sql_url)
    assert {(visits[key].status, visits[key].planning_due_at, visits[key].is_booked) for key in (ARRIVED, UNTOLD)} == {
        ("unknown", None, False)
    }


async def test_visits_that_were_booked_before_have_reminders(old_database: sa.Engine, sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    contacts = MemoryContacts()
    patient = {"id": PATIENT, "full_name": "Mina", "time_zone": "Europe/Berlin", "locale": "en", "version": 1}
    contacts.patients[PATIENT] = PatientContact.model_validate(patient)
    async with Database(sql_url) as database:
        planner = ReminderPlanner(
            SqlNotificationStore(database, lambda: NOON), contacts, lambda: ReminderDefaults((1440, 60), "Europe/Berlin"), lambda: NOON
        )
        while await planner.plan_due():
            pass
        async with database.read() as connection:
            planned = (await connection.execute(sa.select(REMINDERS.c.appointment_id, REMINDERS.c.due_at))).all()
    due = {key: sorted(row.due_at for row in planned if row.appointment_id == key) for key in old_rows()[1]}
    assert due[BOOKED] == [START - timedelta(days=1), START - timedelta(hours=1)]
    assert due[MOVED] == [START, START + timedelta(hours=23)]
    assert [due[key] for key in (CANCELLED, ARRIVED, UNTOLD)] == [[], [], []]
    assert len(planned) == 2 * (TWO_BATCHES + 3)


async def test_a_visit_that_is_unknown_is_known_from_its_next_event_on(old_database: sa.Engine, sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    async with Database(sql_url) as database:
        queue = MessageQueue(SqlNotificationStore(database, lambda: NOON), lambda: NOON, lambda: None, lambda: None)
        await queue.enqueue_appointment(an_event(appointment_id=ARRIVED, version=2))
        await queue.enqueue_appointment(an_event(appointment_id=UNTOLD, version=6, id=UUID(int=0xE0)))
    visits = await read_visits(sql_url)
    assert visits[ARRIVED].status == "unknown", "an event that was handled before tells nothing new"
    assert (visits[UNTOLD].status, visits[UNTOLD].starts_at, visits[UNTOLD].planning_due_at) == ("booked", START, NOON)


async def test_the_versions_are_there_again_after_the_migration_was_undone(old_database: sa.Engine, sql_url: str) -> None:
    migrate("notify_svc", sql_url)
    command.downgrade(alembic_config("notify_svc", sql_url), "0002")
    with old_database.connect() as connection:
        assert {row.appointment_id: row.version for row in connection.execute(sa.select(KNOWN))} == old_rows()[1]
