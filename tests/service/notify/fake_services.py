"""Fakes of the services that notification-service calls, and a mailbox in memory."""

from __future__ import annotations

from collections import Counter
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from notify_svc.ports import RenderedMail
from notify_svc.repository.tables import MESSAGES
from shared.contracts.visit_links import VisitLinkKey, VisitLinkRequest
from shared.kit.sql import Database
from tests.running import not_found_response
from tests.unit.notify import builders

PATIENT, DOCTOR, OTHER_DOCTOR = str(builders.PATIENT), str(builders.DOCTOR), "00000000-0000-0000-0000-000000000063"
EMAILS = {PATIENT: "mina@example.com", DOCTOR: "ada@example.com", OTHER_DOCTOR: "otto@example.com"}
ZONES = {PATIENT: "America/New_York", DOCTOR: "Europe/Berlin", OTHER_DOCTOR: "Asia/Tokyo"}


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

    A request fails if its path begins with a path in `unreachable_paths`, and gets 404 if it begins with one in `missing_paths`. `changes`
    are the fields of a person, by id, that differ from the usual ones.
    """

    def __init__(self) -> None:
        self.unreachable_paths, self.missing_paths, self.locale = set[str](), set[str](), "en"
        self.appointment_changes: list[dict[str, Any]] = []
        self.link_requests: list[list[VisitLinkKey]] = []
        self.changes: dict[str, dict[str, Any]] = {}
        self.token_response = httpx.Response(200, json={"token": "t0ken", "expires_at": "2026-03-09T12:00:00Z"})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.startswith(tuple(self.unreachable_paths)):
            raise httpx.ConnectError("unreachable", request=request)
        if path.startswith(tuple(self.missing_paths)):
            return not_found_response()
        if path == "/internal/appointment-changes":
            return httpx.Response(200, json={"items": self.appointment_changes, "next": None})
        if path == "/internal/visit-links":
            self.link_requests.append(VisitLinkRequest.model_validate_json(request.content).links)
            links = [key.model_dump(mode="json") | {"token": a_link_token(key)} for key in self.link_requests[-1]]
            return httpx.Response(200, json={"items": links})
        if path.endswith("/token"):
            return self.token_response
        return httpx.Response(200, json=self._person(path.rsplit("/", 1)[-1]))

    def _person(self, person_id: str) -> dict[str, Any]:
        person = {
            "id": person_id,
            "full_name": f"Person {EMAILS[person_id][:4]}",
            "time_zone": ZONES[person_id],
            "locale": self.locale,
            "version": 1,
        }
        role = "patient" if person_id == PATIENT else "doctor"
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
