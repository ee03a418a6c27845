"""Subscribing to one's own agenda by a secret link."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from scheduling_svc.domain.agenda import AgendaEntry, EntryKind
from scheduling_svc.domain.feeds import MAX_ENTRIES, CalendarFeed, feed_span, token_from, token_hash
from scheduling_svc.domain.refusals import NoSuchFeed
from scheduling_svc.ports import AgendaStore
from shared.contracts.events import AccountChanged
from shared.kit.clock import Clock
from shared.kit.icalendar import CalendarEvent, calendar_file
from shared.kit.retry import retry_on_abort

CALENDAR_NAME = "Careslot"
REFRESH_MINUTES = 15
SUMMARIES = {EntryKind.APPOINTMENT: "Appointment", EntryKind.LEAVE: "Leave", EntryKind.CLOSURE: "Clinic closed"}


@dataclass(frozen=True, slots=True)
class FeedLink:
    """The link that a calendar program subscribes to."""

    url: str


@dataclass(frozen=True, slots=True)
class Feeds:
    """The subscription links of accounts; `secret` returns fresh random bytes."""

    store: AgendaStore
    public_url: str
    secret: Callable[[], bytes]
    now: Clock

    @retry_on_abort
    async def subscribe(self, account_id: UUID) -> FeedLink:
        """Return a new link and end the previous one. Only the hash of its token is stored, so the link cannot be shown again."""
        token = token_from(self.secret())
        async with self.store.begin() as tx:
            await tx.save_feed(CalendarFeed(account_id, token_hash(token), self.now()))
        return FeedLink(f"{self.public_url}/calendar/feed/{token}.ics")

    @retry_on_abort
    async def revoke(self, account_id: UUID) -> None:
        """End the link of an account, if there is one."""
        async with self.store.begin() as tx:
            await tx.delete_feed(account_id)

    @retry_on_abort
    async def read(self, token: str) -> bytes:
        """Return the agenda of the link's owner as iCalendar; raise NoSuchFeed if the link has ended."""
        account_id = await self.store.find_feed_owner(token_hash(token))
        if account_id is None:
            raise NoSuchFeed
        return to_icalendar(await self.store.list_entries(account_id, feed_span(self.now()), MAX_ENTRIES, None))

    @retry_on_abort
    async def note_account(self, event: AccountChanged) -> None:
        """End the link of an account that was disabled."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id) and event.status == "disabled":
                await tx.delete_feed(event.account_id)


def to_icalendar(entries: Iterable[AgendaEntry]) -> bytes:
    """Return an agenda as an iCalendar file: times and kinds of entries, without names or reasons."""
    events = (
        CalendarEvent(
            uid=f"{entry.id}@careslot",
            stamped_at=entry.changed_at,
            starts_at=entry.starts_at,
            ends_at=entry.ends_at,
            summary=SUMMARIES[entry.kind],
        )
        for entry in entries
    )
    return calendar_file(events, name=CALENDAR_NAME, refresh_minutes=REFRESH_MINUTES)
