"""The composition root of notification-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import random
from typing import NamedTuple

from fastapi import FastAPI
from prometheus_client import Counter

from notify_svc import consumers, jobs
from notify_svc.clients.admin_accounts import HttpAdminAccounts
from notify_svc.clients.appointments import HttpAppointments
from notify_svc.clients.contacts import HttpContactSource
from notify_svc.clients.dead_letters import HttpDeadLetterSource
from notify_svc.clients.email_renderer import CurrentClinicRenderer
from notify_svc.clients.files import FileMailbox
from notify_svc.clients.patient_reminders import HttpPatientReminders
from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.clients.template_library import JinjaTemplateLibrary
from notify_svc.clients.webhook_http import HttpWebhookReceiver
from notify_svc.clients.webhook_signing import StandardWebhookSecrets
from notify_svc.domain.mail_content import Clinic
from notify_svc.domain.reminders import ReminderDefaults
from notify_svc.domain.unsubscribe_links import UnsubscribeLinks
from notify_svc.domain.webhook_addresses import AddressPolicy
from notify_svc.ports import Mailbox
from notify_svc.ports.dead_letters import DeadLetterSource
from notify_svc.repository import INFRASTRUCTURE, SqlNotificationStore, SqlWebhookReads
from notify_svc.repository.comparison import SqlComparisonStore
from notify_svc.repository.doctor_preferences import SqlDoctorPreferencesStore
from notify_svc.repository.due_work import SqlDueWorkStore
from notify_svc.repository.restored import withhold_deliveries, withhold_messages
from notify_svc.repository.tables import CLINIC_SETTINGS
from notify_svc.repository.templates import SqlTemplateStore
from notify_svc.settings import NotifySettings
from notify_svc.usecases.compare import AppointmentComparison
from notify_svc.usecases.compose import MailComposer
from notify_svc.usecases.contacts import CachedContacts
from notify_svc.usecases.current_overrides import CurrentOverrides
from notify_svc.usecases.current_patients import CurrentPatients
from notify_svc.usecases.dead_letters import DeadLetterOverview
from notify_svc.usecases.deliver import MailDelivery
from notify_svc.usecases.deliver_webhooks import WebhookDispatcher
from notify_svc.usecases.digests import DigestQueue
from notify_svc.usecases.doctor_preferences import DoctorMailPreferences
from notify_svc.usecases.due_work import DueWorkFinder, JobWakes
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.usecases.erasure import RecipientErasure
from notify_svc.usecases.maintain_webhooks import WebhookMaintenance
from notify_svc.usecases.merged_patients import MergedRecipients
from notify_svc.usecases.message_log import MessageLog, MessageRetention
from notify_svc.usecases.reminders import ReminderPlanner
from notify_svc.usecases.reminders_check import MessageCheck
from notify_svc.usecases.reminders_due import ReminderQueue
from notify_svc.usecases.resend import MessageResending
from notify_svc.usecases.send import MessageSender
from notify_svc.usecases.take import MessageTaker
from notify_svc.usecases.templates import Templates
from notify_svc.usecases.unsubscribe import Unsubscribing
from notify_svc.usecases.visit_links import VisitLinks
from notify_svc.usecases.visit_retention import NotifiedVisitRetention
from notify_svc.usecases.webhooks import Webhooks
from shared.contracts.clinic import LOGO_PATH, CurrentClinic
from shared.contracts.identity import Service
from shared.kit.clock import Clock, system_clock
from shared.kit.erasure_reports import HttpErasureReports
from shared.kit.leases import LeaseHolder
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime
from shared.kit.sql import Database
from shared.kit.sql_clinic_settings import SqlSettingsCopy


@dataclass(frozen=True, slots=True)
class WiringContext:
    """What every part of the wiring needs. `holder` holds the leases of jobs that run on one instance at a time."""

    runtime: ServiceRuntime
    settings: NotifySettings
    store: SqlNotificationStore
    holder: LeaseHolder
    clinic: CurrentClinic

    @property
    def clock(self) -> Clock:
        """The clock of the service."""
        return self.runtime.clock

    def reminder_defaults(self) -> ReminderDefaults:
        """Return the clinic's offsets and time zone."""
        clinic = self.clinic()
        return ReminderDefaults(clinic.reminder_offsets_minutes, clinic.time_zone)

    def mail_clinic(self) -> Clinic:
        """Return the clinic as mails show it. Where an admin has set nothing, replies go to the address of the environment."""
        settings, clinic = self.settings, self.clinic()
        logo_url = f"{settings.public_url}{LOGO_PATH}" if clinic.has_logo else None
        return Clinic(
            clinic.name, settings.mail_from, settings.public_url, clinic.email, clinic.locale, clinic.address, clinic.phone, logo_url
        )

    def message_days(self) -> int:
        """Return after how many days messages are deleted, and visits after their end."""
        return self.clinic().retention_of("messages_days", self.settings.keep_messages_days)

    def count_by(self, label: str, name: str, description: str) -> Callable[[str], None]:
        """Add a counter with one label to the metrics, and return the function that counts one for a value of the label."""
        counter = Counter(name, description, [label], registry=self.runtime.app.state.registry)
        return lambda value: counter.labels(value).inc()


class OtherServices(NamedTuple):
    """What other services know: contacts (`source` asks for them, `contacts` is the cache of its answers), appointments and links."""

    source: HttpContactSource
    contacts: CachedContacts
    appointments: HttpAppointments
    visit_links: VisitLinks


@asynccontextmanager
async def wire(app: FastAPI, settings: NotifySettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        store = SqlNotificationStore(database, runtime.clock, runtime.start_outbox_relay(database, INFRASTRUCTURE))
        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        clinic = await runtime.follow_clinic(
            SqlSettingsCopy(database, CLINIC_SETTINGS),
            name=settings.sender_name or settings.clinic_name,
            email=settings.clinic_email,
            reminder_offsets_minutes=settings.reminder_offsets_minutes,
        )
        context = WiringContext(runtime, settings, store, holder, clinic)
        services = open_other_services(context)
        unsubscribe_links = UnsubscribeLinks(settings.public_url, settings.link_secret)

        delivery = await open_delivery(context, services, unsubscribe_links)
        sender, wake_sender = add_sender(context, delivery)
        planner, wake_planner, wake_queue = add_reminders(context, services.contacts, wake_sender)
        dispatcher, wake_dispatcher = await open_webhooks(context, wake_sender)
        add_due_work(context, JobWakes(wake_sender, wake_dispatcher, wake_planner, wake_queue))
        queue = MessageQueue(store, runtime.clock, wake_sender, wake_dispatcher)
        runtime.provide(queue)
        add_comparison(context, services.appointments, queue)

        provide_preferences(context, unsubscribe_links)
        runtime.provide(DeadLetterOverview(dead_letter_sources(runtime)))
        reports = HttpErasureReports(runtime.client(Service.PATIENT))
        erasure = RecipientErasure(store, services.contacts.forget_erased, runtime.stored_answers, reports, runtime.clock)
        merges = MergedRecipients(store, services.contacts.forget_merged, runtime.clock, wake_sender)
        jobs.schedule_merges(runtime.jobs, merges, holder)
        await consumers.subscribe(runtime, queue, planner, erasure, merges)
        await consumers.subscribe_to_changes(runtime, services.contacts)
        await sender.recover_own()
        async with dispatcher, runtime.jobs:
            yield


def open_other_services(context: WiringContext) -> OtherServices:
    """Return the clients of other services, with the caches of their answers."""
    runtime = context.runtime
    source = HttpContactSource(runtime.client(Service.AUTH), runtime.client(Service.PATIENT), runtime.client(Service.DOCTOR))
    contacts = CachedContacts(source, context.clock)
    runtime.stack.push_async_callback(contacts.aclose)
    appointments = HttpAppointments(runtime.client(Service.APPOINTMENT))
    visit_links = VisitLinks(appointments, context.settings.public_url, context.clock)
    runtime.stack.push_async_callback(visit_links.aclose)
    return OtherServices(source, contacts, appointments, visit_links)


async def open_delivery(context: WiringContext, services: OtherServices, unsubscribe_links: UnsubscribeLinks) -> MailDelivery:
    """Return what makes and delivers mails; provide the use cases of templates and of the log of messages."""
    runtime, settings, store = context.runtime, context.settings, context.store
    renderer = CurrentClinicRenderer(
        context.mail_clinic, context.count_by("kind", "template_overrides_failed", "Overridden templates that failed, by kind")
    )
    template_store = SqlTemplateStore(store.database, runtime.clock)
    current_overrides = CurrentOverrides(template_store, context.clock)
    runtime.provide(Templates(template_store, JinjaTemplateLibrary(context.mail_clinic), current_overrides, runtime.clock))
    runtime.provide(MessageLog(store, renderer.internet_message_id))

    mailbox = runtime.overrides.mailbox or await runtime.stack.enter_async_context(open_mailbox(settings.mail_url))
    patients = CurrentPatients(services.contacts, services.source, store)
    composer = MailComposer(services.contacts, patients, services.source, services.visit_links, context.clinic, unsubscribe_links)
    check = MessageCheck(store, services.contacts, context.reminder_defaults, context.clock)
    count_not_sent = context.count_by("reason", "mails_not_sent", "Mails that were not sent, by reason")
    return MailDelivery(composer, check, renderer, mailbox, current_overrides, context.clock, count_not_sent)


def add_sender(context: WiringContext, delivery: MailDelivery) -> tuple[MessageSender, Callable[[], None]]:
    """Return the sender of messages, with its jobs, and the function that wakes it; provide the use case of sending one again."""
    runtime, store = context.runtime, context.store
    taker = MessageTaker(store, delivery, context.clock)
    sender = MessageSender(store, delivery, context.clock, runtime.overrides.instance_name, taker)
    retention = MessageRetention(store, context.message_days, context.clock)
    wake_sender = jobs.schedule_message_jobs(runtime.jobs, sender, retention, context.holder)
    runtime.provide(MessageResending(store, context.clock, wake_sender))
    return sender, wake_sender


def add_reminders(
    context: WiringContext, contacts: CachedContacts, wake_sender: Callable[[], None]
) -> tuple[ReminderPlanner, Callable[[], None], Callable[[], None]]:
    """Add the jobs of reminders and digests. Return what plans reminders, and the functions that have them planned and queued."""
    store = context.store
    planner = ReminderPlanner(store, contacts, context.reminder_defaults, context.clock)
    reminders = ReminderQueue(store, context.clock, wake_sender)
    digests = DigestQueue(store, contacts, context.clinic, context.clock, wake_sender)
    visits = NotifiedVisitRetention(store, context.message_days, context.clock)
    jobs.schedule_visit_retention(context.runtime.jobs, visits, context.holder)
    return planner, *jobs.schedule_reminder_jobs(context.runtime.jobs, planner, reminders, digests, context.holder)


def add_due_work(context: WiringContext, wakes: JobWakes) -> None:
    """Add the job that wakes those that have something to do."""
    finder = DueWorkFinder(SqlDueWorkStore(context.store.database), context.clock, wakes)
    jobs.schedule_due_work(context.runtime.jobs, finder)


async def open_webhooks(context: WiringContext, wake_sender: Callable[[], None]) -> tuple[WebhookDispatcher, Callable[[], None]]:
    """Provide the use cases of webhooks, add their jobs, and return the dispatcher and the function that wakes it."""
    runtime, settings, store, clock = context.runtime, context.settings, context.store, context.clock
    policy = AddressPolicy(settings.webhook_allow_private)
    receiver = runtime.overrides.webhook_receiver or HttpWebhookReceiver.with_system_settings(policy, clock)
    reads, secrets = SqlWebhookReads(store.database), StandardWebhookSecrets(settings.webhook_key)
    dispatcher = WebhookDispatcher(store, reads, receiver, secrets, clock, random, runtime.overrides.instance_name)
    maintenance = WebhookMaintenance(store, reads, HttpAdminAccounts(runtime.client(Service.AUTH)), clock, wake_sender)
    wake_dispatcher = jobs.schedule_webhook_jobs(runtime.jobs, dispatcher, maintenance, context.holder)
    runtime.provide(Webhooks(store, reads, receiver, secrets, clock, wake_dispatcher))
    return dispatcher, wake_dispatcher


def add_comparison(context: WiringContext, appointments: HttpAppointments, queue: MessageQueue) -> None:
    """Add the job that handles events which did not arrive, and its metric."""
    registry = context.runtime.app.state.registry
    missing = Counter("appointments_without_message", "Events of appointments that did not arrive", registry=registry)
    comparison_store = SqlComparisonStore(context.store.database)
    comparison = AppointmentComparison(comparison_store, appointments, queue.enqueue_appointment, context.clock, missing.inc)
    jobs.schedule_comparison(context.runtime.jobs, comparison, context.holder)


def provide_preferences(context: WiringContext, unsubscribe_links: UnsubscribeLinks) -> None:
    """Provide the use cases of doctors' preferences, and of the links that end reminders and digests."""
    runtime = context.runtime
    doctors = DoctorMailPreferences(SqlDoctorPreferencesStore(context.store.database), context.clock)
    reminders = HttpPatientReminders(runtime.client(Service.PATIENT))
    runtime.provide(doctors, Unsubscribing(unsubscribe_links, reminders, doctors, context.store, context.clinic))


@asynccontextmanager
async def open_mailbox(url: str) -> AsyncIterator[Mailbox]:
    """Open the mailbox behind a URL: a folder for `file:...`, otherwise a mail server."""
    if url.startswith("file:"):
        yield FileMailbox(Path(url.removeprefix("file:").removeprefix("//")))
    else:
        async with SmtpMailbox(url) as mailbox:
            yield mailbox


async def withhold_unsent(database_url: str, now: Clock = system_clock) -> tuple[int, int]:
    """Withhold what a restored database has still to send, for `careslot restore`. Returns the numbers of messages and deliveries."""
    messages = 0
    async with Database(database_url) as database:
        while True:
            async with database.write() as connection:
                count = await withhold_messages(connection, now())
            messages += count
            if not count:
                break
        async with database.write() as connection:
            deliveries = await withhold_deliveries(connection)
    return messages, deliveries


def dead_letter_sources(runtime: ServiceRuntime) -> dict[Service, DeadLetterSource]:
    """Return the dead letters of every service that can have some, this one included."""
    others = [service for service in Service if service not in (Service.GATEWAY, Service.NOTIFICATION)]
    sources: dict[Service, DeadLetterSource] = {service: HttpDeadLetterSource(runtime.client(service)) for service in others}
    assert runtime.dead_letters is not None
    return sources | {Service.NOTIFICATION: runtime.dead_letters}
