"""The links with which patients confirm or cancel a visit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.contracts.visit_links import VisitLinkKey, VisitLinkOut


class VisitLinkSource(Protocol):
    """appointment-service, which makes the links."""

    async def fetch_visit_links(self, keys: Sequence[VisitLinkKey]) -> Sequence[VisitLinkOut]:
        """Return the links of the appointments that exist. `keys` are at most MAX_LINKS. Raise Unavailable when there is no answer."""
