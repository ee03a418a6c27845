"""The links in mails, for which notification-service asks appointment-service in batches: `POST /internal/visit-links`."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from shared.contracts.values import ReadModel, RequestModel

MAX_LINKS = 100
"""The largest number of links in one request."""


class VisitLinkKey(RequestModel):
    """An appointment, and the person who gets a link to it: the patient or a guardian."""

    appointment_id: UUID
    recipient_id: UUID


class VisitLinkRequest(RequestModel):
    """The body of `POST /internal/visit-links`."""

    links: list[VisitLinkKey] = Field(min_length=1, max_length=MAX_LINKS)


class VisitLinkOut(ReadModel):
    """The token of one link; the link is `{public_url}/visit/{token}`. The same key always has the same token."""

    appointment_id: UUID
    recipient_id: UUID
    token: str


class VisitLinksOut(ReadModel):
    """The links to the appointments that exist; others are left out."""

    items: list[VisitLinkOut]
