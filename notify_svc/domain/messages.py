"""A message: one mail to one person about one event, and the state of its delivery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self
from uuid import UUID

from notify_svc.domain.notifications import Audience, MessageKind, Notification, visible_changes
from shared.contracts.http import VisitMode
from shared.contracts.values import format_instant

MAX_ATTEMPTS = 35
"""With pauses that double up to LONGEST_PAUSE, the attempts last about a day."""
LONGEST_PAUSE = timedelta(hours=1)
ABANDONED_AFTER = timedelta(minutes=2)
MAX_PROBLEM_LENGTH = 500
TOO_LATE = "too_late"
"""The problem of a message that was not sent because what it is about has begun."""


class MessageStatus(StrEnum):
    """The state of a delivery.

    `sending`: one instance is sending it. `unknown`: it may have been delivered, so it is not sent again. `skipped`: a newer message about
    the same subject was sent first, or what it says is no longer true.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


class Attempt(NamedTuple):
    """One attempt to deliver a message: when it ended (RFC 3339, UTC), the status that it led to, and the problem if it did not succeed."""

    at: str
    status: str
    problem: str | None


POSSIBLY_DELIVERED = frozenset({MessageStatus.SENDING, MessageStatus.SENT, MessageStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Message:
    """A queued mail. `facts` are the fields of the event; `subject_id` and `version` are those of the appointment or account it is about.

    `holder` is the instance that is sending it since `taken_at`. `handed_over`: the mail server may have received the mail.
    `problem` is the reason why the last attempt did not succeed. At `valid_until` and later it is not sent any more.
    """

    id: UUID
    event_id: UUID
    kind: MessageKind
    audience: Audience
    recipient_id: UUID
    subject_id: UUID
    version: int
    facts: dict[str, Any]
    created_at: datetime
    due_at: datetime
    status: MessageStatus = MessageStatus.QUEUED
    attempts: int = 0
    holder: str | None = None
    taken_at: datetime | None = None
    handed_over: bool = False
    sent_at: datetime | None = None
    problem: str | None = None
    attempt_log: tuple[Attempt, ...] = ()
    valid_until: datetime | None = None

    @classmethod
    def from_notification(cls, message_id: UUID, notification: Notification, now: datetime) -> Self:
        """Return a queued message, due now."""
        event = notification.event
        facts = event.model_dump(mode="json")
        return cls(
            id=message_id,
            event_id=event.id,
            kind=notification.kind,
            audience=notification.audience,
            recipient_id=notification.recipient_id,
            subject_id=UUID(facts[event.subject]),
            version=facts.get("version", 0),
            facts=facts,
            created_at=now,
            due_at=now,
        )

    @property
    def mode(self) -> VisitMode:
        """How the visit takes place; in person for messages that were stored before events had it."""
        mode: VisitMode = self.facts.get("mode", "in_person")
        return mode

    @property
    def visible_changes(self) -> frozenset[str]:
        """What the patient sees changed in an amended appointment: `place`, `doctor_name`, or both."""
        return visible_changes(self.facts.get("changed", ()), self.mode)

    def makes_obsolete(self, older: Self) -> bool:
        """Return whether an older message need not be sent once this one may have been delivered.

        The mail about an amendment says only what was amended, so it does not replace a confirmation.
        """
        is_newer = self.version > older.version and self.status in POSSIBLY_DELIVERED
        return is_newer and (self.kind is not MessageKind.AMENDED or older.kind is MessageKind.AMENDED)

    def start_in_order(self, others: Iterable[Self], holder: str, now: datetime) -> Self | None:
        """Return the message as `sending`; `skipped` if it is too late or a newer one makes it obsolete; None if it waits for an older one.

        `others` are the messages to the same recipient about the same subject.
        """
        if self.valid_until is not None and now >= self.valid_until:
            return replace(self, status=MessageStatus.SKIPPED, problem=TOO_LATE)
        if any(other.makes_obsolete(self) for other in others):
            return replace(self, status=MessageStatus.SKIPPED)
        if any(other.version < self.version and other.status is MessageStatus.SENDING for other in others):
            return None
        return self.start_sending(holder, now)

    def start_sending(self, holder: str, now: datetime) -> Self:
        """Return the message as being sent by `holder`: one more attempt."""
        return replace(self, status=MessageStatus.SENDING, attempts=self.attempts + 1, holder=holder, taken_at=now, handed_over=False)

    def mark_handed_over(self) -> Self:
        """Return the message as given to the mail server: until the server answers, delivery is uncertain."""
        return replace(self, handed_over=True)

    def mark_sent(self, now: datetime) -> Self:
        """Return the message as accepted by the mail server."""
        return replace(self._end_attempt(MessageStatus.SENT, None, now), sent_at=now)

    def mark_failed(self, problem: str, now: datetime) -> Self:
        """Return the message as undeliverable for good."""
        return self._end_attempt(MessageStatus.FAILED, problem, now)

    def mark_unknown(self, problem: str, now: datetime) -> Self:
        """Return the message as possibly delivered."""
        return self._end_attempt(MessageStatus.UNKNOWN, problem, now)

    def defer(self, problem: str, now: datetime) -> Self:
        """Return the message as queued again, after a pause that doubles with each attempt; as failed after MAX_ATTEMPTS."""
        if self.attempts >= MAX_ATTEMPTS:
            return self.mark_failed(problem, now)
        pause = min(timedelta(seconds=2 ** (self.attempts - 1)), LONGEST_PAUSE)
        return replace(self._end_attempt(MessageStatus.QUEUED, problem, now), due_at=now + pause)

    def recover(self, problem: str, is_repeatable: bool, now: datetime) -> Self:
        """Return the message after its sender died or failed unexpectedly.

        It is sent again unless it may have been delivered already and the mailbox would deliver it twice (`is_repeatable` is false).
        """
        return self.mark_unknown(problem, now) if self.handed_over and not is_repeatable else self.defer(problem, now)

    def _end_attempt(self, status: MessageStatus, problem: str | None, now: datetime) -> Self:
        """Return the message with the status that an attempt led to, and with one more entry in the log of attempts."""
        problem = problem[:MAX_PROBLEM_LENGTH] if problem else None
        log = (*self.attempt_log, Attempt(format_instant(now), status, problem))
        return replace(self, status=status, problem=problem, attempt_log=log)
