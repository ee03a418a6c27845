"""Events that a broker lost: their mails are sent all the same, and once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.contracts.events import AppointmentEvent
from shared.kit.ids import new_id
from tests.running import NOON, RunningService
from tests.service.notify.fake_services import FakeContactServices, MemoryMailbox
from tests.unit.notify.builders import APPOINTMENT, an_event

TEN_MINUTES = timedelta(minutes=10)


def a_change(*events: AppointmentEvent) -> dict[str, Any]:
    envelopes = [event.to_cloudevent("appointment-service") for event in events]
    return {"appointment_id": str(APPOINTMENT), "changed_at": NOON.isoformat(), "events": envelopes}


async def metric(notify: RunningService) -> str:
    lines = (await notify.http.get("/metrics")).text.splitlines()
    return next(line for line in lines if line.startswith("appointments_without_message_total"))


async def test_the_mails_of_a_lost_event_are_sent_after_ten_minutes_and_not_again_when_it_arrives_late(
    notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox
) -> None:
    lost = an_event()
    services.appointment_changes = [a_change(lost)]
    await notify.run_until_idle()
    assert mailbox.mails == []
    notify.clock.advance(TEN_MINUTES)
    await notify.run_until_idle()
    assert sorted(mailbox.count_mails().values()) == [1, 1]
    assert {address for address, _ in mailbox.count_mails()} == {"mina@example.com", "ada@example.com"}
    await notify.publish_event(lost)
    notify.clock.advance(TEN_MINUTES)
    await notify.run_until_idle()
    assert len(mailbox.mails) == 2
    assert await metric(notify) == "appointments_without_message_total 1.0"


async def test_a_lost_booking_of_a_visit_that_was_moved_meanwhile_sends_nothing_outdated(
    notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox
) -> None:
    moved = an_event("appointment.rescheduled.v1", id=new_id(), version=3, sequence=1)
    await notify.publish_event(moved)
    assert len(mailbox.mails) == 2
    services.appointment_changes = [a_change(an_event())]
    notify.clock.advance(TEN_MINUTES)
    await notify.run_until_idle()
    assert len(mailbox.mails) == 2


async def test_a_lost_booking_that_was_confirmed_meanwhile_is_mailed_and_the_confirmation_is_not(
    notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox
) -> None:
    confirmed = an_event("appointment.amended.v1", id=new_id(), version=3, changed=["confirmation"])
    await notify.publish_event(confirmed)
    assert mailbox.mails == []
    services.appointment_changes = [a_change(an_event())]
    notify.clock.advance(TEN_MINUTES)
    await notify.run_until_idle()
    assert len(mailbox.mails) == 2


async def test_while_appointment_service_has_no_list_of_changes_yet_nothing_is_lost(
    notify: RunningService, services: FakeContactServices, mailbox: MemoryMailbox
) -> None:
    services.missing_paths = {"/internal/appointment-changes"}
    services.appointment_changes = [a_change(an_event())]
    for _ in range(24):
        notify.clock.advance(timedelta(hours=1))
        await notify.run_until_idle()
    assert mailbox.mails == []
    services.missing_paths = set()
    notify.clock.advance(timedelta(minutes=5))
    await notify.run_until_idle()
    assert len(mailbox.mails) == 2
