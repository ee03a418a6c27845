"""The request and response models of preferences and of the links that end reminders and digests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

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


def _strip_line_end(value: object) -> object:
    return value.rstrip("\r\n") if isinstance(value, str) else value


OneClick = Annotated[Literal["One-Click"], BeforeValidator(_strip_line_end)]


class OneClickForm(RequestModel):
    """The form that programs of mail providers send (RFC 8058). It may be left out, and a line end may follow it."""

    list_unsubscribe: OneClick = Field(default="One-Click", alias="List-Unsubscribe")


class SubscriptionOut(ReadModel):
    """What a link ends: the reminders of visits, or the daily digest."""

    kind: SubscriptionKind
