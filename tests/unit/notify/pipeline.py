"""The parts of notification-service between the event of an appointment and the mailbox, put together as in its wiring."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from notify_svc.domain.mail_content import MailContent, PasswordLink
from notify_svc.domain.reminders import ReminderDefaults
from notify_svc.domain.templates import NO_OVERRIDES, Overrides
from notify_svc.domain.unsubscribe_links import UnsubscribeLinks
from notify_svc.ports import Contacts, EmailRenderer, Mailbox, RenderedMail
from notify_svc.repository import SqlNotificationStore
from notify_svc.repository.templates import SqlTemplateStore
from notify_svc.usecases.compose import MailComposer
from notify_svc.usecases.current_overrides import CurrentOverrides
from notify_svc.usecases.current_patients import CurrentPatients
from notify_svc.usecases.deliver import MailDelivery
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.usecases.reminders import ReminderPlanner
from notify_svc.usecases.reminders_check import MessageCheck
from notify_svc.usecases.reminders_due import ReminderQueue
from notify_svc.usecases.send import MessageSender
from notify_svc.usecases.take import MessageTaker
from notify_svc.usecases.visit_links import VisitLinks
from shared.contracts.clinic import ClinicProfile
from shared.contracts.contacts import DoctorContact, PatientContact, ServiceReminders
from shared.contracts.http import AccountContact
from shared.contracts.visit_links import VisitLinkKey, VisitLinkOut

PUBLIC_URL, CLINIC_ZONE, CLINIC_LOCALE, CLINIC_OFFSETS = "https://clinic.example", "Europe/Berlin", "en", (1440, 60)


class MemoryContacts:
    """Implements Contacts: `patients`, `doctors` and `accounts` are all that exist."""

    def __init__(self) -> None:
        self.patients, self.doctors = dict[UUID, PatientContact](), dict[UUID, DoctorContact]()
        self.accounts = dict[UUID, AccountContact]()

    async def find_patients(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, PatientContact]:
        return {person_id: self.patients[person_id] for person_id in ids if person_id in self.patients}

    async def find_doctors(
        self, ids: Collection[UUID], min_versions: object = None, fetched_after: object = None
    ) -> Mapping[UUID, DoctorContact]:
        return {person_id: self.doctors[person_id] for person_id in ids if person_id in self.doctors}

    async def find_services(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, ServiceReminders]:
        return {}

    async def find_accounts(self, ids: Collection[UUID], *_: object) -> Mapping[UUID, AccountContact]:
        return {person_id: self.accounts[person_id] for person_id in ids if person_id in self.accounts}


class NoLinks:
    """Implements PasswordLinks and VisitLinkSource: there are no links."""

    async def find_password_link(self, reset_id: UUID) -> PasswordLink | None:
        return None

    async def fetch_visit_links(self, keys: Sequence[VisitLinkKey]) -> Sequence[VisitLinkOut]:
        return []


class NoOtherPatients:
    """Implements KnownPatients: a patient without a contact was erased."""

    async def has_patient_or_successor(self, patient_id: UUID) -> bool:
        return False


class ContentRenderer:
    """Implements EmailRenderer. Mails have no text; `contents` is what they say, by Message-ID. `rendered` counts the mails."""

    def __init__(self) -> None:
        self.contents, self.rendered = dict[str, MailContent](), 0

    def render(self, content: MailContent, now: datetime, overrides: Overrides = NO_OVERRIDES) -> RenderedMail:
        message_id = self.internet_message_id(content.message.id)
        self.contents[message_id] = content
        self.rendered += 1
        return RenderedMail(message_id, "clinic@careslot.example", content.recipient.email, b"")

    def internet_message_id(self, message_id: UUID) -> str:
        return f"<{message_id}@careslot.example>"


@dataclass(frozen=True)
class Pipeline:
    """One instance of notification-service without its bus and its HTTP routes."""

    store: SqlNotificationStore
    queue: MessageQueue
    planner: ReminderPlanner
    reminders: ReminderQueue
    sender: MessageSender
    links: VisitLinks

    async def plan_and_queue(self) -> None:
        """Plan reminders and queue those that are due until nothing is left to do."""
        while await self.planner.plan_due() or await self.reminders.queue_due():
            pass

    async def send_all(self) -> None:
        """Send due messages until none is due. Raises AssertionError if they are never sent."""
        rounds = 0
        while await self.store.list_due_messages(self.sender.now(), 1):
            await self.sender.send_due()
            assert (rounds := rounds + 1) < 100, "due messages wait for each other"


def open_pipeline(
    store: SqlNotificationStore,
    contacts: Contacts,
    mailbox: Mailbox,
    renderer: EmailRenderer,
    now: Callable[[], datetime],
    name: str = "instance-1",
) -> Pipeline:
    """Return an instance that reads the time from `now`. The caller closes `links` and the database of the store."""
    defaults, no_links = ReminderDefaults(CLINIC_OFFSETS, CLINIC_ZONE), NoLinks()
    check, links = MessageCheck(store, contacts, lambda: defaults, now), VisitLinks(no_links, PUBLIC_URL, now)
    clinic, patients = ClinicProfile(time_zone=CLINIC_ZONE, locale=CLINIC_LOCALE), CurrentPatients(contacts, NoOtherPatients(), store)
    composer = MailComposer(contacts, patients, no_links, links, lambda: clinic, UnsubscribeLinks(PUBLIC_URL, "s" * 40))
    overrides = CurrentOverrides(SqlTemplateStore(store.database, now), now)
    delivery = MailDelivery(composer, check, renderer, mailbox, overrides, now, lambda _reason: None)
    return Pipeline(
        store,
        MessageQueue(store, now, lambda: None, lambda: None),
        ReminderPlanner(store, contacts, lambda: defaults, now),
        ReminderQueue(store, now, lambda: None),
        MessageSender(store, delivery, now, name, MessageTaker(store, delivery, now)),
        links,
    )
