"""Messages to an erased patient are not sent any more, and keep no details; names and addresses are forgotten."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from notify_svc.domain.messages import MessageStatus
from notify_svc.ports import MailRefused
from notify_svc.repository.tables import INFRASTRUCTURE
from shared.contracts.events import PatientErased
from shared.contracts.identity import Service
from shared.kit.ids import new_id
from shared.kit.sql import Database
from tests.running import NOON, RunningService, run_service
from tests.service.notify.fake_services import DOCTOR, EMAILS, FakeContactServices, MemoryMailbox, stored_messages
from tests.unit.notify.builders import PATIENT, an_event

ERASED_NAMES = {
    "en": "Patient: Data erased",
    "de": "Patient/in: Daten gelöscht",
    "fr": "Patient(e) : Données effacées",
    "es": "Paciente: Datos borrados",
}
ERASED = PatientErased(id=new_id(), occurred_at=NOON, patient_id=PATIENT, erasure_id=UUID(int=9), pass_number=1)


@dataclass
class ContactsAndReports:
    """The other services, and the reports that patient-service was sent."""

    contacts: FakeContactServices
    reports: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == f"/internal/erasures/{ERASED.erasure_id}/reports":
            self.reports.append(json.loads(request.content))
            return httpx.Response(204)
        return self.contacts(request)


@pytest.fixture
def others(services: FakeContactServices) -> ContactsAndReports:
    return ContactsAndReports(services)


@pytest.fixture
async def notify(tmp_path: Path, mailbox: MemoryMailbox, others: ContactsAndReports) -> AsyncIterator[RunningService]:
    async with run_service("notify_svc", tmp_path, others, mailbox=mailbox, mail_url="file:unused") as service:
        yield service


async def messages_to_patient(folder: Path) -> list[Any]:
    return [message for message in await stored_messages(folder) if message.recipient_id == PATIENT]


async def test_a_waiting_message_is_skipped(
    notify: RunningService, others: ContactsAndReports, mailbox: MemoryMailbox, tmp_path: Path
) -> None:
    others.contacts.unreachable.add(Service.AUTH)
    await notify.publish_event(an_event())
    others.contacts.unreachable.clear()

    await notify.publish_event(ERASED)

    (message,) = await messages_to_patient(tmp_path)
    assert (message.status, message.problem) == (MessageStatus.SKIPPED, "erased")
    assert others.reports == [{"pass_number": 1, "removed": {"messages": 1, "stored_answers": 0}}]


async def test_details_of_a_problem_are_removed(notify: RunningService, mailbox: MemoryMailbox, tmp_path: Path) -> None:
    mailbox.errors = [MailRefused("550 5.1.1 <mina@example.com>"), MailRefused("550 5.1.1")]
    await notify.publish_event(an_event())
    (before,) = await messages_to_patient(tmp_path)
    assert "550" in str(before.attempt_log)

    await notify.publish_event(ERASED)

    (message,) = await messages_to_patient(tmp_path)
    assert (message.status, message.problem) == (MessageStatus.FAILED, "refused")
    assert "550" not in str(message.attempt_log)


async def test_name_and_address_are_asked_for_again(notify: RunningService, others: ContactsAndReports, mailbox: MemoryMailbox) -> None:
    await notify.publish_event(an_event())
    asked, sent = len(others.contacts.requests), len(mailbox.mails)
    await notify.publish_event(an_event(id=new_id(), version=3))
    assert len(mailbox.mails) > sent
    assert services_asked_about_the_patient(others, asked) == set(), "they are remembered for 30 seconds"

    await notify.publish_event(ERASED)
    await notify.publish_event(an_event(id=new_id(), version=4))

    assert services_asked_about_the_patient(others, asked) == {Service.AUTH, Service.PATIENT}


def services_asked_about_the_patient(others: ContactsAndReports, first: int) -> set[str]:
    """Return the services that were asked about the patient from the request with this number on."""
    return {service for service, ids in others.contacts.requests[first:] if str(PATIENT) in ids}


async def test_stored_answers_about_the_patient_are_deleted(notify: RunningService, others: ContactsAndReports, tmp_path: Path) -> None:
    answers, other = INFRASTRUCTURE.idempotency_keys, new_id()
    url = f"sqlite+aiosqlite:///{tmp_path / 'notify_svc'}.db"
    async with Database(url) as database, database.write() as connection:
        for person in (PATIENT, other):
            body = json.dumps({"recipient_id": str(person)}).encode()
            row = {"key_id": person, "fingerprint": "f", "claimed_at": NOON, "status": 202, "headers": "{}", "body": body}
            await connection.execute(sa.insert(answers).values(row))

    await notify.publish_event(ERASED)

    async with Database(url) as database, database.read() as connection:
        assert list(await connection.scalars(sa.select(answers.c.key_id).where(answers.c.status.is_not(None)))) == [other]
    assert others.reports == [{"pass_number": 1, "removed": {"messages": 0, "stored_answers": 1}}]


@pytest.mark.parametrize("locale", ["en", "de", "fr", "es"])
async def test_the_doctor_is_told_without_a_name_that_the_visit_of_an_erased_patient_was_cancelled(
    notify: RunningService, others: ContactsAndReports, mailbox: MemoryMailbox, tmp_path: Path, locale: str
) -> None:
    others.contacts.changes[DOCTOR] = {"locale": locale}
    await notify.publish_event(ERASED)
    others.contacts.missing |= {(service, str(PATIENT)) for service in (Service.AUTH, Service.PATIENT)}
    await notify.publish_event(an_event("appointment.cancelled.v1", status="cancelled"))

    (message,) = [message for message in await stored_messages(tmp_path) if str(message.recipient_id) == DOCTOR]
    assert (message.status, message.problem) == (MessageStatus.SENT, None)
    text = mailbox.text_to(EMAILS[DOCTOR])
    assert ERASED_NAMES[locale] in text
    assert "Mina" not in text
    assert {message.problem for message in await messages_to_patient(tmp_path)} <= {"no_address", "erased"}
