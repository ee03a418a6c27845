"""The composition root of notification-service: which adapter stands behind which port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from notify_svc import consumers
from notify_svc.clients.files import FileMailbox
from notify_svc.clients.people import HttpPeople
from notify_svc.clients.smtp import SmtpMailbox
from notify_svc.domain.letters import Clinic
from notify_svc.ports import Mailbox
from notify_svc.repository import INFRASTRUCTURE, SqlStore
from notify_svc.settings import NotifySettings
from notify_svc.usecases.hear import Hearing
from notify_svc.usecases.send import Sending
from shared.contracts.identity import Service
from shared.kit.overrides import Overrides
from shared.kit.service_runtime import open_service_runtime


class Nudge:
    """Calls what it is given later: the store is made before the job that it wakes."""

    nudge: Callable[[], None] = staticmethod(lambda: None)

    def __call__(self) -> None:
        self.nudge()


@asynccontextmanager
async def wire(app: FastAPI, settings: NotifySettings, overrides: Overrides) -> AsyncIterator[None]:
    async with open_service_runtime(app, settings, overrides) as runtime:
        database = await runtime.open_database(settings.database_url, INFRASTRUCTURE)
        runtime.start_outbox_relay(database, INFRASTRUCTURE)
        people = HttpPeople(*(runtime.client(service) for service in (Service.AUTH, Service.PATIENT, Service.DOCTOR)))
        clinic = Clinic(settings.clinic_name, settings.mail_from, settings.public_url)
        wake = Nudge()
        store = SqlStore(database, runtime.clock, queued=wake)
        sending = Sending(store, people, overrides.mailbox or mailbox(settings.mail_url), clinic, runtime.clock, overrides.instance_name)
        holder = runtime.lease_holder(database, INFRASTRUCTURE)
        wake.nudge = runtime.jobs.add("mail", sending.send_due, every_seconds=1, holder=holder)
        runtime.jobs.add("recover mail", sending.recover, every_seconds=10, holder=holder)
        await consumers.subscribe(runtime, Hearing(store, runtime.clock))
        await sending.recover_own()
        async with runtime.jobs:
            yield


def mailbox(url: str) -> Mailbox:
    """The mailbox behind a URL."""
    return FileMailbox(Path(url.removeprefix("file:").removeprefix("//"))) if url.startswith("file:") else SmtpMailbox(url)
