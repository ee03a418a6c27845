"""The composition root of notification-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from notify_svc import consumers
from notify_svc.clients.contacts import HttpContacts
from notify_svc.clients.email_renderer import JinjaEmailRenderer
from notify_svc.clients.files import FileMailbox
from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.domain.mail_content import Clinic
from notify_svc.jobs import schedule_jobs
from notify_svc.ports import Mailbox
from notify_svc.repository import INFRASTRUCTURE, SqlNotificationStore
from notify_svc.settings import NotifySettings
from notify_svc.usecases.compose import MailComposer
from notify_svc.usecases.enqueue import MessageQueue
from notify_svc.usecases.send import MessageSender
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


@asynccontextmanager
async def wire(app: FastAPI, settings: NotifySettings, overrides: Overrides) -> AsyncIterator[None]:
    """Open what the service runs on, and close it in reverse when the app ends."""
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        runtime.start_outbox_relay(database, INFRASTRUCTURE)
        store = SqlNotificationStore(database, runtime.clock)
        contacts = HttpContacts(*(runtime.client(service) for service in (Service.AUTH, Service.PATIENT, Service.DOCTOR)))
        renderer = JinjaEmailRenderer(Clinic(settings.clinic_name, settings.mail_from, settings.public_url))
        mailbox = overrides.mailbox or mailbox_for(settings.mail_url)
        sender = MessageSender(store, MailComposer(contacts), renderer, mailbox, runtime.clock, overrides.instance_name)
        wake_sender = schedule_jobs(runtime.jobs, sender, runtime.lease_holder(database, INFRASTRUCTURE))
        await consumers.subscribe(runtime, MessageQueue(store, runtime.clock, wake_sender))
        await sender.recover_own()
        async with runtime.jobs:
            yield


def mailbox_for(url: str) -> Mailbox:
    """Return the mailbox behind a URL: a folder for `file:...`, otherwise a mail server."""
    return FileMailbox(Path(url.removeprefix("file:").removeprefix("//"))) if url.startswith("file:") else SmtpMailbox(url)
