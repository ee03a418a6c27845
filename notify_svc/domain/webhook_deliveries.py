"""A delivery: one event on its way to one webhook. Which attempts are made, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from shared.contracts.texts import one_line

RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(minutes=84),
    timedelta(hours=3),
    timedelta(hours=7),
    timedelta(hours=12),
)
"""The pauses before the retries; together 24 hours."""
JITTER = 0.1
"""A pause is up to a tenth shorter or longer, so that failed deliveries do not all come back at the same moment."""
MAX_RETRY_AFTER = timedelta(hours=24)
MAX_IN_FLIGHT = 4
"""Deliveries of one webhook at the same time, over all instances. Those about one appointment are sent one after the other."""
ABANDONED_AFTER_SENDING_FOR = timedelta(minutes=1)
"""Much longer than an attempt can last. Then the instance that sends it has ended, and another one sends it again."""
WAIT_FOR_EARLIER = timedelta(minutes=1)
"""How long an event waits for an earlier one of its appointment that has not arrived.

The bus delivers events out of order when a handler failed; its first two repetitions come after 1 and 10 seconds. An event that is missing
for longer may be missing for hours. It is then delivered late, and its `sequence` shows the receiver that it is late."""
KEPT_WHILE_QUEUED = timedelta(days=7)
"""Deliveries that are queued for longer, because the webhook was paused, are given up."""
RETENTION_OF_DELIVERIES = timedelta(days=30)
MAX_RESPONSE_TEXT = 500
GONE = 410


class DeliveryStatus(StrEnum):
    """`queued`: waits for its first attempt, a retry or an earlier event. `failed`: given up."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookProblem(StrEnum):
    """Why the last attempt did not succeed, or why the delivery was given up."""

    STATUS = "unsuccessful_status"
    NOT_CONNECTED = "not_connected"
    TIMEOUT = "timeout"
    DNS_TIMEOUT = "dns_timeout"
    ADDRESS = "address_not_allowed"
    INTERRUPTED = "interrupted"
    ENDED = "webhook_ended"
    TOO_OLD = "too_old"


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The outcome of an attempt: the status and the beginning of the answer, or the problem if there was no answer.

    `retry_after` is when the receiver wants the next attempt at the earliest.
    """

    status: int | None = None
    text: str | None = None
    problem: WebhookProblem | None = None
    retry_after: datetime | None = None

    @property
    def is_success(self) -> bool:
        """True for a 2xx status; a redirect is not followed and is a failure."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """`event_id` is sent as `webhook-id`, the same in all attempts. `body` is sent unchanged.

    Deliveries to one webhook with the same `stream_id` (an appointment's id; a ping's own id) are sent in the order of `sequence`.
    `attempts` counts since `queued_at`, when it was inserted or replayed. It is sent at `due_at` or later. `waits_for_earlier`: an event
    with a lower sequence has not arrived. `holder` is the instance that sends it since `taken_at`.
    """

    id: UUID
    webhook_id: UUID
    event_id: UUID
    event_type: str
    stream_id: UUID
    sequence: int
    body: str
    created_at: datetime
    queued_at: datetime
    due_at: datetime
    status: DeliveryStatus = DeliveryStatus.QUEUED
    attempts: int = 0
    waits_for_earlier: bool = False
    holder: str | None = None
    taken_at: datetime | None = None
    last_attempt_at: datetime | None = None
    response_status: int | None = None
    response_text: str | None = None
    problem: str | None = None

    @property
    def next_attempt_at(self) -> datetime | None:
        """When the next attempt is due; None where none is planned."""
        return self.due_at if self.status is DeliveryStatus.QUEUED else None

    def start(self, holder: str, now: datetime) -> Self:
        """Return the delivery as being sent by `holder`: one more attempt."""
        return replace(
            self, status=DeliveryStatus.SENDING, attempts=self.attempts + 1, holder=holder, taken_at=now, waits_for_earlier=False
        )

    def finish(self, response: WebhookResponse, random: float, now: datetime) -> Self:
        """Return the delivery after an attempt: delivered, queued for the next retry, or failed after the last.

        `random` is between 0 and 1 and decides the jitter.
        """
        ended = replace(
            self,
            holder=None,
            taken_at=None,
            last_attempt_at=now,
            response_status=response.status,
            response_text=response.text,
            problem=None if response.is_success else (response.problem or WebhookProblem.STATUS).value,
        )
        if response.is_success:
            return replace(ended, status=DeliveryStatus.DELIVERED)
        if response.status == GONE or self.attempts > len(RETRY_DELAYS):
            return replace(ended, status=DeliveryStatus.FAILED)
        return replace(ended, status=DeliveryStatus.QUEUED, due_at=now + retry_pause(self.attempts, response, random, now))

    def send_to_new_url(self, response: WebhookResponse, now: datetime) -> Self:
        """Return the delivery after an attempt at a URL that the webhook no longer has: delivered, or queued with all its attempts."""
        finished = self.finish(response, 0, now)
        if finished.status is DeliveryStatus.DELIVERED:
            return finished
        return replace(finished, status=DeliveryStatus.QUEUED, attempts=0, due_at=now)

    def give_up(self, problem: WebhookProblem) -> Self:
        """Return the delivery as failed."""
        return replace(self, status=DeliveryStatus.FAILED, problem=problem.value)

    def is_too_old(self, now: datetime) -> bool:
        """Return whether the delivery has been queued for longer than deliveries are kept."""
        return now - self.queued_at >= KEPT_WHILE_QUEUED

    def replay(self, now: datetime) -> Self:
        """Return the delivery as queued anew, with all its attempts; unchanged if it is being sent or waits for an earlier event."""
        if self.status is DeliveryStatus.SENDING or (self.status is DeliveryStatus.QUEUED and self.waits_for_earlier):
            return self
        return replace(self, status=DeliveryStatus.QUEUED, attempts=0, queued_at=now, due_at=now)


def retry_pause(attempts: int, response: WebhookResponse, random: float, now: datetime) -> timedelta:
    """Return the pause after the failed attempt number `attempts`: that of RETRY_DELAYS, or longer if the receiver asks for it."""
    pause = RETRY_DELAYS[attempts - 1] * (1 - JITTER + 2 * JITTER * random)
    requested = response.retry_after - now if response.retry_after else timedelta()
    return max(pause, min(requested, MAX_RETRY_AFTER))


def readable_beginning(answer: bytes) -> str | None:
    """Return the first MAX_RESPONSE_TEXT characters of an answer on one line, without control characters; None if there are none."""
    return one_line(answer.decode("utf-8", "replace"))[:MAX_RESPONSE_TEXT] or None
