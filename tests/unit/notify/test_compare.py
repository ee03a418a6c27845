"""The comparison with appointment-service: what did not arrive is handled once, whatever happens meanwhile."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from notify_svc.usecases.compare import MAX_AGE, TIME_TO_ARRIVE, AppointmentComparison
from shared.contracts.appointment_changes import AppointmentChange
from shared.contracts.events import AppointmentEvent
from shared.contracts.pages import Page
from shared.contracts.refusals import Unavailable
from shared.kit.clock import MovableClock
from tests.running import NOON
from tests.unit.notify.builders import an_event

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PAGE = 2


@dataclass
class FakeAppointments:
    """The list of changes in pages of two, and notification-service's inbox. `down_after` is how many more pages are answered."""

    clock: MovableClock = field(default_factory=lambda: MovableClock(NOON, running=False))
    changes: list[AppointmentChange] = field(default_factory=list)
    requests: list[datetime] = field(default_factory=list)
    handled: list[UUID] = field(default_factory=list)
    failing: set[UUID] = field(default_factory=set)
    compared_until: datetime | None = None
    down_after: int | None = None
    missing: int = 0

    def __post_init__(self) -> None:
        self.comparison = AppointmentComparison(self, self, self.handle, self.clock, self._count)

    def _count(self) -> None:
        self.missing += 1

    def change(self, number: int, *, event: datetime, changed: datetime | None = None, **fields: Any) -> UUID:
        """Add an appointment that has changed, with an event of an instant; return the id of the event."""
        lost_event = an_event(id=UUID(int=number), appointment_id=UUID(int=1000 + number), **fields).model_copy(
            update={"occurred_at": event}
        )
        self.add(number, changed or event, lost_event.to_cloudevent("appointment-service"))
        return lost_event.id

    def add(self, number: int, changed: datetime, *events: dict[str, Any]) -> None:
        self.changes.append(AppointmentChange(appointment_id=UUID(int=1000 + number), changed_at=changed, events=list(events)))

    async def list_changes(self, since: datetime, after: str | None) -> Page[AppointmentChange]:
        if self.down_after is not None:
            self.down_after -= 1
            if self.down_after < 0:
                raise Unavailable
        self.requests.append(since)
        matching = sorted((change for change in self.changes if change.changed_at >= since), key=lambda change: change.changed_at)
        begin = int(after or 0)
        has_more = len(matching) > begin + PAGE
        return Page(items=matching[begin : begin + PAGE], next=str(begin + PAGE) if has_more else None)

    async def find_compared_until(self) -> datetime | None:
        return self.compared_until

    async def save_compared_until(self, instant: datetime) -> None:
        self.compared_until = instant

    async def list_handled(self, event_ids: Collection[UUID]) -> set[UUID]:
        return set(event_ids) & set(self.handled)

    async def handle(self, event: AppointmentEvent) -> None:
        if event.id in self.failing:
            raise OSError
        self.handled.append(event.id)


@pytest.fixture
def appointments() -> FakeAppointments:
    return FakeAppointments()


async def test_an_event_that_has_not_arrived_after_ten_minutes_is_handled_once_and_counted(appointments: FakeAppointments) -> None:
    lost = appointments.change(1, event=NOON)
    assert await appointments.comparison.compare() == 0
    appointments.clock.advance(TIME_TO_ARRIVE - timedelta(seconds=1))
    assert await appointments.comparison.compare() == 0
    appointments.clock.advance(timedelta(seconds=1))
    assert await appointments.comparison.compare() == 1
    for _ in range(5):
        appointments.clock.advance(5 * MINUTE)
        assert await appointments.comparison.compare() == 0
    assert (appointments.handled, appointments.missing) == ([lost], 1)


async def test_what_has_arrived_is_left_alone(appointments: FakeAppointments) -> None:
    appointments.handled = [appointments.change(number, event=NOON) for number in range(5)]
    lost = appointments.change(7, event=NOON)
    appointments.clock.advance(DAY)
    assert await appointments.comparison.compare() == 1
    assert (appointments.handled[5:], appointments.missing) == ([lost], 1)


async def test_a_lost_event_is_found_while_its_appointment_keeps_changing(appointments: FakeAppointments) -> None:
    """Each change puts the appointment at the end of the list; the lost event is looked at nevertheless."""
    lost = appointments.change(1, event=NOON)
    for _ in range(12):
        appointments.clock.advance(MINUTE)
        (change,) = appointments.changes
        appointments.changes = [change.model_copy(update={"changed_at": appointments.clock()})]
        await appointments.comparison.compare()
    assert appointments.handled == [lost]


async def test_two_events_of_an_appointment_are_handled_in_their_order(appointments: FakeAppointments) -> None:
    booked, amended = an_event(id=UUID(int=1)), an_event("appointment.amended.v1", id=UUID(int=2), version=3, changed=["place"])
    appointments.add(1, NOON, *(event.to_cloudevent("appointment-service") for event in (booked, amended)))
    appointments.clock.advance(TIME_TO_ARRIVE)
    assert await appointments.comparison.compare() == 2
    assert appointments.handled == [booked.id, amended.id]


async def test_an_outage_of_a_day_is_made_up_for_and_what_is_older_than_a_week_is_not(appointments: FakeAppointments) -> None:
    await appointments.comparison.compare()
    lost = [appointments.change(number, event=NOON + number * MINUTE) for number in range(10)]
    appointments.clock.advance(DAY)
    assert await appointments.comparison.compare() == 10
    assert appointments.handled == lost
    appointments.change(20, event=NOON + DAY)
    changed_late = appointments.change(21, event=NOON + DAY, changed=NOON + 20 * DAY)
    appointments.clock.set(NOON + DAY + MAX_AGE)
    appointments.changes[-1] = appointments.changes[-1].model_copy(update={"changed_at": appointments.clock()})
    assert await appointments.comparison.compare() == 0, "what was handled so long ago may not be known any more"
    assert changed_late not in appointments.handled


async def test_a_first_comparison_looks_back_a_week(appointments: FakeAppointments) -> None:
    appointments.clock.advance(30 * DAY)
    await appointments.comparison.compare()
    assert appointments.requests == [appointments.clock() - MAX_AGE]


async def test_after_an_interruption_the_comparison_goes_on_where_it_ended(appointments: FakeAppointments) -> None:
    lost = [appointments.change(number, event=NOON + number * 20 * MINUTE) for number in range(7)]
    appointments.clock.advance(DAY)
    appointments.down_after = 2
    assert await appointments.comparison.compare() == 4
    appointments.down_after, appointments.requests = None, []
    assert await appointments.comparison.compare() == 3
    assert appointments.requests[0] > NOON + 40 * MINUTE
    assert appointments.handled == lost


async def test_a_change_that_is_stored_late_is_not_skipped(appointments: FakeAppointments) -> None:
    appointments.clock.advance(DAY)
    await appointments.comparison.compare()
    late = appointments.change(1, event=appointments.clock() - TIME_TO_ARRIVE - MINUTE)
    appointments.clock.advance(5 * MINUTE)
    assert await appointments.comparison.compare() == 1
    assert appointments.handled == [late]


@pytest.mark.parametrize(
    "damage",
    [
        {"type": "appointment.teleported.v1"},
        {"data": {"appointment_id": "x"}},
        {"data": None},
        {"time": "yesterday"},
        {"type": "doctor.changed.v1"},
        {"id": None},
    ],
)
async def test_an_event_that_cannot_be_read_stops_no_other(
    appointments: FakeAppointments, caplog: pytest.LogCaptureFixture, damage: dict[str, Any]
) -> None:
    appointments.change(1, event=NOON)
    damaged = json.loads(json.dumps(appointments.changes[0].events[0])) | damage
    appointments.changes[0] = appointments.changes[0].model_copy(update={"events": [damaged]})
    others = [appointments.change(number, event=NOON + MINUTE) for number in (2, 3, 4)]
    appointments.clock.advance(DAY)
    assert await appointments.comparison.compare() == 3
    assert appointments.handled == others
    assert "stored_item_unreadable" in caplog.text
    appointments.requests = []
    await appointments.comparison.compare()
    assert appointments.requests[0] > NOON + MINUTE, "it is not read again and again"


async def test_an_event_that_fails_stops_no_other_and_is_tried_again(
    appointments: FakeAppointments, caplog: pytest.LogCaptureFixture
) -> None:
    failing, other = appointments.change(1, event=NOON), appointments.change(2, event=NOON + MINUTE)
    appointments.change(3, event=NOON + 2 * MINUTE)
    appointments.failing = {failing}
    appointments.clock.advance(DAY)
    assert await appointments.comparison.compare() == 2
    assert other in appointments.handled
    assert [record.levelno for record in caplog.records if "missing_event_failed" in record.getMessage()] == [logging.ERROR]
    appointments.failing = set()
    assert await appointments.comparison.compare() == 1
    assert appointments.handled[-1] == failing
