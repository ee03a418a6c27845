"""A message: one mail to one person about one event, and the state of its delivery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Self
from uuid import UUID

from notify_svc.domain.notifications import KINDS_ABOUT_COMING_VISITS, Audience, MessageKind, Notification, visible_changes
from notify_svc.domain.problems import read_problem
from shared.contracts.derived_ids import derive_id
from shared.contracts.events import ReminderSent
from shared.contracts.http import VisitMode
from shared.contracts.values import format_instant

MAX_ATTEMPTS = 35
"""With pauses that double up to LONGEST_PAUSE, the attempts last about a day."""
LONGEST_PAUSE = timedelta(hours=1)
LARGEST_EXPONENT = 12
"""Two to this power is more seconds than LONGEST_PAUSE has."""
SHORTEST_LAST_PAUSE = timedelta(seconds=5)
"""Pauses become no shorter than this when `valid_until` is near."""
ABANDONED_AFTER = timedelta(minutes=2)
MAX_PROBLEM_LENGTH = 500
MAX_LOGGED_ATTEMPTS = 100
TOO_LATE = "too_late"
"""The problem of a message that was not sent because what it is about has begun."""
SENT_TO_GUARDIANS = "sent_to_guardians"
"""The problem of a message to a dependant without an account, whose guardians were sent one each."""
NOT_A_RECIPIENT = "not_a_recipient"
"""The problem of a reminder that was not sent because others are reminded of the patient's visits now."""
NEWER_MESSAGE = "newer_message"
"""The problem of a message that was not sent because a newer one about the same subject was."""
ERASED = "erased"
"""The problem of a message that was not sent because the data of the recipient were erased."""
RESTORED = "restored"
"""The problem of a message that was unsent in a backup. Restoring makes it `unknown`, whatever the table of transitions says."""

QUIET_HOURS = "quiet_hours"
"""The problem of a reminder that waits for the end of the recipient's quiet hours, or that was not sent because of them."""


class MessageStatus(StrEnum):
    """The state of a delivery.

    `sending`: one instance is sending it. `unknown`: it may have been delivered, so it is not sent again by itself. `skipped`: it was not
    sent because it was no longer needed, for example because a newer message about the same subject was sent first.
    """

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


UNFINISHED = frozenset({MessageStatus.QUEUED, MessageStatus.SENDING})
FINISHED = frozenset(MessageStatus) - UNFINISHED
TRANSITIONS: dict[MessageStatus, frozenset[MessageStatus]] = {
    MessageStatus.QUEUED: frozenset({MessageStatus.SENDING, MessageStatus.SKIPPED}),
    MessageStatus.SENDING: frozenset(  # queued: it is tried again later
        {MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.UNKNOWN, MessageStatus.SKIPPED, MessageStatus.QUEUED}
    ),
    MessageStatus.SENT: frozenset(),  # sending it again makes a new message
    MessageStatus.FAILED: frozenset({MessageStatus.QUEUED}),
    MessageStatus.UNKNOWN: frozenset({MessageStatus.QUEUED}),
    MessageStatus.SKIPPED: frozenset({MessageStatus.QUEUED}),
}
"""The statuses that can follow each status. From `failed`, `unknown` and `skipped` only a member of staff queues a message again."""
POSSIBLY_DELIVERED = frozenset({MessageStatus.SENDING, MessageStatus.SENT, MessageStatus.UNKNOWN})
KINDS_BESIDE_OTHERS = frozenset({MessageKind.AMENDED, MessageKind.REMINDER})
"""The kinds that replace only older messages of their own kind."""


class IllegalMessageMove(Exception):
    """A message would get a status that cannot follow the one that it has. The caller has a fault."""


class Attempt(NamedTuple):
    """One attempt to deliver a message: when it ended (RFC 3339, UTC), the status that it led to, and the problem if it did not succeed."""

    at: str
    status: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A queued mail. `facts` are the fields of the event; `subject_id` and `version` are those of the appointment or account it is about.

    `holder` is the instance that is sending it since `taken_at`. `handed_over`: the mail server may have received the mail. An instance
    takes a message when the mail is ready and its delivery begins, so a message that is being sent has always been handed over.
    `problem` is the reason why the last attempt did not succeed: a code of `domain/problems.py`, and a detail after a space. At
    `valid_until` and later it is not sent any more.

    `resent_at`, `resent_by` and `resend_id` are the instant, the account and the id of the last request to send the message again;
    `attempts_before_resend` are the attempts that ended before it. `resent_from` is the sent message that this one repeats.
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
    resent_from: UUID | None = None
    resend_id: UUID | None = None
    resent_by: UUID | None = None
    resent_at: datetime | None = None
    attempts_before_resend: int = 0
    valid_until: datetime | None = None

    @classmethod
    def from_notification(cls, message_id: UUID, notification: Notification, now: datetime) -> Self:
        """Return a queued message, due now. One about a visit that is to come is not sent after the visit has begun."""
        event = notification.event
        facts = event.model_dump(mode="json")
        starts_at = facts.get("starts_at") if notification.kind in KINDS_ABOUT_COMING_VISITS else None
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
            valid_until=datetime.fromisoformat(starts_at) if starts_at else None,
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

    @property
    def is_without_text(self) -> bool:
        """Whether the text that staff wrote was erased with the data of the patient."""
        return self.kind is MessageKind.CLINIC_MESSAGE and not self.facts.get("text")

    @property
    def is_copied_to_guardians(self) -> bool:
        """Whether guardians of the recipient get the message, too: it is to the patient whom it is about, and no repetition of another one.

        Reminders are planned for each person alone.
        """
        is_to_patient = self.audience is Audience.PATIENT and self.facts.get("patient_id") == str(self.recipient_id)
        return is_to_patient and self.kind is not MessageKind.REMINDER and self.resent_from is None

    def is_related_to(self, other: Self) -> bool:
        """Return whether another message goes to the same recipient and is about the same subject."""
        is_same = self.recipient_id == other.recipient_id and self.subject_id == other.subject_id
        return is_same and self.id != other.id

    def makes_obsolete(self, older: Self) -> bool:
        """Return whether an older message need not be sent once this one may have been delivered.

        Whether a reminder is still true is judged by the visit, not by other messages.
        """
        return older.kind is not MessageKind.REMINDER and self.replaces(older) and self.status in POSSIBLY_DELIVERED

    def replaces(self, older: Self) -> bool:
        """Return whether this message says all that an older one to the same recipient about the same subject still has to say.

        The mail about an amendment says only what was amended, and a reminder comes beside a confirmation, so they replace none.
        """
        return self.version > older.version and (self.kind not in KINDS_BESIDE_OTHERS or older.kind is self.kind)

    def start_in_order(self, others: Iterable[Self], holder: str, now: datetime) -> Self | None:
        """Return the message as `sending`; `skipped` if it is too late or a newer one makes it obsolete; None if it waits for an older one.

        `others` are the messages to the same recipient about the same subject.
        """
        if self.valid_until is not None and now >= self.valid_until:
            return self.skip(TOO_LATE, now)
        if any(other.makes_obsolete(self) for other in others):
            return self.skip(NEWER_MESSAGE, now)
        if any(other.version < self.version and other.is_about_to_be_sent(now) for other in others):
            return None
        return self.start_sending(holder, now)

    def reminder_sent_event(self, event_id: UUID) -> ReminderSent | None:
        """Return the event that announces that this reminder was sent, or None for another kind or status.

        A reminder is valid until the start of the visit of which it reminds.
        """
        if self.kind is not MessageKind.REMINDER or self.sent_at is None or self.valid_until is None:
            return None
        fields = {"appointment_id": self.subject_id, "message_id": self.id, "starts_at": self.valid_until}
        return ReminderSent(id=event_id, occurred_at=self.sent_at, **fields)

    def is_about_to_be_sent(self, now: datetime) -> bool:
        """Return whether the message is being sent or due, so that newer ones about the same subject wait for it."""
        return self.status is MessageStatus.SENDING or (self.status is MessageStatus.QUEUED and self.due_at <= now)

    def start_sending(self, holder: str, now: datetime) -> Self:
        """Return the message as being sent by `holder`: one more attempt."""
        sending = self._move_to(MessageStatus.SENDING)
        return replace(sending, attempts=self.attempts + 1, holder=holder, taken_at=now, handed_over=True)

    def skip(self, problem: str, now: datetime) -> Self:
        """Return the message as no longer needed. If it was being sent, the attempt has ended."""
        if self.status is MessageStatus.SENDING:
            return self._end_attempt(MessageStatus.SKIPPED, problem, now)
        return replace(self._move_to(MessageStatus.SKIPPED), problem=problem)

    def erase(self, now: datetime) -> Self:
        """Return the message to a recipient whose data were erased: without details of problems, and skipped if it was still to be sent.

        Details of earlier releases may have addresses. A message that is just being sent stays as it is.
        """
        if self.status is MessageStatus.SENDING:
            return self
        kept = self.skip(ERASED, now) if self.status is MessageStatus.QUEUED else self
        log = tuple(entry._replace(problem=_code_of(entry.problem)) for entry in kept.attempt_log)
        return replace(kept, problem=_code_of(kept.problem), attempt_log=log)

    def queue_again(self, now: datetime) -> Self:
        """Return a message that was not sent, or possibly not, as queued; pauses and the number of attempts begin anew."""
        queued = self._move_to(MessageStatus.QUEUED)
        return replace(queued, due_at=now, handed_over=False, problem=None, attempts_before_resend=self.attempts)

    def copy_for(self, guardian_id: UUID, now: datetime) -> Self:
        """Return a queued message to a guardian of the recipient. Its id depends on both, so it cannot exist twice."""
        copy_id = derive_id(self.id, guardian_id, "guardian")
        return type(self)(
            id=copy_id,
            event_id=self.event_id,
            kind=self.kind,
            audience=self.audience,
            recipient_id=guardian_id,
            subject_id=self.subject_id,
            version=self.version,
            facts=self.facts,
            created_at=now,
            due_at=now,
            valid_until=self.valid_until,
        )

    def mark_sent(self, now: datetime) -> Self:
        """Return the message as accepted by the mail server."""
        return replace(self._end_attempt(MessageStatus.SENT, None, now), sent_at=now)

    def mark_failed(self, problem: str, now: datetime) -> Self:
        """Return the message as failed: it is not tried again by itself."""
        return self._end_attempt(MessageStatus.FAILED, problem, now)

    def mark_unknown(self, problem: str, now: datetime) -> Self:
        """Return the message as possibly delivered."""
        return self._end_attempt(MessageStatus.UNKNOWN, problem, now)

    def defer(self, problem: str, now: datetime) -> Self:
        """Return the message as queued again, after a pause that doubles with each attempt; as failed after MAX_ATTEMPTS.

        Where there is a `valid_until`, no pause is longer than a quarter of the time that remains, and attempts to send a reminder only
        end with it. Thus it is sent after any outage that ends early enough, with few attempts while the outage lasts.
        """
        attempts = self.attempts - self.attempts_before_resend
        if attempts >= MAX_ATTEMPTS and self.kind is not MessageKind.REMINDER:
            return self.mark_failed(problem, now)
        pause = min(timedelta(seconds=2 ** min(attempts - 1, LARGEST_EXPONENT)), LONGEST_PAUSE)
        if self.valid_until is not None:
            pause = min(pause, max((self.valid_until - now) / 4, SHORTEST_LAST_PAUSE))
        return replace(self._end_attempt(MessageStatus.QUEUED, problem, now), due_at=now + pause)

    def postpone(self, until: datetime, problem: str, now: datetime) -> Self:
        """Return the message as queued until another time, which does not count as an attempt."""
        return replace(self._end_attempt(MessageStatus.QUEUED, problem, now), due_at=until, attempts=self.attempts - 1)

    def recover(self, problem: str, is_repeatable: bool, now: datetime) -> Self:
        """Return the message after its sender died or failed unexpectedly.

        It is sent again unless it may have been delivered already and the mailbox would deliver it twice (`is_repeatable` is false).
        """
        return self.mark_unknown(problem, now) if self.handed_over and not is_repeatable else self.defer(problem, now)

    def _end_attempt(self, status: MessageStatus, problem: str | None, now: datetime) -> Self:
        """Return the message with the status that an attempt led to, and with one more entry in the log of attempts."""
        problem = problem[:MAX_PROBLEM_LENGTH] if problem else None
        log = (*self.attempt_log, Attempt(format_instant(now), status, problem))[-MAX_LOGGED_ATTEMPTS:]
        return replace(self._move_to(status), problem=problem, attempt_log=log)

    def _move_to(self, status: MessageStatus) -> Self:
        """Return the message with another status. Raise IllegalMessageMove if it cannot follow the one that the message has."""
        if status not in TRANSITIONS[self.status]:
            raise IllegalMessageMove(f"{self.status} -> {status}")
        return replace(self, status=status)


def _code_of(problem: str | None) -> str | None:
    return read_problem(problem).code
