"""Subscribing to the agenda of an account by a secret link."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduling_svc.domain.agenda import AgendaEntry, EntryKind
from scheduling_svc.domain.feeds import MAX_ENTRIES, CalendarFeed, feed_span, token_from, token_hash
from scheduling_svc.domain.refusals import NoSuchFeed
from scheduling_svc.ports import AgendaStore
from shared.contracts.calendar_entries import entry_uid
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
class FeedContent:
    """An iCalendar file with its entity tag, and since when it is as it is."""

    body: bytes
    tag: str
    changed_at: datetime


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
    async def read(self, token: str) -> FeedContent:
        """Return the agenda of the link's owner as iCalendar; raise NoSuchFeed if the link has ended.

        What is stored of the content is its hash and since when it is as it is, so that a client need not fetch it again.
        """
        stored = await self.store.find_feed(token_hash(token))
        if stored is None:
            raise NoSuchFeed
        content = to_icalendar(await self.store.list_entries(stored.account_id, feed_span(self.now()), MAX_ENTRIES, None))
        feed = stored.with_content(content, self.now())
        if feed != stored:
            async with self.store.begin() as tx:
                await tx.update_feed_content(feed)
        assert feed.content_tag is not None
        assert feed.changed_at is not None
        return FeedContent(content, f'"{feed.content_tag}"', feed.changed_at)

    @retry_on_abort
    async def revoke_if_disabled(self, event: AccountChanged) -> None:
        """End the link of an account that was disabled."""
        async with self.store.begin() as tx:
            if await tx.mark_handled(event.id) and event.status == "disabled":
                await tx.delete_feed(event.account_id)


def to_icalendar(entries: Iterable[AgendaEntry]) -> bytes:
    """Return an agenda as an iCalendar file: times and kinds of entries, without names or reasons.

    A visit that the clinic has not approved yet is tentative. A group session is one event for its doctor, who meets its patients together.
    """
    entries_of_events: dict[UUID, list[AgendaEntry]] = defaultdict(list)
    for entry in entries:
        entries_of_events[entry.session_id or entry.id].append(entry)
    events = (
        CalendarEvent(
            uid=entry_uid(event_id),
            stamped_at=max(entry.changed_at for entry in group),
            starts_at=group[0].starts_at,
            ends_at=group[0].ends_at,
            summary=SUMMARIES[group[0].kind],
            status="TENTATIVE" if all(entry.is_requested for entry in group) else "CONFIRMED",
        )
        for event_id, group in entries_of_events.items()
    )
    return calendar_file(events, name=CALENDAR_NAME, refresh_minutes=REFRESH_MINUTES)
