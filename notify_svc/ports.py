"""What the use cases of notification-service need from outside."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from email.message import EmailMessage
from typing import Protocol
from uuid import UUID

from notify_svc.domain.letters import Link
from notify_svc.domain.messages import Message
from shared.contracts.http import AccountSummary, DoctorRules, PatientSummary


class Refused(Exception):
    """The server will never take this mail."""


class Deferred(Exception):
    """The server did not take it now."""


class Ambiguous(Exception):
    """The connection broke after the content was sent: nobody can say whether the server took it."""


class Mailbox(Protocol):
    """Where mails go. `repeatable`: the same Message-ID twice is one mail."""

    repeatable: bool

    async def deliver(self, mail: EmailMessage) -> None:
        """Returns when the mail is taken; raises Refused, Deferred or Ambiguous."""


class Transaction(Protocol):
    """Commits on leaving, rolls back on any exception."""

    async def mark_handled(self, event_id: UUID) -> bool: ...

    async def is_newest(self, appointment_id: UUID, version: int) -> bool:
        """Notes the version; False when a newer or the same one is known."""

    async def queue(self, message: Message) -> None:
        """One that is there already stays as it is."""

    async def others(self, message: Message) -> list[Message]:
        """About the same to the same person; they stay as they are until this transaction ends."""

    async def save(self, message: Message, before: Message) -> bool:
        """False when it is no longer as it was: someone else has it in hand."""


class Store(Protocol):
    def begin(self) -> AbstractAsyncContextManager[Transaction]: ...

    async def due(self, now: datetime, limit: int) -> list[Message]:
        """Queued ones in the order of their making."""

    async def in_hand(self) -> list[Message]:
        """Those that someone is sending, or died while sending."""


class People(Protocol):
    """Those who know names and addresses; None where there is no such person."""

    async def account(self, account_id: UUID) -> AccountSummary | None: ...

    async def patient(self, patient_id: UUID) -> PatientSummary | None: ...

    async def doctor(self, doctor_id: UUID) -> DoctorRules | None: ...

    async def link(self, reset_id: UUID) -> Link | None: ...
