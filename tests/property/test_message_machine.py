"""Random changes of visits: the mails that are sent are those of a plain model, also after duplicates, late events and outages."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, func, select

from notify_svc.domain.mail_content import MailContent
from notify_svc.ports import MailDeferred, RenderedMail
from notify_svc.repository import METADATA, SqlNotificationStore
from notify_svc.repository.tables import MESSAGES, REMINDERS, VISITS
from shared.contracts.contacts import DoctorContact, PatientContact, QuietHours
from shared.contracts.events import AppointmentEvent, PatientChanged, PreferencesChanged
from shared.contracts.http import AccountContact
from shared.kit.ids import new_id
from shared.kit.migrations import migrate
from shared.kit.sql import Database
from tests.property.message_model import TICK, MailFacts, MessageModel, ModelledChange, ModelPerson
from tests.unit.notify.builders import DOCTOR, PATIENT, an_event
from tests.unit.notify.pipeline import ContentRenderer, MemoryContacts, open_pipeline

BEGIN = datetime(2026, 3, 28, 9, tzinfo=UTC)  # the day before clocks change in Berlin
DEPENDANT, MOTHER, FATHER, COLLEAGUE = [UUID(int=0x60 + number) for number in range(4)]
READERS = {PATIENT: [PATIENT], DEPENDANT: [MOTHER, FATHER]}
DOCTORS, GUARDIANS = (DOCTOR, COLLEAGUE), (MOTHER, FATHER)
PATIENT_OF_PLACE = [PATIENT, DEPENDANT]
"""The patients of the visits that exist at the same time. Another visit takes the place of one that has ended."""
ENDED = ("cancelled", "declined", "expired", "missed")
Result = TypeVar("Result")
places = st.integers(0, len(PATIENT_OF_PLACE) - 1)
starts = (st.integers(1, 8) | st.integers(2, 150)).map(lambda number: timedelta(minutes=30 * number))
offsets = st.none() | st.lists(st.sampled_from([15, 60, 90, 240, 600, 1440]), max_size=3, unique=True)
quiet_hours = st.sampled_from([None, (22, 7), (1, 3), (12, 15), (20, 11)])
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland"])
orders = st.sampled_from(["once", "twice", "late", "with old ones"])
readers = st.sampled_from([PATIENT, MOTHER, FATHER])


@dataclass
class RealVisit:
    """A visit as appointment-service has it."""

    id: UUID
    patient: UUID
    status: str = "new"
    start: datetime = BEGIN
    doctor: UUID = DOCTOR
    version: int = 0


@dataclass
class BreakableMailbox:
    """Implements Mailbox. Nobody can deliver to it while it is not `is_up`."""

    is_up: bool = True
    repeatable: bool = False
    message_ids: list[str] = field(default_factory=list)

    async def deliver(self, mail: RenderedMail) -> None:
        if not self.is_up:
            raise MailDeferred("no connection")
        self.message_ids.append(mail.message_id)


class MessageMachine(RuleBasedStateMachine):
    """Publishes every change to notification-service, applies it to the model, and compares the mails of both."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        people = {PATIENT: "mina", MOTHER: "lena", FATHER: "paul", DOCTOR: "ada", COLLEAGUE: "otto"}
        self.model = MessageModel(BEGIN, {key: ModelPerson(f"{name}@example.com") for key, name in people.items()}, READERS)
        self.visits = [RealVisit(new_id(), patient) for patient in PATIENT_OF_PLACE]
        self.late, self.old = list[tuple[AppointmentEvent, ModelledChange]](), list[AppointmentEvent]()
        self.mailbox, self.renderer, self.contacts = BreakableMailbox(), ContentRenderer(), MemoryContacts()
        self.arrived, self.next_due = list[MailFacts](), BEGIN
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        self.runner.run(self._open())

    async def _open(self) -> None:
        database = await self.stack.enter_async_context(Database(self.url))
        async with database.write() as connection:
            for table in METADATA.sorted_tables:
                await connection.execute(delete(table))
        store = SqlNotificationStore(database, self.clock)
        self.pipeline = open_pipeline(store, self.contacts, self.mailbox, self.renderer, self.clock)
        self.stack.push_async_callback(self.pipeline.links.aclose)
        self.versions = dict.fromkeys(self.model.people, 1)
        for person in self.model.people:
            self.store_contact(person)
        dependant = {"id": DEPENDANT, "full_name": "Kim", "time_zone": None, "locale": None, "version": 1}
        self.contacts.patients[DEPENDANT] = PatientContact.model_validate(dependant | {"guardian_ids": list(GUARDIANS)})

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def clock(self) -> datetime:
        return self.model.now

    def run(self, work: Awaitable[Result]) -> Result:
        async def wait() -> Result:
            return await work

        return self.runner.run(wait())

    def store_contact(self, person_id: UUID) -> None:
        """Give auth-, patient- and doctor-service what the model knows of a person."""
        person, version = self.model.people[person_id], self.versions[person_id]
        shared = {"id": person_id, "full_name": "Kim", "time_zone": person.zone, "version": version}
        role = "doctor" if person_id in DOCTORS else "patient"
        account = shared | {"email": person.email, "role": role, "status": "active", "created_at": BEGIN, "locale": person.language}
        self.contacts.accounts[person_id] = AccountContact.model_validate(account)
        if person_id in DOCTORS:
            self.contacts.doctors[person_id] = DoctorContact.model_validate(shared)
            return
        hours = QuietHours(since=time(person.quiet[0]), until=time(person.quiet[1])) if person.quiet else None
        own = {"locale": person.language, "quiet_hours": hours, "preferences_version": version}
        self.contacts.patients[person_id] = PatientContact.model_validate(shared | own | {"reminder_offsets_minutes": person.offsets})

    def publish_change(self, visit: RealVisit, topic: str, order: str, **changes: Any) -> None:
        """Deliver an event: perhaps twice, with copies of older ones, or later, which is after the next one."""
        visit.version += 1
        facts = {
            "version": visit.version,
            "status": visit.status,
            "doctor": visit.doctor,
            "start": visit.start,
            "occurred_at": self.model.now,
        }
        change = ModelledChange(visit.id, visit.patient, topic, **facts, **changes)  # type: ignore[arg-type]
        event = event_of(change)
        if order == "late":
            self.late.append((event, change))
            return
        self.deliver(event, change)
        self.deliver_late_events()
        for again in [event] if order == "twice" else self.old[-3:] if order == "with old ones" else []:
            self.run(self.pipeline.queue.enqueue_appointment(again))

    def deliver(self, event: AppointmentEvent, change: ModelledChange) -> None:
        self.run(self.pipeline.queue.enqueue_appointment(event))
        self.model.apply(change)
        self.old.append(event)

    @rule()
    def deliver_late_events(self) -> None:
        """Deliver the events that are late, the newest first."""
        while self.late:
            self.deliver(*self.late.pop())

    @rule(place=places, by=starts, order=orders, doctor=st.sampled_from(DOCTORS), is_request=st.booleans())
    def arrange(self, place: int, by: timedelta, order: str, doctor: UUID, is_request: bool) -> None:
        """Book or request a visit if there is none, otherwise move it; some moves need approval."""
        visit = self.visits[place]
        if visit.status in ENDED:
            visit = self.visits[place] = RealVisit(new_id(), visit.patient)
        before = {"previous_start": visit.start, "previous_doctor": visit.doctor}
        is_new, is_open = visit.status == "new", visit.status in ("new", "requested", "booked")
        if is_open:
            visit.start, visit.doctor = self.model.now + by, doctor
            visit.status = "requested" if is_request or visit.status == "requested" else "booked"
            self.publish_change(visit, visit.status if is_new else "rescheduled", order, **({} if is_new else before))

    @rule(place=places, order=orders, doctor=st.sampled_from(DOCTORS))
    def give_to_doctor(self, place: int, order: str, doctor: UUID) -> None:
        """Give a booked visit to a doctor at the same time."""
        visit, before = self.visits[place], self.visits[place].doctor
        if visit.status == "booked" and before != doctor:
            visit.doctor = doctor
            self.publish_change(visit, "rescheduled", order, previous_start=visit.start, previous_doctor=before)

    @rule(place=places, order=orders, outcome=st.sampled_from(["booked", "declined", "expired", "cancelled"]))
    def decide(self, place: int, order: str, outcome: str) -> None:
        """Approve, decline or withdraw a request, or let it expire."""
        visit = self.visits[place]
        if visit.status == "requested":
            visit.status = outcome
            self.publish_change(visit, outcome, order)

    @rule(place=places, order=orders, outcome=st.sampled_from(["cancelled", "checked_in", "missed"]))
    def end(self, place: int, order: str, outcome: str) -> None:
        """Cancel or miss a booked visit, or check the patient in."""
        visit = self.visits[place]
        if visit.status == "booked":
            visit.status = outcome
            self.publish_change(visit, outcome, order)

    @rule(place=places, order=orders, changed=st.sampled_from([frozenset(), frozenset({"place"})]))
    def restore(self, place: int, order: str, changed: frozenset[str]) -> None:
        """Restore a cancelled visit, or undo a check-in."""
        visit = self.visits[place]
        if visit.status in ("cancelled", "checked_in") and self.model.now < visit.start:
            changed |= {"check_in"} if visit.status == "checked_in" else set()
            visit.status = "booked"
            self.publish_change(visit, "booked", order, changed=changed)

    @rule(place=places, order=orders, changed=st.sampled_from([("place",), ("doctor_name",), ("reason", "place"), ("reason",)]))
    def amend(self, place: int, order: str, changed: tuple[str, ...]) -> None:
        visit = self.visits[place]
        if visit.status in ("requested", "booked"):
            self.publish_change(visit, "amended", order, changed=frozenset(changed))

    @rule(person=readers, chosen=offsets, quiet=quiet_hours, is_twice=st.booleans())
    def change_preferences(self, person: UUID, chosen: list[int] | None, quiet: tuple[int, int] | None, is_twice: bool) -> None:
        self.model.people[person].offsets, self.model.people[person].quiet = chosen, quiet
        facts = self.change_person(person)
        for _ in range(1 + is_twice):
            self.run(self.pipeline.planner.plan_again_for_preferences(PreferencesChanged.model_validate(facts)))

    @rule(person=readers, zone=zones, language=st.sampled_from(["en", "de", "fr"]), is_twice=st.booleans())
    def change_profile(self, person: UUID, zone: str, language: str, is_twice: bool) -> None:
        self.model.people[person].zone, self.model.people[person].language = zone, language
        facts = self.change_person(person)
        for _ in range(1 + is_twice):
            self.run(self.pipeline.planner.plan_again_for_patient(PatientChanged.model_validate(facts)))

    def change_person(self, person: UUID) -> dict[str, Any]:
        """Apply the change of a person to the model and the contacts; return the facts of the event."""
        self.model.apply_preferences(person)
        self.versions[person] += 1
        self.store_contact(person)
        return {"id": new_id(), "occurred_at": self.model.now, "patient_id": person, "version": self.versions[person]}

    @rule(is_up=st.booleans())
    def switch_mail_server(self, is_up: bool) -> None:
        self.model.server_is_up = self.mailbox.is_up = is_up

    @rule(ticks=st.integers(1, 60))
    def have_outage(self, ticks: int) -> None:
        """Let the mail server be down for some time."""
        self.switch_mail_server(is_up=False)
        self.the_same_mails_are_sent()
        self.pass_time(ticks)
        self.switch_mail_server(is_up=True)

    @rule(ticks=st.integers(1, 200))
    def pass_time(self, ticks: int) -> None:
        for _ in range(ticks):
            self.model.now += TICK
            self.model.tick()
            if self.next_due <= self.model.now:
                self.run(self.work())

    @invariant()
    def the_same_mails_are_sent(self) -> None:
        self.model.tick()
        self.run(self.work())
        assert sorted(self.arrived) == sorted(self.model.sent)
        assert max(Counter(self.mailbox.message_ids).values(), default=1) == 1

    async def work(self) -> None:
        """Run the jobs, and read what arrived at the mailbox."""
        read = len(self.mailbox.message_ids)
        await self.pipeline.plan_and_queue()
        await self.pipeline.send_all()
        contents = self.renderer.contents
        self.arrived += [facts_of(contents[message_id], self.model.now) for message_id in self.mailbox.message_ids[read:]]
        waiting = (
            select(func.min(MESSAGES.c.due_at)).where(MESSAGES.c.status == "queued"),
            select(func.min(REMINDERS.c.due_at)).where(REMINDERS.c.status == "planned"),
            select(func.min(VISITS.c.planning_due_at)),
        )
        async with self.pipeline.store.database.read() as connection:
            instants = [(await connection.execute(query)).scalar() for query in waiting]
        self.next_due = min((instant for instant in instants if instant is not None), default=datetime.max.replace(tzinfo=UTC))


def event_of(change: ModelledChange) -> AppointmentEvent:
    """Return the event of a change."""
    facts: dict[str, Any] = {name: getattr(change, name) for name in ("version", "status")}
    facts |= {"id": new_id(), "appointment_id": change.visit_id, "patient_id": change.patient, "doctor_id": change.doctor}
    facts |= {"starts_at": change.start, "previous_starts_at": change.previous_start, "previous_doctor_id": change.previous_doctor}
    event = an_event(f"appointment.{change.topic}.v1", changed=sorted(change.changed), event_number=change.version, **facts)
    return event.model_copy(update={"occurred_at": change.occurred_at})


def facts_of(content: MailContent, sent_at: datetime) -> MailFacts:
    """Return what is compared of a mail that has arrived."""
    message, recipient = content.message, content.recipient
    start = datetime.fromisoformat(message.facts["starts_at"])
    offset = message.facts.get("offset_minutes", 0)
    return MailFacts(sent_at, recipient.email, recipient.locale, recipient.time_zone, message.kind, message.subject_id, start, offset)


def test_the_mails_that_are_sent_are_those_of_a_plain_model(tmp_path: Path) -> None:
    MessageMachine.url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    migrate("notify_svc", MessageMachine.url)
    run_state_machine_as_test(MessageMachine, settings=settings(max_examples=40, stateful_step_count=30))
