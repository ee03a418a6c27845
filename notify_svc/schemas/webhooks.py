"""The request and response models of webhooks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from notify_svc.domain.webhook_addresses import MAX_URL_LENGTH
from notify_svc.domain.webhook_deliveries import DeliveryStatus
from notify_svc.domain.webhooks import WebhookStatus
from shared.contracts.texts import MultiLineText, NoControls, SchemaKeywords
from shared.contracts.values import Instant, PatchModel, ReadModel, RequestModel


class WebhookEventPattern(StrEnum):
    """Which events a webhook receives: all, or those of one type."""

    ALL = "appointment.*"
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


EventPatterns = Annotated[
    list[WebhookEventPattern],
    Field(min_length=1, max_length=20, description="Types of events; `appointment.*` stands for all.", examples=[["appointment.*"]]),
]
WebhookUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL_LENGTH),
    NoControls,
    SchemaKeywords(pattern="^https?://[!-~]+$"),
    Field(description="An https URL of a public host, in ASCII.", examples=["https://receiver.example/careslot"]),
]
Description = Annotated[MultiLineText, Field(max_length=500, examples=["The practice's own calendar"])]


class CreateWebhook(RequestModel):
    """A new webhook."""

    url: WebhookUrl
    events: EventPatterns
    description: Description | None = None


class UpdateWebhook(PatchModel):
    """Fields that are left out stay as they are; null removes the description.

    `paused` keeps the events for 7 days; `active` resumes, and the events that came meanwhile are delivered in order.
    """

    nullable_fields: ClassVar = frozenset({"description"})

    url: WebhookUrl | None = None
    events: EventPatterns | None = None
    description: Description | None = None
    status: Literal["active", "paused"] | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent, as the domain has them."""
        changes = super().changes
        if "events" in changes:
            changes["events"] = tuple(dict.fromkeys(map(str, changes["events"])))
        if "status" in changes:
            changes["status"] = WebhookStatus(changes["status"])
        return changes


class WebhookOut(ReadModel):
    """A webhook. `failing_since` is when the first of the failures in a row occurred; after 5 days of failures the webhook is paused."""

    id: UUID
    url: str = Field(examples=["https://receiver.example/careslot"])
    events: list[WebhookEventPattern]
    description: str | None = Field(examples=["The practice's own calendar"])
    status: WebhookStatus = Field(examples=["active"])
    created_at: Instant
    failing_since: Instant | None
    previous_secret_until: Instant | None = Field(description="Until then deliveries are signed with the previous secret, too.")
    version: int


class WebhookWithSecretOut(WebhookOut):
    """A webhook with its secret, which is shown only now."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="])


class WebhookDeliveryOut(ReadModel):
    """One event on its way to a webhook. `event_id` is the header `webhook-id`, and `attempts` counts since the last replay.

    `response_text` is the beginning of the answer to the last attempt; `problem` says why it did not succeed.
    """

    id: UUID
    event_id: UUID
    event_type: str = Field(examples=["appointment.booked"])
    sequence: int
    status: DeliveryStatus = Field(examples=["delivered"])
    attempts: int
    created_at: Instant
    last_attempt_at: Instant | None
    next_attempt_at: Instant | None
    response_status: int | None = Field(examples=[204])
    response_text: str | None = Field(examples=["ok"])
    problem: str | None = Field(examples=["timeout"])


class ReplayWebhook(RequestModel):
    """From when on deliveries are sent again."""

    since: Instant


class ReplayedWebhookOut(ReadModel):
    """How many deliveries were queued anew, and since when."""

    since: Instant
    replayed: int
