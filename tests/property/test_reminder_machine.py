"""Random changes of a patient's visits: the reminders that are sent are those of a plain model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, func, select

from notify_svc.domain.messages import Message
from notify_svc.domain.reminders import ReminderDefaults
from notify_svc.repository import METADATA, SqlNotificationStore
from notify_svc.repository.messages import message_from_row
from notify_svc.repository.tables import MESSAGES, REMINDERS
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.usecases.reminders import ReminderPlanner
from notify_svc.usecases.reminders_check import MessageCheck, Outdated, Postponed
from notify_svc.usecases.reminders_due import ReminderQueue
from shared.contracts.contacts import DoctorContact, PatientContact, QuietHours, ServiceReminders
from shared.contracts.events import AppointmentEvent, PatientChanged, PreferencesChanged
from shared.contracts.http import AccountContact
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.property.reminder_model import TICK, Key, ReminderModel
from tests.unit.notify.builders import PATIENT, an_event

BEGIN = datetime(2026, 3, 28, 9, tzinfo=UTC)  # the day before clocks change in Berlin
VISITS = [UUID(int=0xA1 + number) for number in range(2)]
Result = TypeVar("Result")
visit_ids = st.sampled_from(VISITS)
starts = st.integers(2, 150).map(lambda number: timedelta(minutes=30 * number))
offsets = st.lists(st.sampled_from([15, 60, 90, 240, 600, 1440]), max_size=3, unique=True)
quiet_hours = st.sampled_from([None, (22, 7), (1, 3), (12, 15), (20, 11)])
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland"])
orders = st.sampled_from(["once", "twice", "late copy"])


class ModelContacts:
    """Implements Contacts for the one patient of a model."""

    def __init__(self, model: ReminderModel) -> None:
        self.model, self.version, self.preferences_version = model, 1, 1

    async def find_patients(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, PatientContact]:
        quiet = self.model.quiet
        hours = QuietHours(since=time(quiet[0]), until=time(quiet[1])) if quiet else None
        versions = {"version": self.version, "preferences_version": self.preferences_version}
        person = {"id": PATIENT, "full_name": "Mina", "time_zone": self.model.zone, "locale": "en", "quiet_hours": hours}
        return {PATIENT: PatientContact.model_validate({**person, **versions, "reminder_offsets_minutes": self.model.offsets})}

    async def find_doctors(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, DoctorContact]:
        return {}

    async def find_services(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, ServiceReminders]:
        return {}

    async def find_accounts(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, AccountContact]:
        return {}


class ReminderMachine(RuleBasedStateMachine):
    """Publishes every change to notification-service, applies it to the model, and compares the mails of both."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.model, self.sent = ReminderModel(BEGIN), list[tuple[Key, datetime]]()
        self.versions, self.old_events = dict[UUID, int](), list[AppointmentEvent]()
        self.statuses = dict[UUID, str]()
        self.postponed = dict[UUID, datetime]()
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        self.runner.run(self._open())

    async def _open(self) -> None:
        database = await self.stack.enter_async_context(Database(self.url))
        async with database.write() as connection:
            for table in METADATA.sorted_tables:
                await connection.execute(delete(table))
        self.store, self.contacts = SqlNotificationStore(database, self.clock), ModelContacts(self.model)
        defaults = ReminderDefaults((1440, 60), "Europe/Berlin")
        self.queue = MessageQueue(self.store, self.clock, lambda: None, lambda: None)
        self.planner = ReminderPlanner(self.store, self.contacts, defaults, self.clock)
        self.reminders = ReminderQueue(self.store, self.clock, lambda: None)
        self.check = MessageCheck(self.store, self.contacts, defaults, self.clock)

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def clock(self) -> datetime:
        return self.model.now

    def run(self, work: Awaitable[Result]) -> Result:
        async def wait() -> Result:
            return await work

        return self.runner.run(wait())

    def publish_change(self, visit_id: UUID, topic: str, status: str, start: datetime, order: str, **changes: Any) -> None:
        """Deliver an event, perhaps twice, and perhaps with a late copy of an older one under another id."""
        self.versions[visit_id] = self.versions.get(visit_id, 0) + 1
        facts = {"appointment_id": visit_id, "version": self.versions[visit_id], "status": status, "starts_at": start, "id": new_id()}
        event = an_event(f"appointment.{topic}.v1", **facts, **changes).model_copy(update={"occurred_at": self.model.now})
        late = [old.model_copy(update={"id": new_id()}) for old in self.old_events[-2:]] if order == "late copy" else []
        for delivered in [event, *([event] if order == "twice" else []), *late]:
            self.run(self.queue.enqueue_appointment(delivered))
        self.old_events.append(event)
        self.statuses[visit_id] = status

    @rule(visit_id=visit_ids, by=starts, order=orders, reversed_pair=st.booleans())
    def arrange(self, visit_id: UUID, by: timedelta, order: str, reversed_pair: bool) -> None:
        """Book, approve, or move to another start; a visit that was booked may be cancelled and restored at once, published in reverse."""
        start, previous = self.model.now + by, self.model.visits.get(visit_id)
        if previous is not None and previous.is_booked and previous.start != start and not reversed_pair:
            self.publish_change(visit_id, "rescheduled", "booked", start, order, previous_starts_at=previous.start)
        else:
            if reversed_pair:
                self.versions[visit_id] = self.versions.get(visit_id, 0) + 1
            self.publish_change(visit_id, "booked", "booked", start, order)
        self.model.arrange(visit_id, start)

    @rule(visit_id=visit_ids, order=orders)
    def restore(self, visit_id: UUID, order: str) -> None:
        """Restore, or undo a check-in, to the same start."""
        visit = self.model.visits.get(visit_id)
        if visit is not None and not visit.is_booked and self.model.now < visit.start:
            self.publish_change(visit_id, "booked", "booked", visit.start, order)
            self.model.arrange(visit_id, visit.start)

    @rule(visit_id=visit_ids, change=st.sampled_from(["cancelled", "checked_in", "missed", "declined"]), order=orders)
    def release(self, visit_id: UUID, change: str, order: str) -> None:
        visit = self.model.visits.get(visit_id)
        if visit is not None and visit.is_booked:
            self.publish_change(visit_id, change, change, visit.start, order)
            self.model.release(visit_id)

    @rule(chosen=offsets, quiet=quiet_hours)
    def change_preferences(self, chosen: list[int], quiet: tuple[int, int] | None) -> None:
        self.model.offsets, self.model.quiet = chosen, quiet
        self.contacts.preferences_version += 1
        version = self.contacts.preferences_version
        event = PreferencesChanged(id=new_id(), occurred_at=self.model.now, patient_id=PATIENT, version=version)
        self.run(self.planner.plan_again_for_preferences(event))
        self.model.apply_preferences()

    @rule(zone=zones)
    def change_zone(self, zone: str) -> None:
        self.model.zone = zone
        self.contacts.version += 1
        event = PatientChanged(id=new_id(), occurred_at=self.model.now, patient_id=PATIENT, version=self.contacts.version)
        self.run(self.planner.plan_again_for_patient(event))
        self.model.apply_preferences()

    @rule(ticks=st.integers(1, 200))
    def pass_time(self, ticks: int) -> None:
        for _ in range(ticks):
            self.model.now += TICK
            self.model.tick()
            if self.next_due is not None and self.next_due <= self.model.now:
                self.run(self.work())

    @invariant()
    def the_same_reminders_are_sent(self) -> None:
        self.model.tick()
        self.run(self.work())
        assert sorted(self.sent) == sorted(self.model.sent)

    next_due: datetime | None = None

    async def work(self) -> None:
        """Run the jobs, and send the messages."""
        while await self.planner.plan_due() or await self.reminders.queue_due():
            pass
        async with self.store.database.read() as connection:
            rows = (await connection.execute(select(MESSAGES).where(MESSAGES.c.kind == "reminder"))).all()
            planned = (await connection.execute(select(func.min(REMINDERS.c.due_at)).where(REMINDERS.c.status == "planned"))).scalar()
        for row in sorted(rows, key=lambda row: row.seq):
            await self.send(message_from_row(row))
        instants = [planned, *(until for until in self.postponed.values() if until > self.model.now)]
        self.next_due = min((instant for instant in instants if instant is not None), default=None)

    async def send(self, message: Message) -> None:
        if self.postponed.get(message.id, BEGIN) > self.model.now:
            return
        try:
            assert message.valid_until is not None
            checked = await self.check.refresh(message) if self.model.now < message.valid_until else None
        except Postponed as error:
            self.postponed[message.id] = error.until
            return
        except Outdated:
            checked = None
        self.postponed[message.id] = datetime.max.replace(tzinfo=UTC)  # handled
        if checked is not None and message.valid_until is not None:
            self.sent.append(((message.subject_id, message.valid_until, checked.facts["offset_minutes"]), self.model.now))


def test_the_reminders_that_are_sent_are_those_of_a_plain_model(tmp_path: Path) -> None:
    ReminderMachine.url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    migrate("notify_svc", ReminderMachine.url)
    run_state_machine_as_test(ReminderMachine, settings=settings(max_examples=25, stateful_step_count=20))
