"""A webhook: a URL that receives events about appointments, and its state."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from notify_svc.domain.webhook_refusals import TooManyRotations, WebhookEnded, WebhookPaused
from shared.contracts.relayed_refusals import IdempotencyKeyReused

MAX_WEBHOOKS = 25
"""With the deliveries that each may have in flight, this bounds the connections of an instance."""
PAUSED_AFTER = timedelta(days=5)
SECRET_OVERLAP = timedelta(hours=24)
"""How long deliveries are signed with a replaced secret, too."""
MAX_REPLACED_SECRETS = 5
RETENTION_OF_ANSWERS = timedelta(hours=48)
LONGEST_PAUSE_OF_FAILURES = timedelta(days=2)
"""Failures with a longer time between them do not belong to the same series: in that time nothing was sent that could have failed.

It is longer than the longest pause between two attempts of a delivery, and than a weekend without visits."""


class WebhookStatus(StrEnum):
    """`paused`: events are kept and not delivered. `ended`: the receiver answered 410; it gets no more events."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class WebhookEventType(StrEnum):
    """The types of events that a webhook can receive."""

    REQUESTED = "appointment.requested"
    BOOKED = "appointment.booked"
    DECLINED = "appointment.declined"
    EXPIRED = "appointment.expired"
    RESCHEDULED = "appointment.rescheduled"
    AMENDED = "appointment.amended"
    CANCELLED = "appointment.cancelled"
    CHECKED_IN = "appointment.checked_in"
    STARTED = "appointment.started"
    COMPLETED = "appointment.completed"
    MISSED = "appointment.missed"


EVERY_APPOINTMENT_EVENT = "appointment.*"
PING: Final = "ping"


@dataclass(frozen=True, slots=True)
class ReplacedSecret:
    """An encrypted secret that a rotation has replaced. Deliveries before `valid_until` are signed with it, too."""

    secret: str
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Webhook:
    """`events` are types, or `appointment.*` for all of them.

    `secret` is encrypted. `replaced_secrets` are those of the last SECRET_OVERLAP, the newest first. `failing_since` and `last_failed_at`
    are the first and the last failure since the last success, in a series without pauses longer than LONGEST_PAUSE_OF_FAILURES.
    """

    id: UUID
    url: str
    events: tuple[str, ...]
    description: str | None
    secret: str
    created_at: datetime
    status: WebhookStatus = WebhookStatus.ACTIVE
    version: int = 1
    failing_since: datetime | None = None
    last_failed_at: datetime | None = None
    replaced_secrets: tuple[ReplacedSecret, ...] = ()

    def receives(self, event_type: str) -> bool:
        """Return whether events of a type are delivered to this webhook, now or after it is resumed."""
        return self.status is not WebhookStatus.ENDED and (EVERY_APPOINTMENT_EVENT in self.events or event_type in self.events)

    def valid_secrets(self, now: datetime) -> list[str]:
        """Return the encrypted secrets with which a delivery is signed, the current one first."""
        return [self.secret, *(replaced.secret for replaced in self.replaced_secrets if now < replaced.valid_until)]

    @property
    def previous_secret_until(self) -> datetime | None:
        """Until when deliveries are signed with the secret before the current one, too; None before the first rotation."""
        return self.replaced_secrets[0].valid_until if self.replaced_secrets else None

    def change(self, changes: dict[str, Any]) -> Self:
        """Return the webhook with other fields. Raises WebhookEnded. One that is resumed or has another URL counts as not failing."""
        self.require_not_ended()
        changed = replace(self, **changes)
        if changed == self:
            return self
        is_resumed = changed.status is WebhookStatus.ACTIVE and self.status is WebhookStatus.PAUSED
        if is_resumed or changed.url != self.url:
            changed = replace(changed, failing_since=None, last_failed_at=None)
        return changed.with_next_version()

    def rotate_secret(self, secret: str, now: datetime) -> Self:
        """Return the webhook with a new encrypted secret; each replaced one stays valid for its own SECRET_OVERLAP.

        Raises WebhookEnded, and TooManyRotations while MAX_REPLACED_SECRETS are valid.
        """
        self.require_not_ended()
        still_valid = [replaced for replaced in self.replaced_secrets if now < replaced.valid_until]
        if len(still_valid) >= MAX_REPLACED_SECRETS:
            raise TooManyRotations
        replaced = (ReplacedSecret(self.secret, now + SECRET_OVERLAP), *still_valid)
        return replace(self, secret=secret, replaced_secrets=replaced).with_next_version()

    def record_success(self) -> Self:
        """Return the webhook after a delivery; unchanged if it was not failing."""
        if self.failing_since is None:
            return self
        return replace(self, failing_since=None, last_failed_at=None).with_next_version()

    def record_failure(self, now: datetime) -> Self:
        """Return the webhook after a failed attempt. Only the first failure of a series makes a new version."""
        if self.failing_since is None or self.last_failed_at is None or now - self.last_failed_at > LONGEST_PAUSE_OF_FAILURES:
            return replace(self, failing_since=now, last_failed_at=now).with_next_version()
        return replace(self, last_failed_at=now)

    def end(self) -> Self:
        """Return the webhook as ended by its receiver."""
        return self if self.status is WebhookStatus.ENDED else replace(self, status=WebhookStatus.ENDED).with_next_version()

    def pause(self) -> Self:
        """Return the webhook as paused."""
        return replace(self, status=WebhookStatus.PAUSED).with_next_version()

    @property
    def must_be_paused(self) -> bool:
        """True for an active webhook whose series of failures has lasted for PAUSED_AFTER or longer."""
        if self.status is not WebhookStatus.ACTIVE or self.failing_since is None or self.last_failed_at is None:
            return False
        return self.last_failed_at - self.failing_since >= PAUSED_AFTER

    def require_not_ended(self) -> None:
        """Raise WebhookEnded for an ended webhook."""
        if self.status is WebhookStatus.ENDED:
            raise WebhookEnded

    def require_active(self) -> None:
        """Raise WebhookEnded or WebhookPaused unless deliveries are sent now."""
        self.require_not_ended()
        if self.status is WebhookStatus.PAUSED:
            raise WebhookPaused

    def with_next_version(self) -> Self:
        """Return the webhook with the next version."""
        return replace(self, version=self.version + 1)


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The webhook as it was told, with its secret, to the request with this id. `fingerprint` is a digest of what was requested."""

    operation_id: UUID
    fingerprint: str
    webhook: Webhook
    answered_at: datetime

    def require_same_request(self, fingerprint: str) -> None:
        """Raise IdempotencyKeyReused if something else is requested now."""
        if fingerprint != self.fingerprint:
            raise IdempotencyKeyReused(pointer="/Idempotency-Key")


def fingerprint_of(*requested: Any) -> str:
    """Return a digest of what is requested."""
    return hashlib.sha256(json.dumps(requested, default=str).encode()).hexdigest()
