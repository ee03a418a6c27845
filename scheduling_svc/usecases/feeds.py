"""Subscribing to one's own calendar by a link that is its own key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from scheduling_svc.domain.feeds import MOST_ENTRIES, Feed, as_calendar, hash_of, token_of, told_in
from scheduling_svc.domain.refusals import NoSuchFeed
from scheduling_svc.ports import Calendars
from shared.contracts.events import AccountChanged
from shared.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Link:
    url: str


@dataclass(frozen=True, slots=True)
class Feeds:
    """`secret` gives fresh random bytes."""

    calendars: Calendars
    public_url: str
    secret: Callable[[], bytes]
    now: Clock

    async def subscribe(self, account_id: UUID) -> Link:
        """A new link; the old one ends. It cannot be told again."""
        token = token_of(self.secret())
        async with self.calendars.begin() as tx:
            await tx.link(Feed(account_id, hash_of(token), self.now()))
        return Link(f"{self.public_url}/calendar/feed/{token}.ics")

    async def revoke(self, account_id: UUID) -> None:
        """The link ends, if there is one."""
        async with self.calendars.begin() as tx:
            await tx.unlink(account_id)

    async def read(self, token: str) -> bytes:
        """The agenda of the link's owner, from a month back to a year ahead."""
        account_id = await self.calendars.reader(hash_of(token))
        if account_id is None:
            raise NoSuchFeed
        return as_calendar(await self.calendars.entries(account_id, told_in(self.now()), MOST_ENTRIES, None))

    async def note_account(self, event: AccountChanged) -> None:
        """The link of a disabled account ends."""
        async with self.calendars.begin() as tx:
            if await tx.mark_handled(event.id) and event.status == "disabled":
                await tx.unlink(event.account_id)
