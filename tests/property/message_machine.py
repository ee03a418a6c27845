"""Random changes of visits: the mails that are sent are those of a plain model, also after duplicates, late events and outages."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import delete, func, select

from notify_svc.domain.mail_content import MailContent
from notify_svc.ports import MailDeferred, RenderedMail
from notify_svc.repository import METADATA, SqlNotificationStore
from notify_svc.repository.tables import MESSAGES, REMINDERS, VISITS
from shared.contracts.contacts import DoctorContact, PatientContact, QuietHours
from shared.contracts.events import AppointmentEvent, PatientChanged, PreferencesChanged
from shared.contracts.http import AccountContact
from shared.kit.ids import new_id
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
STATUSES = ("booked", "cancelled", "declined", "expired", "checked_in", "missed")
ACTIONS = {
    "requested": ("booked", "booked", "declined", "expired", "cancelled", "move", "amend"),
    "booked": ("move", "move", "request", "give", "cancelled", "cancelled", "checked_in", "missed", "amend", "amend"),
    "cancelled": ("restore", "restore", "book", "request"),
    "checked_in": ("restore", "restore", "book"),
    **dict.fromkeys(("new", "declined", "expired", "missed"), ("book", "request")),
}
"""What can be done with a visit of each status; the end states are among STATUSES."""
Result = TypeVar("Result")
places = st.integers(0, len(PATIENT_OF_PLACE) - 1)
starts = (st.integers(1, 8) | st.integers(2, 150)).map(lambda number: timedelta(minutes=30 * number))
some_offsets = st.lists(st.sampled_from([15, 30, 60, 90, 240, 1440]), min_size=1, max_size=3, unique=True)
offsets: st.SearchStrategy[list[int] | None] = some_offsets | some_offsets | st.sampled_from([None, []])
quiet_hours = st.sampled_from([None, (22, 7), (1, 3), (12, 15), (20, 11)])
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland"])
amendments = st.sampled_from([frozenset({"place"}), frozenset({"doctor_name"}), frozenset({"reason", "place"}), frozenset({"reason"})])
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
        self.contacts.patients[person_id] = PatientContact.model_validate(
            shared | own | {"reminder_offsets_minutes": person.offsets, "offsets_changed_at": person.offsets_changed_at}
        )

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

    def deliver_late_events(self) -> None:
        """Deliver the events that are late, the newest first."""
        while self.late:
            self.deliver(*self.late.pop())

    @initialize(first=starts, second=starts, is_up=st.booleans(), chosen=offsets)
    def book(self, first: timedelta, second: timedelta, is_up: bool, chosen: list[int] | None) -> None:
        for person in (PATIENT, MOTHER, FATHER):
            self.model.people[person].offsets = chosen
            self.store_contact(person)
        self.switch_mail_server(is_up)
        for place, by in enumerate((first, second)):
            self.arrange(place, by, "once", DOCTOR, "book")

    @rule(place=places, pick=st.integers(0, 23), by=starts, order=orders, doctor=st.sampled_from(DOCTORS), changed=amendments)
    def change_visit(self, place: int, pick: int, by: timedelta, order: str, doctor: UUID, changed: frozenset[str]) -> None:
        """Do with a visit what its status allows; `pick` chooses."""
        visit = self.visits[place]
        actions = ACTIONS[visit.status]
        action = actions[pick % len(actions)]
        if action == "restore" and self.model.now < visit.start:
            self.restore(visit, order, changed)
        elif action == "amend":
            self.publish_change(visit, "amended", order, changed=changed)
        elif action in STATUSES:
            visit.status = action
            self.publish_change(visit, action, order)
        else:
            self.arrange(place, by, order, doctor, action)

    def arrange(self, place: int, by: timedelta, order: str, doctor: UUID, action: str) -> None:
        """Book or request another visit if the one of the place has ended, otherwise move it, perhaps only to another doctor."""
        visit = self.visits[place]
        before = {"previous_start": visit.start, "previous_doctor": visit.doctor}
        if is_new := visit.status not in ("requested", "booked"):
            visit = self.visits[place] = RealVisit(new_id(), visit.patient)
        visit.start, visit.doctor = visit.start if action == "give" else self.model.now + by, doctor
        visit.status = "requested" if action == "request" or visit.status == "requested" else "booked"
        self.publish_change(visit, visit.status if is_new else "rescheduled", order, **({} if is_new else before))

    def restore(self, visit: RealVisit, order: str, changed: frozenset[str]) -> None:
        """Restore a cancelled visit, or undo a check-in."""
        undone = {"check_in"} if visit.status == "checked_in" else set()
        visit.status = "booked"
        self.publish_change(visit, "booked", order, changed=(changed & {"place", "doctor_name"}) | undone)

    @rule(person=readers, chosen=offsets, quiet=quiet_hours, is_twice=st.booleans())
    def change_preferences(self, person: UUID, chosen: list[int] | None, quiet: tuple[int, int] | None, is_twice: bool) -> None:
        if chosen != self.model.people[person].offsets:
            self.model.people[person].offsets_changed_at = self.model.now
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

    def switch_mail_server(self, is_up: bool) -> None:
        self.model.server_is_up = self.mailbox.is_up = is_up

    @rule(ticks=st.integers(1, 12) | st.integers(1, 200), is_up=st.booleans())
    def pass_time(self, ticks: int, is_up: bool) -> None:
        """Let time pass, perhaps without a mail server, which then stays away until time passes with it again."""
        self.switch_mail_server(is_up)
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
