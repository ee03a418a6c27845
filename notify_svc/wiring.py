"""The composition root of notification-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import random

from fastapi import FastAPI
from prometheus_client import Counter

from notify_svc import consumers, jobs
from notify_svc.clients.admin_accounts import HttpAdminAccounts
from notify_svc.clients.appointments import HttpAppointments
from notify_svc.clients.contacts import HttpContactSource
from notify_svc.clients.dead_letters import HttpDeadLetterSource
from notify_svc.clients.email_renderer import JinjaEmailRenderer
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
from notify_svc.repository.templates import SqlTemplateStore
from notify_svc.settings import NotifySettings
from notify_svc.usecases.compare import AppointmentComparison
from notify_svc.usecases.compose import MailComposer
from notify_svc.usecases.contacts import CachedContacts
from notify_svc.usecases.current_overrides import CurrentOverrides
from notify_svc.usecases.dead_letters import DeadLetterOverview
from notify_svc.usecases.deliver import MailDelivery
from notify_svc.usecases.deliver_webhooks import WebhookDispatcher
from notify_svc.usecases.digests import DigestQueue
from notify_svc.usecases.doctor_preferences import DoctorMailPreferences
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.usecases.maintain_webhooks import WebhookMaintenance
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
from notify_svc.usecases.webhooks import Webhooks
from shared.contracts.identity import Service
from shared.kit.leases import LeaseHolder
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import ServiceRuntime, open_service_runtime
from shared.kit.sql import Database


@asynccontextmanager
async def wire(app: FastAPI, settings: NotifySettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        runtime.start_outbox_relay(database, INFRASTRUCTURE)  # notification-service has no events, but the jobs also delete old rows
        store = SqlNotificationStore(database, runtime.clock)
        owners = (runtime.client(Service.AUTH), runtime.client(Service.PATIENT), runtime.client(Service.DOCTOR))
        source = HttpContactSource(*owners)
        contacts = CachedContacts(source, runtime.clock)
        runtime.stack.push_async_callback(contacts.aclose)
        appointments = HttpAppointments(runtime.client(Service.APPOINTMENT))
        visit_links = VisitLinks(appointments, settings.public_url, runtime.clock)
        runtime.stack.push_async_callback(visit_links.aclose)
        name = settings.sender_name or settings.clinic_name
        clinic = Clinic(name, settings.mail_from, settings.public_url, settings.clinic_email, settings.locale)
        failed = Counter("template_overrides_failed", "Overridden templates that failed, by kind", ["kind"], registry=app.state.registry)
        renderer = JinjaEmailRenderer(clinic, lambda kind: failed.labels(kind).inc())
        template_store = SqlTemplateStore(database)
        current_overrides = CurrentOverrides(template_store, runtime.clock)
        mailbox = overrides.mailbox or await runtime.stack.enter_async_context(open_mailbox(settings.mail_url))

        not_sent = Counter("mails_not_sent", "Mails that were not sent, by reason", ["reason"], registry=app.state.registry)
        defaults = ReminderDefaults(settings.reminder_offsets_minutes, settings.time_zone)
        check = MessageCheck(store, contacts, defaults, runtime.clock)
        links = UnsubscribeLinks(settings.public_url, settings.link_secret)
        composer = MailComposer(contacts, source, visit_links, settings.time_zone, settings.locale, links)
        delivery = MailDelivery(
            composer, check, renderer, mailbox, current_overrides, runtime.clock, lambda reason: not_sent.labels(reason).inc()
        )
        sender = MessageSender(store, delivery, runtime.clock, overrides.instance_name, MessageTaker(store, delivery, runtime.clock))
        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        retention = MessageRetention(store, settings.keep_messages_days, runtime.clock)
        wake_sender = jobs.schedule_jobs(runtime.jobs, sender, retention, holder)
        runtime.provide(MessageLog(store, renderer.internet_message_id), MessageResending(store, runtime.clock, wake_sender))
        planner = ReminderPlanner(store, contacts, defaults, runtime.clock)
        reminders = ReminderQueue(store, runtime.clock, wake_sender)
        digests = DigestQueue(store, contacts, settings.time_zone, runtime.clock, wake_sender)
        jobs.schedule_reminder_jobs(runtime.jobs, planner, reminders, digests, holder)

        dispatcher, wake_dispatcher = await open_webhooks(runtime, settings, store, holder, wake_sender)
        queue = MessageQueue(store, runtime.clock, wake_sender, wake_dispatcher)
        add_comparison(runtime, store, appointments, queue, holder)

        provide_preferences(runtime, database, links)
        runtime.provide(DeadLetterOverview(dead_letter_sources(runtime)))
        runtime.provide(Templates(template_store, JinjaTemplateLibrary(clinic), current_overrides))
        await consumers.subscribe(runtime, queue, planner)
        await consumers.subscribe_to_changes(runtime, contacts)
        await sender.recover_own()
        async with dispatcher, runtime.jobs:
            yield


def add_comparison(
    runtime: ServiceRuntime, store: SqlNotificationStore, changes: HttpAppointments, queue: MessageQueue, holder: LeaseHolder
) -> None:
    """Add the job that handles events which did not arrive, and its metric."""
    missing = Counter("appointments_without_message", "Events of appointments that did not arrive", registry=runtime.app.state.registry)
    comparison_store = SqlComparisonStore(store.database)
    comparison = AppointmentComparison(comparison_store, changes, queue.enqueue_appointment, runtime.clock, missing.inc)
    jobs.schedule_comparison(runtime.jobs, comparison, holder)


async def open_webhooks(
    runtime: ServiceRuntime, settings: NotifySettings, store: SqlNotificationStore, holder: LeaseHolder, wake_sender: Callable[[], None]
) -> tuple[WebhookDispatcher, Callable[[], None]]:
    """Provide the use cases of webhooks, add their jobs, and return the dispatcher and the function that wakes it."""
    clock = runtime.clock
    receiver = HttpWebhookReceiver.with_system_settings(AddressPolicy(settings.webhook_allow_private), clock)
    reads, secrets = SqlWebhookReads(store.database), StandardWebhookSecrets(settings.webhook_key)
    dispatcher = WebhookDispatcher(store, reads, receiver, secrets, clock, random, runtime.overrides.instance_name)
    maintenance = WebhookMaintenance(store, reads, HttpAdminAccounts(runtime.client(Service.AUTH)), clock, wake_sender)
    wake = jobs.schedule_webhook_jobs(runtime.jobs, dispatcher, maintenance, holder)
    runtime.provide(Webhooks(store, reads, receiver, secrets, clock, wake))
    return dispatcher, wake


def provide_preferences(runtime: ServiceRuntime, database: Database, links: UnsubscribeLinks) -> None:
    """Provide the use cases of doctors' preferences, and of the links that end reminders and digests."""
    doctors = DoctorMailPreferences(SqlDoctorPreferencesStore(database), runtime.clock)
    reminders = HttpPatientReminders(runtime.client(Service.PATIENT))
    runtime.provide(doctors, Unsubscribing(links, reminders, doctors, runtime.settings.locale))


@asynccontextmanager
async def open_mailbox(url: str) -> AsyncIterator[Mailbox]:
    """Open the mailbox behind a URL: a folder for `file:...`, otherwise a mail server."""
    if url.startswith("file:"):
        yield FileMailbox(Path(url.removeprefix("file:").removeprefix("//")))
    else:
        async with SmtpMailbox(url) as mailbox:
            yield mailbox


def dead_letter_sources(runtime: ServiceRuntime) -> dict[Service, DeadLetterSource]:
    """Return the dead letters of every service that can have some, this one included."""
    others = [service for service in Service if service not in (Service.GATEWAY, Service.NOTIFICATION)]
    sources: dict[Service, DeadLetterSource] = {service: HttpDeadLetterSource(runtime.client(service)) for service in others}
    assert runtime.dead_letters is not None
    return sources | {Service.NOTIFICATION: runtime.dead_letters}
