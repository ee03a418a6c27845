"""Links to agendas, and what they return."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
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

    async def delete_feed(self, account_id: UUID) -> bool:
        return self.links.pop(account_id, None) is not None

    async def mark_handled(self, event_id: UUID) -> bool:
        is_new = event_id not in self.handled_events
        self.handled_events.add(event_id)
        return is_new

    async def list_entries(self, account_id: UUID, within: Span, limit: int, after: tuple[str, ...] | None) -> list[AgendaEntry]:
        self.requested_span = within
        return self.entries_of.get(account_id, [])[:limit]

    async def find_feed(self, token_hash: str) -> CalendarFeed | None:
        return next((feed for feed in self.links.values() if feed.token_hash == token_hash), None)

    async def update_feed_content(self, feed: CalendarFeed) -> None:
        self.links[feed.account_id] = feed


def an_entry(number: int = 1, kind: EntryKind = EntryKind.APPOINTMENT, starts_at: datetime = NINE) -> AgendaEntry:
    return AgendaEntry(UUID(int=number), kind, starts_at, starts_at + timedelta(minutes=30), "Europe/Berlin", NOON)


def feeds_over(store: InMemoryAgendas, *secrets: bytes) -> Feeds:
    return Feeds(store, "https://clinic.example", iter(secrets).__next__, lambda: NOON)


async def test_a_link_is_the_secret_in_base64url() -> None:
    store = InMemoryAgendas()
    link = await feeds_over(store, b"\xff" * 32).subscribe(ME)
    token = "_" * 42 + "8"
    assert link.url == f"https://clinic.example/calendar/feed/{token}.ics"
    assert store.links == {ME: CalendarFeed(ME, token_hash(token), NOON)}
    assert token not in repr(store)


async def test_only_the_newest_link_works_until_it_is_revoked() -> None:
    feeds = feeds_over(InMemoryAgendas({ME: [an_entry()]}), b"a" * 32, b"b" * 32)
    await feeds.subscribe(ME)
    await feeds.subscribe(ME)
    with pytest.raises(NoSuchFeed):
        await feeds.read(token_from(b"a" * 32))
    assert b"SUMMARY:Appointment\r\n" in (await feeds.read(token_from(b"b" * 32))).body
    await feeds.revoke(ME)
    with pytest.raises(NoSuchFeed):
        await feeds.read(token_from(b"b" * 32))


async def test_a_feed_covers_the_last_month_and_the_next_year() -> None:
    store = InMemoryAgendas()
    feeds = feeds_over(store, b"a" * 32)
    await feeds.subscribe(ME)
    await feeds.read(token_from(b"a" * 32))
    assert store.requested_span == feed_span(NOON)
    assert instant_of(store.requested_span.start) == NOON - timedelta(days=30)
    assert instant_of(store.requested_span.stop) == NOON + timedelta(days=366)


@pytest.mark.parametrize(("status", "is_kept"), [("active", True), ("invited", True), ("disabled", False)])
async def test_a_link_ends_with_its_account_and_an_event_counts_once(status: str, is_kept: bool) -> None:
    store = InMemoryAgendas()
    feeds = feeds_over(store, b"a" * 32, b"b" * 32)
    changed = AccountChanged(id=uuid4(), occurred_at=NOON, account_id=ME, role=Role.PATIENT, status=status, version=2)
    await feeds.subscribe(ME)
    await feeds.revoke_if_disabled(changed)
    assert (ME in store.links) is is_kept
    await feeds.subscribe(ME)
    await feeds.revoke_if_disabled(changed)
    assert ME in store.links


@given(st.binary(min_size=32, max_size=32))
def test_every_secret_makes_a_valid_token(secret: bytes) -> None:
    assert len(token_hash(token_from(secret))) == 64


@pytest.mark.parametrize("token", ["", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "/", "é" * 43, "A" * 43 + "\n"])
def test_text_that_cannot_be_a_token_is_not_a_link(token: str) -> None:
    with pytest.raises(NoSuchFeed):
        token_hash(token)


@given(
    st.lists(
        st.builds(
            an_entry,
            st.integers(1, 10**9),
            st.sampled_from(EntryKind),
            st.integers(0, 10**5).map(lambda hours: NINE + timedelta(hours=hours)),
        ),
        unique_by=lambda entry: entry.id,
    )
)
def test_the_calendar_has_time_and_kind_of_each_entry(entries: list[AgendaEntry]) -> None:
    calendar = Calendar.from_ical(to_icalendar(entries))
    summaries = {EntryKind.APPOINTMENT: "Appointment", EntryKind.LEAVE: "Leave", EntryKind.CLOSURE: "Clinic closed"}
    assert [(event["UID"], event["SUMMARY"], event["DTSTART"].dt, event["DTEND"].dt) for event in calendar.walk("VEVENT")] == [
        (f"{entry.id}@careslot", summaries[entry.kind], entry.starts_at, entry.ends_at) for entry in entries
    ]


def test_an_empty_calendar_is_valid_and_has_no_method() -> None:
    calendar = Calendar.from_ical(to_icalendar([]))
    assert [part.name for part in calendar.subcomponents] == ["VTIMEZONE"]
    assert not [problem for part in calendar.walk() for problem in part.errors]
    assert "METHOD" not in calendar
    assert "METHOD" not in Calendar.from_ical(to_icalendar([an_entry()]))


def test_only_entries_of_appointments_have_an_appointment_id() -> None:
    assert an_entry(7).appointment_id == UUID(int=7)
    assert [an_entry(7, kind).appointment_id for kind in (EntryKind.LEAVE, EntryKind.CLOSURE)] == [None, None]
    assert an_entry().local_start == "2026-03-09T09:00"


def test_a_range_is_by_default_two_weeks_from_now_and_at_most_sixty_two_days() -> None:
    assert (instant_of(requested_span(None, None, NOON).start), instant_of(requested_span(None, None, NOON).stop)) == (
        NOON,
        NOON + timedelta(days=14),
    )
    assert len(requested_span(NOON, NOON + timedelta(days=62), NOON)) == 62 * 288
    with pytest.raises(RangeTooLong):
        requested_span(NOON, NOON + timedelta(days=62, seconds=1), NOON)
    with pytest.raises(RangeReversed):
        requested_span(None, NOON, NOON)


def test_a_requested_visit_is_tentative_and_a_group_session_is_told_once() -> None:
    session = UUID(int=0x61)
    requested = replace(an_entry(1), is_requested=True)
    group = [replace(an_entry(number, starts_at=NINE + timedelta(hours=1)), session_id=session) for number in (2, 3)]
    events = Calendar.from_ical(to_icalendar([requested, group[0], replace(group[1], is_requested=True)])).walk("VEVENT")
    assert [(event["UID"], event["STATUS"]) for event in events] == [
        (f"{UUID(int=1)}@careslot", "TENTATIVE"),
        (f"{session}@careslot", "CONFIRMED"),
    ]


async def test_the_tag_stays_with_the_content_and_the_time_of_change_grows() -> None:
    store, now = InMemoryAgendas({ME: [an_entry()]}), [NOON]
    feeds = Feeds(store, "https://clinic.example", lambda: b"a" * 32, lambda: now[0])
    await feeds.subscribe(ME)
    first = await feeds.read(token_from(b"a" * 32))
    now[0] = NOON + timedelta(hours=1)
    assert await feeds.read(token_from(b"a" * 32)) == first
    changes = []
    for number in range(2, 4):
        store.entries_of[ME] = [an_entry(number)]
        changes.append(await feeds.read(token_from(b"a" * 32)))
    assert [change.changed_at - now[0] for change in changes] == [timedelta(0), timedelta(seconds=1)]
    assert len({first.tag, *(change.tag for change in changes)}) == 3
