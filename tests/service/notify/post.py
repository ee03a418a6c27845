"""The neighbours of notification-service, and a mailbox that does as it is told."""

from __future__ import annotations

from collections import Counter
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from notify_svc.repository import MESSAGES
from shared.kit.sql import Database
from tests.running import not_found_response
from tests.unit.notify.test_letters import IDS

PATIENT, DOCTOR, OTHER_DOCTOR = str(IDS[4]), str(IDS[3]), "00000000-0000-0000-0000-000000000063"
EMAILS = {PATIENT: "mina@example.com", DOCTOR: "ada@example.com", OTHER_DOCTOR: "otto@example.com"}
ZONES = {PATIENT: "America/New_York", DOCTOR: "Europe/Berlin", OTHER_DOCTOR: "Asia/Tokyo"}


class Recorder:
    """A mailbox in memory; it raises what stands in `raises`, one thing per mail."""

    def __init__(self, repeatable: bool = False) -> None:
        self.repeatable, self.mails, self.raises = repeatable, list[EmailMessage](), list[Exception]()

    async def deliver(self, mail: EmailMessage) -> None:
        if self.raises:
            raise self.raises.pop(0)
        self.mails.append(mail)

    def told(self) -> Counter[tuple[str, str]]:
        return Counter((str(mail["To"].addresses[0].addr_spec), str(mail["Subject"]).split(" - ")[0]) for mail in self.mails)

    def text_to(self, email: str) -> str:
        """What the last mail to someone says."""
        body = [mail for mail in self.mails if mail["To"].addresses[0].addr_spec == email][-1].get_body(("plain",))
        assert body is not None
        return str(body.get_content())


class Neighbours:
    """auth-, patient- and doctor-service. `down` and `gone` hold beginnings of paths."""

    def __init__(self) -> None:
        self.down, self.gone, self.locale = set[str](), set[str](), "en"
        self.token = httpx.Response(200, json={"token": "t0ken", "expires_at": "2026-03-09T12:00:00Z"})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.startswith(tuple(self.down)):
            raise httpx.ConnectError("away")
        if path.startswith(tuple(self.gone)):
            return not_found_response()
        if path.endswith("/token"):
            return self.token
        return httpx.Response(200, json=self._person(path.rsplit("/", 1)[-1]))

    def _person(self, one: str) -> dict[str, Any]:
        person = {"id": one, "full_name": f"One {EMAILS[one][:4]}", "time_zone": ZONES[one], "locale": self.locale, "version": 1}
        role = "patient" if one == PATIENT else "doctor"
        account = {"email": EMAILS[one], "role": role, "status": "active", "created_at": "2026-01-01T00:00:00Z"}
        return person | account


async def messages(folder: Path) -> list[Any]:
    """The log, by recipient."""
    async with Database(f"sqlite+aiosqlite:///{folder / 'notify_svc'}.db") as database, database.read() as connection:
        return list(await connection.execute(select(MESSAGES).order_by(MESSAGES.c.recipient_id, MESSAGES.c.version)))


async def statuses(folder: Path) -> list[str]:
    return sorted(message.status for message in await messages(folder))
