"""The request and response models of preferences and of the links that end reminders and digests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from notify_svc.domain.unsubscribe_links import SubscriptionKind
from shared.contracts.values import ReadModel, RequestModel

DIGEST = "Whether you get a mail at 18:00 in your time zone with the times of the next day's visits."


class PutDoctorPreferences(RequestModel):
    """What a doctor decides about mails."""

    daily_digest: bool = Field(strict=True, description=DIGEST)
    version: int | None = Field(default=None, ge=1, description="May be sent back as it was read. The version in `If-Match` counts.")


class DoctorPreferencesOut(ReadModel):
    """What a doctor decides about mails."""

    daily_digest: bool = Field(description=DIGEST)
    version: int


class OneClickForm(RequestModel):
    """The form that programs of mail providers send (RFC 8058). It may be left out."""

    list_unsubscribe: Literal["One-Click"] | None = Field(default=None, alias="List-Unsubscribe")


class SubscriptionOut(ReadModel):
    """What a link ends: the reminders of visits, or the daily digest."""

    kind: SubscriptionKind
