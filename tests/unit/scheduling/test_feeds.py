"""Links to agendas, and what they return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from scheduling_svc.domain.agenda import AgendaEntry, EntryKind, requested_span
from scheduling_svc.domain.feeds import CalendarFeed, feed_span, token_from, token_hash
from scheduling_svc.domain.refusals import NoSuchFeed
from scheduling_svc.usecases.feeds import Feeds, to_icalendar
from shared.contracts.events import AccountChanged
from shared.contracts.grains import Span, instant_of
from shared.contracts.identity import Role
from shared.contracts.ranges import RangeReversed, RangeTooLong
from tests.unit.scheduling.builders import NINE, NOON

ME = UUID(int=0xA)


@dataclass
class InMemoryAgendas:
    """Links and entries in two dictionaries; `requested_span` is the span that was read last."""

    entries_of: dict[UUID, list[AgendaEntry]] = field(default_factory=dict)
    links: dict[UUID, CalendarFeed] = field(default_factory=dict)
    handled_events: set[UUID] = field(default_factory=set)
    requested_span: Span = range(0)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[InMemoryAgendas]:
        yield self

    async def save_feed(self, feed: CalendarFeed) -> None:
        self.links[feed.account_id] = feed

    async def delete_feed(self, account_id: UUID) -> None:
        self.links.pop(account_id, None)

    async def mark_handled(self, event_id: UUID) -> bool:
        is_new = event_id not in self.handled_events
        self.handled_events.add(event_id)
        return is_new

    async def list_entries(self, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[AgendaEntry]:
        self.requested_span = within
        return self.entries_of.get(account_id, [])[:limit]

    async def find_feed_owner(self, token_hash: str) -> UUID | None:
        return next((feed.account_id for feed in self.links.values() if feed.token_hash == token_hash), None)


def an_entry(number: int = 1, kind: EntryKind = EntryKind.APPOINTMENT, starts_at: datetime = NINE) -> AgendaEntry:
    return AgendaEntry(UUID(int=number), kind, starts_at, starts_at + timedelta(minutes=30), "Europe/Berlin", NOON)


def the_feeds(store: InMemoryAgendas, *secrets: bytes) -> Feeds:
    return Feeds(store, "https://clinic.example", iter(secrets).__next__, lambda: NOON)


async def test_a_link_is_the_secret_in_base64url() -> None:
    store = InMemoryAgendas()
    link = await the_feeds(store, b"\xff" * 32).subscribe(ME)
    token = "_" * 42 + "8"
    assert link.url == f"https://clinic.example/calendar/feed/{token}.ics"
    assert store.links == {ME: CalendarFeed(ME, token_hash(token), NOON)}
    assert token not in repr(store)


async def test_the_last_link_counts_until_it_is_revoked() -> None:
    feeds = the_feeds(InMemoryAgendas({ME: [an_entry()]}), b"a" * 32, b"b" * 32)
    await feeds.subscribe(ME)
    await feeds.subscribe(ME)
    with pytest.raises(NoSuchFeed):
        await feeds.read(token_from(b"a" * 32))
    assert b"SUMMARY:Appointment\r\n" in await feeds.read(token_from(b"b" * 32))
    await feeds.revoke(ME)
    with pytest.raises(NoSuchFeed):
        await feeds.read(token_from(b"b" * 32))


async def test_a_feed_tells_of_a_month_back_and_a_year_ahead() -> None:
    store = InMemoryAgendas()
    feeds = the_feeds(store, b"a" * 32)
    await feeds.subscribe(ME)
    await feeds.read(token_from(b"a" * 32))
    assert store.requested_span == feed_span(NOON)
    assert instant_of(store.requested_span.start) == NOON - timedelta(days=30)
    assert instant_of(store.requested_span.stop) == NOON + timedelta(days=366)


@pytest.mark.parametrize(("status", "stands"), [("active", True), ("invited", True), ("disabled", False)])
async def test_a_link_ends_with_its_account_and_an_event_counts_once(status: str, stands: bool) -> None:
    store = InMemoryAgendas()
    feeds = the_feeds(store, b"a" * 32, b"b" * 32)
    changed = AccountChanged(id=uuid4(), occurred_at=NOON, account_id=ME, role=Role.PATIENT, status=status, version=2)
    await feeds.subscribe(ME)
    await feeds.note_account(changed)
    assert (ME in store.links) is stands
    await feeds.subscribe(ME)
    await feeds.note_account(changed)
    assert ME in store.links


@given(st.binary(min_size=32, max_size=32))
def test_every_secret_makes_a_token_of_the_one_form(secret: bytes) -> None:
    assert len(token_hash(token_from(secret))) == 64


@pytest.mark.parametrize("token", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "/", "é" * 43, "A" * 43 + "\n"])
def test_what_cannot_be_a_token_is_no_link(token: str) -> None:
    with pytest.raises(NoSuchFeed):
        token_hash(token)


@given(
    st.lists(
        st.builds(
            an_entry,
            st.integers(1, 10**9),
            st.sampled_from(EntryKind),
            st.integers(0, 10**5).map(lambda hours: NINE + timedelta(hours=hours)),
        )
    )
)
def test_the_calendar_says_of_each_entry_when_and_what_kind(entries: list[AgendaEntry]) -> None:
    calendar = Calendar.from_ical(to_icalendar(entries))
    words = {EntryKind.APPOINTMENT: "Appointment", EntryKind.LEAVE: "Leave", EntryKind.CLOSURE: "Clinic closed"}
    assert [(event["UID"], event["SUMMARY"], event["DTSTART"].dt, event["DTEND"].dt) for event in calendar.walk("VEVENT")] == [
        (f"{entry.id}@careslot", words[entry.kind], entry.starts_at, entry.ends_at) for entry in entries
    ]


def test_a_calendar_in_which_nobody_is_busy_is_valid_and_asks_for_nothing() -> None:
    calendar = Calendar.from_ical(to_icalendar([]))
    assert [part.name for part in calendar.subcomponents] == ["VTIMEZONE"]
    assert not [problem for part in calendar.walk() for problem in part.errors]
    assert "METHOD" not in calendar
    assert "METHOD" not in Calendar.from_ical(to_icalendar([an_entry()]))


def test_only_an_appointment_has_its_id() -> None:
    assert an_entry(7).appointment_id == UUID(int=7)
    assert [an_entry(7, kind).appointment_id for kind in (EntryKind.LEAVE, EntryKind.CLOSURE)] == [None, None]
    assert an_entry().local_start == "2026-03-09T09:00"


def test_a_range_is_two_weeks_from_now_unless_told_and_at_most_sixty_two_days() -> None:
    assert (instant_of(requested_span(None, None, NOON).start), instant_of(requested_span(None, None, NOON).stop)) == (
        NOON,
        NOON + timedelta(days=14),
    )
    assert len(requested_span(NOON, NOON + timedelta(days=62), NOON)) == 62 * 288
    with pytest.raises(RangeTooLong):
        requested_span(NOON, NOON + timedelta(days=62, seconds=1), NOON)
    with pytest.raises(RangeReversed):
        requested_span(None, NOON, NOON)
