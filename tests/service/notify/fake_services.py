"""Fakes of the services that notification-service calls, and a mailbox in memory."""

from __future__ import annotations

import json
from collections import Counter
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from notify_svc.ports import RenderedMail
from notify_svc.repository.tables import MESSAGES
from shared.contracts.identity import Service
from shared.contracts.visit_links import VisitLinkKey, VisitLinkRequest
from shared.kit.sql import Database
from tests.running import not_found_response
from tests.unit.notify import builders

PATIENT, DOCTOR, OTHER_DOCTOR = str(builders.PATIENT), str(builders.DOCTOR), "00000000-0000-0000-0000-000000000063"
ADMINS = [str(builders.ADMIN), "00000000-0000-0000-0000-000000000066"]
EMAILS = {
    PATIENT: "mina@example.com",
    DOCTOR: "ada@example.com",
    OTHER_DOCTOR: "otto@example.com",
    ADMINS[0]: "admin@example.com",
    ADMINS[1]: "boss@example.com",
}
ZONES = {PATIENT: "America/New_York", DOCTOR: "Europe/Berlin", OTHER_DOCTOR: "Asia/Tokyo", **dict.fromkeys(ADMINS, "Europe/Berlin")}


class MemoryMailbox:
    """A mailbox in memory. It raises the errors in `errors` first, one per mail."""

    def __init__(self, repeatable: bool = False) -> None:
        self.repeatable, self.mails, self.errors = repeatable, list[EmailMessage](), list[Exception]()

    async def deliver(self, mail: RenderedMail) -> None:
        if self.errors:
            raise self.errors.pop(0)
        parsed = message_from_string(mail.content.decode(), policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)

    def count_mails(self) -> Counter[tuple[str, str]]:
        """Return the number of mails by address and title."""
        return Counter((str(mail["To"].addresses[0].addr_spec), str(mail["Subject"]).split(" - ")[0]) for mail in self.mails)

    def text_to(self, email: str) -> str:
        """Return the text of the last mail to an address."""
        body = [mail for mail in self.mails if mail["To"].addresses[0].addr_spec == email][-1].get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


class FakeContactServices:
    """auth-, patient- and doctor-service, and appointment-service with its list of changes and its links.

    Requests to a service in `unreachable` fail, and a service does not know the ids in `missing`, nor any path that begins with one in
    `missing_paths`. `changes` are the fields of a person, by id, that differ from the usual ones, and `profiles` those that only
    patient-service knows. A service sends what is in `answers` in place of its contacts. `requests` are the ids that each service was asked
    for, and `admins` the ids of the active admins.
    """

    def __init__(self) -> None:
        self.unreachable, self.missing, self.locale = set[str](), set[tuple[str, str]](), "en"
        self.missing_paths, self.admins = set[str](), list[str]()
        self.appointment_changes: list[dict[str, Any]] = []
        self.link_requests: list[list[VisitLinkKey]] = []
        self.answers: dict[str, Any] = {}
        self.changes: dict[str, dict[str, Any]] = {}
        self.profiles: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, list[str]]] = []
        self.token_response = httpx.Response(200, json={"token": "t0ken", "expires_at": "2026-03-09T12:00:00Z"})

    def disconnect(self) -> None:
        """Make all services unreachable."""
        self.unreachable |= {Service.AUTH, Service.PATIENT, Service.DOCTOR}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        service = request.url.host
        if service in self.unreachable:
            raise httpx.ConnectError("unreachable", request=request)
        path = request.url.path
        if path.startswith(tuple(self.missing_paths)):
            return not_found_response()
        if path == "/internal/appointment-changes":
            return httpx.Response(200, json={"items": self.appointment_changes, "next": None})
        if path == "/internal/visit-links":
            self.link_requests.append(VisitLinkRequest.model_validate_json(request.content).links)
            links = [key.model_dump(mode="json") | {"token": a_link_token(key)} for key in self.link_requests[-1]]
            return httpx.Response(200, json={"items": links})
        if path == "/internal/accounts":
            assert dict(request.url.params) == {"role": "admin", "status": "active", "limit": "100"}
            return httpx.Response(200, json={"items": list(map(self._person, self.admins)), "next": None})
        if path.endswith("/token"):
            return self.token_response
        if path != "/internal/contacts":
            return not_found_response()
        return httpx.Response(200, json=self._contacts(service, json.loads(request.content)))

    def _contacts(self, service: str, body: dict[str, Any]) -> Any:
        ids = [contact_id for name in ("ids", "doctor_ids", "service_ids") for contact_id in body.get(name, [])]
        self.requests.append((service, ids))
        if service in self.answers:
            return self.answers[service]
        found = [self._person(person_id) for person_id in ids if (service, person_id) not in self.missing and person_id in EMAILS]
        if service == Service.DOCTOR:
            return {"doctors": found, "services": []}
        if service == Service.PATIENT:
            found = [{name: value for name, value in person.items() if name != "email"} for person in found]
            found = [person | self.profiles.get(person["id"], {}) for person in found]
        return {"items": found}

    def _person(self, person_id: str) -> dict[str, Any]:
        person = {
            "id": person_id,
            "full_name": f"Person {EMAILS[person_id][:4]}",
            "time_zone": ZONES[person_id],
            "locale": self.locale,
            "version": 1,
        }
        role = "admin" if person_id in ADMINS else "patient" if person_id == PATIENT else "doctor"
        account = {"email": EMAILS[person_id], "role": role, "status": "active", "created_at": "2026-01-01T00:00:00Z"}
        return person | account | self.changes.get(person_id, {})


def a_link_token(key: VisitLinkKey) -> str:
    """Return the token that the fake of appointment-service makes."""
    return f"link-{key.appointment_id.hex[-2:]}-{key.recipient_id.hex[-2:]}"


async def stored_messages(folder: Path) -> list[Any]:
    """Return the rows of messages, by recipient and version."""
    async with Database(f"sqlite+aiosqlite:///{folder / 'notify_svc'}.db") as database, database.read() as connection:
        return list(await connection.execute(select(MESSAGES).order_by(MESSAGES.c.recipient_id, MESSAGES.c.version)))


async def stored_statuses(folder: Path) -> list[str]:
    """Return the statuses of all messages, sorted."""
    return sorted(message.status for message in await stored_messages(folder))
