"""Several instances share visits to plan and reminders to queue, on every SQL server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from notify_svc.domain.reminders import Reminder, ReminderStatus
from notify_svc.domain.visits import Visit
from notify_svc.ports import Aspect, RenderedMail, VisitPlan
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.tables import MESSAGES, REMINDERS, VISITS
from notify_svc.usecases.visits import record_visit
from shared.contracts.contacts import DoctorContact, PatientContact
from shared.contracts.http import AccountContact
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.running import NOON
from tests.unit.notify.builders import APPOINTMENT, DOCTOR, PATIENT, an_event
from tests.unit.notify.pipeline import ContentRenderer, MemoryContacts, Pipeline, open_pipeline

LATER = NOON + timedelta(minutes=1)
TEN_THOUSAND = 10_000
ROWS_AT_ONCE = 1000


@pytest.fixture
async def stores(sql_url: str) -> AsyncIterator[list[SqlNotificationStore]]:
    """Two instances of notification-service with connections of their own to one database."""
    migrate("notify_svc", sql_url)
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(sql_url)) for _ in range(2)]
        yield [SqlNotificationStore(database, lambda: NOON) for database in databases]


def a_reminder(visit: Visit, offset: int = 60, due_at: datetime = NOON) -> Reminder:
    return Reminder.of(visit, visit.patient_id, offset, due_at, NOON)


async def plan(store: SqlNotificationStore, visit: Visit, *reminders: Reminder) -> None:
    async with store.begin() as tx:
        assert await tx.lock_planning([visit]) == {visit.appointment_id}
        await tx.store_plans([VisitPlan(visit, [visit.patient_id], reminders)])


async def record(store: SqlNotificationStore, topic: str = "booked", **changes: object) -> bool:
    async with store.begin() as tx:
        return await record_visit(tx, an_event(f"appointment.{topic}.v1", id=new_id(), **changes), NOON)


async def claim_visits(store: SqlNotificationStore, now: datetime = NOON) -> Sequence[Visit]:
    async with store.begin() as tx:
        return await tx.claim_visits_to_plan(now, now + timedelta(minutes=1), 50)


async def run_in_parallel(*works: Callable[[], Awaitable[int]]) -> list[int]:
    """Run each work again and again until all of them have nothing left to do; return how much each has done."""
    done = [0] * len(works)

    async def run(number: int) -> None:
        while handled := await works[number]():
            done[number] += handled

    await asyncio.gather(*map(run, range(len(works))))
    return done


async def test_a_visit_to_plan_belongs_to_one_instance_until_its_time_is_over(stores: list[SqlNotificationStore]) -> None:
    await record(stores[0])
    claims = await asyncio.gather(*(claim_visits(store) for store in stores))
    assert sorted(map(len, claims)) == [0, 1]
    assert await claim_visits(stores[1], LATER - timedelta(seconds=1)) == []
    assert len(await claim_visits(stores[1], LATER)) == 1


async def test_a_plan_is_not_stored_for_a_visit_that_has_changed_since_it_was_claimed(stores: list[SqlNotificationStore]) -> None:
    await record(stores[0])
    (claimed,) = await claim_visits(stores[0])
    await record(stores[1], "rescheduled", version=3, starts_at=claimed.starts_at + timedelta(days=1), previous_starts_at=claimed.starts_at)
    async with stores[0].begin() as tx:
        assert await tx.lock_planning([claimed]) == set()


@pytest.mark.parametrize("change", ["preferences", "service"])
async def test_a_plan_is_not_stored_when_what_it_depends_on_has_changed_meanwhile(stores: list[SqlNotificationStore], change: str) -> None:
    await record(stores[0])
    (claimed,) = await claim_visits(stores[0])
    async with stores[1].begin() as tx:
        if change == "preferences":
            await tx.plan_visits_of_person(PATIENT, LATER, LATER)
        else:
            await tx.plan_visits_of_service(claimed.service_id, LATER, LATER)
    async with stores[0].begin() as tx:
        assert await tx.lock_planning([claimed]) == set()
    (again,) = await claim_visits(stores[0], LATER)
    assert again.wanted_since == claimed.wanted_since, "it was never planned, so that what the booking wanted is not lost"


async def test_offsets_count_from_the_newest_change_once_a_visit_was_planned(stores: list[SqlNotificationStore]) -> None:
    await record(stores[0])
    (visit,) = await claim_visits(stores[0])
    await plan(stores[0], visit)
    for wanted_since in (LATER, LATER - timedelta(seconds=30)):
        async with stores[0].begin() as tx:
            await tx.plan_visits_of_person(PATIENT, wanted_since, NOON)
        (again,) = await claim_visits(stores[0])
        assert again.wanted_since == LATER
        await plan(stores[0], again)


async def test_a_guardian_is_found_by_the_visits_of_which_they_are_reminded(stores: list[SqlNotificationStore]) -> None:
    guardian_id = UUID(int=0x71)
    await record(stores[0])
    (visit,) = await claim_visits(stores[0])
    async with stores[0].begin() as tx:
        await tx.lock_planning([visit])
        await tx.store_plans([VisitPlan(visit, [guardian_id], [])])
        await tx.plan_visits_of_person(guardian_id, LATER, NOON)
    assert len(await claim_visits(stores[1])) == 1


async def test_a_visit_that_has_begun_is_not_planned_again(stores: list[SqlNotificationStore]) -> None:
    await record(stores[0])
    (visit,) = await claim_visits(stores[0])
    await plan(stores[0], visit)
    async with stores[0].begin() as tx:
        await tx.plan_visits_of_person(PATIENT, visit.starts_at, visit.starts_at)
    assert await claim_visits(stores[0], visit.starts_at) == []


async def test_a_plan_replaces_planned_reminders_and_leaves_the_others(stores: list[SqlNotificationStore]) -> None:
    await record(stores[0])
    (visit,) = await claim_visits(stores[0])
    sent, planned, new = a_reminder(visit, 1440), a_reminder(visit, 60), a_reminder(visit, 30)
    await plan(stores[0], visit, sent, planned)
    async with stores[0].begin() as tx:
        await tx.set_reminder_status([sent.id], ReminderStatus.QUEUED)
        await tx.plan_visits_of_person(PATIENT, NOON, NOON)
    (visit,) = await claim_visits(stores[0])
    await plan(stores[0], visit, new)
    async with stores[0].begin() as tx:
        stored = {(row.offset_minutes, row.status) for row in await tx.list_reminders([APPOINTMENT])}
    assert stored == {(1440, "queued"), (30, "planned")}


async def test_versions_of_contacts_never_fall(stores: list[SqlNotificationStore]) -> None:
    async with stores[0].begin() as tx:
        results = [await tx.record_contact_version(PATIENT, Aspect.PATIENT, version) for version in (2, 1, 2, 3)]
    assert results == [True, False, False, True]
    assert await stores[0].list_contact_versions([PATIENT], Aspect.PATIENT) == {PATIENT: 3}
    assert await stores[0].list_contact_versions([PATIENT], Aspect.PREFERENCES) == {}


async def test_a_nearer_reminder_counts_once_it_is_due(stores: list[SqlNotificationStore]) -> None:
    await record(stores[0])
    (visit,) = await claim_visits(stores[0])
    far, near = a_reminder(visit, 1440), a_reminder(visit, 60, LATER)
    await plan(stores[0], visit, far, near)
    assert not await stores[0].has_nearer_reminder(far.id, NOON)
    assert await stores[0].has_nearer_reminder(far.id, LATER)
    assert not await stores[0].has_nearer_reminder(near.id, LATER)


async def test_ten_thousand_reminders_due_in_one_minute_are_sent_once_each_by_two_instances(stores: list[SqlNotificationStore]) -> None:
    await store_reminders(stores[0])
    contacts, mailboxes, renderer = contacts_of_patient_and_doctor(), [CountingMailbox(), CountingMailbox()], ContentRenderer()
    instances = [
        open_pipeline(store, contacts, mailbox, renderer, lambda: LATER, f"instance-{number}")
        for number, (store, mailbox) in enumerate(zip(stores, mailboxes, strict=True))
    ]
    done = await run_in_parallel(*(instance.reminders.queue_due for instance in instances))
    while rest := await instances[0].reminders.queue_due():  # reminders that one instance had locked when the other asked for more
        done.append(rest)
    assert sum(done) == TEN_THOUSAND
    await asyncio.gather(*map(send_until_none_is_due, instances))
    mails = Counter(message_id for mailbox in mailboxes for message_id in mailbox.message_ids)
    assert (len(mails), set(mails.values())) == (TEN_THOUSAND, {1})
    assert {content.message.subject_id for content in renderer.contents.values()} == set(map(visit_id, range(TEN_THOUSAND)))
    assert min(len(mailbox.message_ids) for mailbox in mailboxes) > TEN_THOUSAND / 10, "both instances share the work"
    assert renderer.rendered < 1.5 * TEN_THOUSAND, "few mails are made in vain because another instance was faster"
    async with stores[0].database.read() as connection:
        statuses = Counter((await connection.execute(select(REMINDERS.c.status))).scalars())
        messages = Counter((await connection.execute(select(MESSAGES.c.status))).scalars())
    assert (statuses, messages) == ({"queued": TEN_THOUSAND}, {"sent": TEN_THOUSAND})


class CountingMailbox:
    """Implements Mailbox: `message_ids` are those of all mails that were delivered."""

    repeatable = False

    def __init__(self) -> None:
        self.message_ids = list[str]()

    async def deliver(self, mail: RenderedMail) -> None:
        self.message_ids.append(mail.message_id)


def visit_id(number: int) -> UUID:
    return UUID(int=2**64 + number)


async def store_reminders(store: SqlNotificationStore) -> None:
    """Store TEN_THOUSAND visits, each with a reminder that is due between NOON and LATER."""
    visits = [Visit.from_event(an_event(appointment_id=visit_id(number)), NOON) for number in range(TEN_THOUSAND)]
    reminders = [a_reminder(visit, due_at=NOON + timedelta(milliseconds=6 * number)) for number, visit in enumerate(visits)]
    async with store.begin() as tx:
        for first in range(0, TEN_THOUSAND, ROWS_AT_ONCE):
            await tx.connection.execute(insert(VISITS), [vars_of(visit) for visit in visits[first : first + ROWS_AT_ONCE]])
            await tx.connection.execute(insert(REMINDERS), [vars_of(row) for row in reminders[first : first + ROWS_AT_ONCE]])


def contacts_of_patient_and_doctor() -> MemoryContacts:
    contacts, person = MemoryContacts(), {"full_name": "Mina", "time_zone": "Europe/Berlin", "locale": "en", "version": 1}
    contacts.patients[PATIENT] = PatientContact.model_validate(person | {"id": PATIENT})
    contacts.doctors[DOCTOR] = DoctorContact.model_validate(person | {"id": DOCTOR})
    account = {"email": "mina@example.com", "role": "patient", "status": "active", "created_at": NOON}
    contacts.accounts[PATIENT] = AccountContact.model_validate(person | account | {"id": PATIENT})
    return contacts


async def send_until_none_is_due(instance: Pipeline) -> None:
    """Send messages until none is queued any more."""
    while await instance.store.list_due_messages(LATER, 1):
        await instance.sender.send_due()


def vars_of(item: Visit | Reminder) -> dict[str, object]:
    """Return the fields of a visit or reminder."""
    return {name: getattr(item, name) for name in item.__dataclass_fields__}
