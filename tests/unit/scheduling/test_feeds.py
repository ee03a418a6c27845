"""Links to calendars, and what stands behind them."""

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

from scheduling_svc.domain.agenda import Entry, EntryKind, asked_for
from scheduling_svc.domain.feeds import Feed, as_calendar, hash_of, token_of, told_in
from scheduling_svc.domain.refusals import NoSuchFeed, RangeReversed, RangeTooLong
from scheduling_svc.usecases.feeds import Feeds
from shared.contracts.events import AccountChanged
from shared.contracts.grains import Span, instant_of
from shared.contracts.identity import Role
from tests.unit.scheduling.builders import NINE, NOON

ME = UUID(int=0xA)


@dataclass
class Memory:
    """Links and entries in two containers; `asked` is the span that was looked at last."""

    entries_of: dict[UUID, list[Entry]] = field(default_factory=dict)
    links: dict[UUID, Feed] = field(default_factory=dict)
    seen: set[UUID] = field(default_factory=set)
    asked: Span = range(0)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Memory]:
        yield self

    async def link(self, feed: Feed) -> None:
        self.links[feed.account_id] = feed

    async def unlink(self, account_id: UUID) -> None:
        self.links.pop(account_id, None)

    async def mark_handled(self, event_id: UUID) -> bool:
        new = event_id not in self.seen
        self.seen.add(event_id)
        return new

    async def entries(self, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[Entry]:
        self.asked = within
        return self.entries_of.get(account_id, [])[:limit]

    async def reader(self, token_hash: str) -> UUID | None:
        return next((feed.account_id for feed in self.links.values() if feed.token_hash == token_hash), None)


def an_entry(number: int = 1, kind: EntryKind = EntryKind.APPOINTMENT, starts_at: datetime = NINE) -> Entry:
    return Entry(UUID(int=number), kind, starts_at, starts_at + timedelta(minutes=30), "Europe/Berlin", NOON)


def the_feeds(memory: Memory, *secrets: bytes) -> Feeds:
    return Feeds(memory, "https://clinic.example", iter(secrets).__next__, lambda: NOON)


async def test_a_link_is_the_secret_in_base64url() -> None:
    memory = Memory()
    link = await the_feeds(memory, b"\xff" * 32).subscribe(ME)
    token = "_" * 42 + "8"
    assert link.url == f"https://clinic.example/calendar/feed/{token}.ics"
    assert memory.links == {ME: Feed(ME, hash_of(token), NOON)}
    assert token not in repr(memory)


async def test_the_last_link_counts_until_it_is_revoked() -> None:
    feeds = the_feeds(Memory({ME: [an_entry()]}), b"a" * 32, b"b" * 32)
    await feeds.subscribe(ME)
    await feeds.subscribe(ME)
    with pytest.raises(NoSuchFeed):
        await feeds.read(token_of(b"a" * 32))
    assert b"SUMMARY:Appointment\r\n" in await feeds.read(token_of(b"b" * 32))
    await feeds.revoke(ME)
    with pytest.raises(NoSuchFeed):
        await feeds.read(token_of(b"b" * 32))


async def test_a_feed_tells_of_a_month_back_and_a_year_ahead() -> None:
    memory = Memory()
    feeds = the_feeds(memory, b"a" * 32)
    await feeds.subscribe(ME)
    await feeds.read(token_of(b"a" * 32))
    assert memory.asked == told_in(NOON)
    assert instant_of(memory.asked.start) == NOON - timedelta(days=30)
    assert instant_of(memory.asked.stop) == NOON + timedelta(days=366)


@pytest.mark.parametrize(("status", "stands"), [("active", True), ("invited", True), ("disabled", False)])
async def test_a_link_ends_with_its_account_and_an_event_counts_once(status: str, stands: bool) -> None:
    memory = Memory()
    feeds = the_feeds(memory, b"a" * 32, b"b" * 32)
    changed = AccountChanged(id=uuid4(), occurred_at=NOON, account_id=ME, role=Role.PATIENT, status=status, version=2)
    await feeds.subscribe(ME)
    await feeds.note_account(changed)
    assert (ME in memory.links) is stands
    await feeds.subscribe(ME)
    await feeds.note_account(changed)
    assert ME in memory.links


@given(st.binary(min_size=32, max_size=32))
def test_every_secret_makes_a_token_of_the_one_form(secret: bytes) -> None:
    assert len(hash_of(token_of(secret))) == 64


@pytest.mark.parametrize("token", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "/", "é" * 43, "A" * 43 + "\n"])
def test_what_cannot_be_a_token_is_no_link(token: str) -> None:
    with pytest.raises(NoSuchFeed):
        hash_of(token)


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
def test_the_calendar_says_of_each_entry_when_and_what_kind(entries: list[Entry]) -> None:
    calendar = Calendar.from_ical(as_calendar(entries))
    words = {EntryKind.APPOINTMENT: "Appointment", EntryKind.LEAVE: "Leave", EntryKind.CLOSURE: "Clinic closed"}
    assert [(event["UID"], event["SUMMARY"], event["DTSTART"].dt, event["DTEND"].dt) for event in calendar.walk("VEVENT")] == [
        (f"{entry.id}@careslot", words[entry.kind], entry.starts_at, entry.ends_at) for entry in entries
    ]


def test_a_calendar_in_which_nobody_is_busy_is_valid_and_asks_for_nothing() -> None:
    calendar = Calendar.from_ical(as_calendar([]))
    assert [part.name for part in calendar.subcomponents] == ["VTIMEZONE"]
    assert not [problem for part in calendar.walk() for problem in part.errors]
    assert "METHOD" not in calendar
    assert "METHOD" not in Calendar.from_ical(as_calendar([an_entry()]))


def test_only_an_appointment_has_its_id() -> None:
    assert an_entry(7).appointment_id == UUID(int=7)
    assert [an_entry(7, kind).appointment_id for kind in (EntryKind.LEAVE, EntryKind.CLOSURE)] == [None, None]
    assert an_entry().local_start == "2026-03-09T09:00"


def test_a_range_is_two_weeks_from_now_unless_told_and_at_most_sixty_two_days() -> None:
    assert (instant_of(asked_for(None, None, NOON).start), instant_of(asked_for(None, None, NOON).stop)) == (
        NOON,
        NOON + timedelta(days=14),
    )
    assert len(asked_for(NOON, NOON + timedelta(days=62), NOON)) == 62 * 288
    with pytest.raises(RangeTooLong):
        asked_for(NOON, NOON + timedelta(days=62, seconds=1), NOON)
    with pytest.raises(RangeReversed):
        asked_for(None, NOON, NOON)
