"""A webhook: a URL that receives events about appointments, and its state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from notify_svc.domain.webhook_refusals import WebhookEnded, WebhookPaused

MAX_WEBHOOKS = 25
"""With the deliveries that each may have in flight, this bounds the connections of an instance."""
PAUSED_AFTER = timedelta(days=5)
SECRET_OVERLAP = timedelta(hours=24)
"""How long deliveries are signed with the previous secret, too, after a rotation."""


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
class Webhook:
    """`events` are types, or `appointment.*` for all of them.

    `secret` and `previous_secret` are encrypted; the previous one is valid until `previous_secret_until`. `rotation_id` is the id of the
    request that made the secret. `failing_since` and `last_failed_at` are the first and the last failure since the last success.
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
    previous_secret: str | None = None
    previous_secret_until: datetime | None = None
    rotation_id: UUID | None = None

    def receives(self, event_type: str) -> bool:
        """Return whether events of a type are delivered to this webhook, now or after it is resumed."""
        return self.status is not WebhookStatus.ENDED and (EVERY_APPOINTMENT_EVENT in self.events or event_type in self.events)

    def valid_secrets(self, now: datetime) -> list[str]:
        """Return the encrypted secrets with which a delivery is signed, the current one first."""
        has_previous = self.previous_secret_until is not None and now < self.previous_secret_until
        return [self.secret, self.previous_secret] if self.previous_secret and has_previous else [self.secret]

    def change(self, changes: dict[str, Any]) -> Self:
        """Return the webhook with other fields. Raises WebhookEnded. A resumed webhook counts as not failing."""
        self.require_not_ended()
        changed = replace(self, **changes)
        if changed == self:
            return self
        if changed.status is WebhookStatus.ACTIVE and self.status is WebhookStatus.PAUSED:
            changed = replace(changed, failing_since=None, last_failed_at=None)
        return changed.with_next_version()

    def rotate_secret(self, secret: str, operation_id: UUID, now: datetime) -> Self:
        """Return the webhook with a new encrypted secret; the current one stays valid for SECRET_OVERLAP. Raises WebhookEnded."""
        self.require_not_ended()
        until = now + SECRET_OVERLAP
        return replace(
            self, secret=secret, previous_secret=self.secret, previous_secret_until=until, rotation_id=operation_id
        ).with_next_version()

    def record_success(self) -> Self:
        """Return the webhook after a delivery; unchanged if it was not failing."""
        if self.failing_since is None:
            return self
        return replace(self, failing_since=None, last_failed_at=None).with_next_version()

    def record_failure(self, now: datetime) -> Self:
        """Return the webhook after a failed attempt. Only the first failure in a row makes a new version."""
        if self.failing_since is None:
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
        """True for an active webhook all of whose attempts failed for PAUSED_AFTER or longer."""
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
