"""Finding the links for mails about visits, in one request for all mails that are composed at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from cachetools import LRUCache

from notify_svc.domain.messages import Message
from notify_svc.domain.notifications import Audience, MessageKind
from notify_svc.ports.visit_links import VisitLinkSource
from notify_svc.usecases.contact_cache import MAX_ENTRIES, ContactCache
from shared.contracts.derived_ids import derive_id
from shared.contracts.visit_links import VisitLinkKey
from shared.kit.clock import Clock

KINDS_WITH_VISIT_LINK = frozenset({MessageKind.BOOKED, MessageKind.RESCHEDULED, MessageKind.AMENDED, MessageKind.REMINDER})
"""The kinds of mails about a visit that is ahead, which its patient can confirm or cancel."""


@dataclass(frozen=True, slots=True)
class VisitLink:
    """The complete URL of one link. `id` follows from appointment and recipient."""

    id: UUID
    url: str


class VisitLinks:
    """The links of mails begin with `public_url`. A link is asked for when its mail is composed, and is not stored."""

    def __init__(self, source: VisitLinkSource, public_url: str, now: Clock) -> None:
        self._source, self._public_url = source, public_url
        self._keys: LRUCache[UUID, VisitLinkKey] = LRUCache(MAX_ENTRIES)
        self._links: ContactCache[VisitLink] = ContactCache(self._fetch, now)

    async def find_link(self, message: Message) -> str | None:
        """Return the URL for the patient or guardian who gets a message; None for other messages, and for unknown appointments.

        Raise Unavailable when appointment-service does not answer.
        """
        if message.audience is not Audience.PATIENT or message.kind not in KINDS_WITH_VISIT_LINK:
            return None
        key = VisitLinkKey(appointment_id=UUID(message.facts["appointment_id"]), recipient_id=message.recipient_id)
        link_id = _id_of(key.appointment_id, key.recipient_id)
        self._keys[link_id] = key
        link = (await self._links.find({link_id})).get(link_id)
        return link.url if link else None

    async def aclose(self) -> None:
        """End the request that is under way."""
        await self._links.aclose()

    async def _fetch(self, link_ids: Sequence[UUID]) -> list[VisitLink]:
        keys = [self._keys[link_id] for link_id in link_ids if link_id in self._keys]
        links = await self._source.fetch_visit_links(keys) if keys else ()
        return [VisitLink(_id_of(link.appointment_id, link.recipient_id), f"{self._public_url}/visit/{link.token}") for link in links]


def _id_of(appointment_id: UUID, recipient_id: UUID) -> UUID:
    return derive_id(appointment_id, recipient_id, "visit_link")
