"""Which people are notified about an event, and of what."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from notify_svc.domain.notifications import Audience, MessageKind, is_amendment, notifications_for
from shared.contracts.events import TOPICS, AppointmentEvent
from tests.running import NOON
from tests.unit.notify.builders import DOCTOR, PATIENT, an_event

FORMER_DOCTOR = UUID(int=99)


def test_patient_and_doctor_are_notified_once_each() -> None:
    notifications = list(notifications_for(an_event()))
    assert [(notification.audience, notification.recipient_id) for notification in notifications] == [
        (Audience.PATIENT, PATIENT),
        (Audience.DOCTOR, DOCTOR),
    ]


def test_when_the_doctor_changes_the_former_doctor_is_notified_too() -> None:
    event = an_event("appointment.rescheduled.v1", previous_doctor_id=FORMER_DOCTOR)
    assert [(notification.kind, notification.recipient_id) for notification in notifications_for(event)] == [
        (MessageKind.RESCHEDULED, PATIENT),
        (MessageKind.BOOKED, DOCTOR),
        (MessageKind.GIVEN_AWAY, FORMER_DOCTOR),
    ]


def test_a_doctor_who_takes_over_a_request_is_asked_to_approve_it() -> None:
    event = an_event("appointment.rescheduled.v1", status="requested", previous_doctor_id=FORMER_DOCTOR)
    kinds = [notification.kind for notification in notifications_for(event)]
    assert kinds == [MessageKind.RESCHEDULED, MessageKind.REQUESTED, MessageKind.GIVEN_AWAY]


def test_each_doctor_is_notified_of_the_time_of_their_own_appointment() -> None:
    before = NOON + timedelta(days=3)
    event = an_event("appointment.rescheduled.v1", previous_doctor_id=FORMER_DOCTOR, previous_starts_at=before)
    _, new, given_away = (notification.event.model_dump(mode="json") for notification in notifications_for(event))
    assert (new["starts_at"], new["doctor_id"], new["previous_starts_at"]) == ("2026-03-09T13:00:00Z", str(DOCTOR), None)
    times = (given_away["starts_at"], given_away["ends_at"])
    assert (*times, given_away["doctor_id"]) == ("2026-03-05T12:00:00Z", "2026-03-05T12:30:00Z", str(FORMER_DOCTOR))


def test_an_amendment_makes_no_message_obsolete() -> None:
    topics = [topic for topic, event_class in TOPICS.items() if issubclass(event_class, AppointmentEvent)]
    assert [topic for topic in topics if is_amendment(an_event(topic))] == ["appointment.amended.v1"]


@pytest.mark.parametrize(
    ("changed", "mode", "count"),
    [
        (["place"], "in_person", 1),
        (["doctor_name"], "in_person", 1),
        (["place", "doctor_name"], "in_person", 1),
        (["place"], "video", 0),
        (["place", "doctor_name"], "phone", 1),
        (["reason", "intake"], "in_person", 0),
        ([], "in_person", 0),
    ],
)
def test_the_patient_alone_is_notified_once_of_an_amendment_that_the_patient_sees(changed: list[str], mode: str, count: int) -> None:
    notifications = notifications_for(an_event("appointment.amended.v1", changed=changed, mode=mode))
    assert [(told.kind, told.audience, told.recipient_id) for told in notifications] == [
        (MessageKind.AMENDED, Audience.PATIENT, PATIENT)
    ] * count


def test_an_undone_check_in_has_no_notifications() -> None:
    assert list(notifications_for(an_event("appointment.booked.v1"))) != []
    assert list(notifications_for(an_event("appointment.booked.v1", changed=["check_in"]))) == []


@pytest.mark.parametrize(("mode", "count"), [("in_person", 1), ("video", 0)])
def test_the_patient_alone_is_notified_of_a_new_place_that_an_undone_check_in_takes_over(mode: str, count: int) -> None:
    notifications = notifications_for(an_event("appointment.booked.v1", changed=["check_in", "place"], mode=mode))
    assert [(told.kind, told.audience, told.recipient_id) for told in notifications] == [
        (MessageKind.AMENDED, Audience.PATIENT, PATIENT)
    ] * count


def test_events_that_change_nothing_in_a_calendar_have_no_notifications() -> None:
    topics = {topic for topic, event_class in TOPICS.items() if issubclass(event_class, AppointmentEvent)}
    silent = {topic for topic in topics if not list(notifications_for(an_event(topic)))}
    assert silent == {f"appointment.{name}.v1" for name in ("checked_in", "started", "completed", "missed", "amended")}
