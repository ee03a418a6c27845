"""When a delivery is attempted, and what its answers mean."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from notify_svc.clients.webhook_answers import parse_retry_after
from notify_svc.domain.webhook_bodies import event_body, webhook_event_type
from notify_svc.domain.webhook_deliveries import (
    RETRY_DELAYS,
    DeliveryStatus,
    WebhookDelivery,
    WebhookProblem,
    WebhookResponse,
    readable_beginning,
)
from notify_svc.domain.webhook_refusals import TooManyRotations
from notify_svc.domain.webhooks import MAX_REPLACED_SECRETS, PAUSED_AFTER, Webhook, WebhookEventType
from notify_svc.schemas.webhooks import WebhookEventPattern
from shared.contracts.events import TOPICS, AppointmentEvent
from tests.running import NOON
from tests.unit.notify.builders import an_event

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
FAILED = WebhookResponse(500)


def a_delivery(**changes: Any) -> WebhookDelivery:
    fields: dict[str, Any] = {"id": UUID(int=1), "webhook_id": UUID(int=2), "event_id": UUID(int=3), "stream_id": UUID(int=4)}
    fields |= {"event_type": "appointment.booked", "sequence": 1, "body": "{}"}
    return WebhookDelivery(**fields | {"created_at": NOON, "queued_at": NOON, "due_at": NOON} | changes)


def a_webhook(**changes: Any) -> Webhook:
    fields: dict[str, Any] = {"id": UUID(int=2), "url": "https://a.example", "events": ("appointment.*",), "description": None}
    return Webhook(**fields | {"secret": "sealed", "created_at": NOON} | changes)


def attempt_times(response: WebhookResponse, random: float) -> list[datetime]:
    """Return when the attempts are made if all have the same answer."""
    delivery, now, times = a_delivery(), NOON, []
    while delivery.status is DeliveryStatus.QUEUED:
        now = delivery.due_at
        times.append(now)
        delivery = delivery.start("me", now).finish(response, random, now)
    return times


def test_a_failing_delivery_is_retried_8_times_within_24_hours_and_then_given_up() -> None:
    times = attempt_times(FAILED, 0.5)
    assert len(times) == 9
    assert DAY <= times[-1] - NOON < DAY + timedelta(minutes=1)
    assert sum(RETRY_DELAYS, timedelta()) == times[-1] - NOON


def test_jitter_makes_each_pause_up_to_a_tenth_shorter_or_longer() -> None:
    for random, factor in ((0.0, 0.9), (1.0, 1.1)):
        times = attempt_times(FAILED, random)
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert [pause / delay for pause, delay in zip(pauses, RETRY_DELAYS, strict=True)] == pytest.approx([factor] * 8, abs=1e-6)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_every_2xx_answer_is_a_success(status: int) -> None:
    finished = a_delivery().start("me", NOON).finish(WebhookResponse(status), 0, NOON)
    assert (finished.status, finished.response_status, finished.problem) == (DeliveryStatus.DELIVERED, status, None)


@pytest.mark.parametrize("status", [100, 301, 302, 307, 308, 400, 404, 429, 500, 503])
def test_every_other_answer_is_a_failure(status: int) -> None:
    finished = a_delivery().start("me", NOON).finish(WebhookResponse(status), 0, NOON)
    assert (finished.status, finished.problem) == (DeliveryStatus.QUEUED, "unsuccessful_status")


def test_a_receiver_that_is_gone_gets_no_retry() -> None:
    assert a_delivery().start("me", NOON).finish(WebhookResponse(410), 0, NOON).status is DeliveryStatus.FAILED


@pytest.mark.parametrize(
    ("asked", "pause"),
    [(timedelta(minutes=7), timedelta(minutes=7)), (SECOND, RETRY_DELAYS[0]), (timedelta(days=9), DAY), (-DAY, RETRY_DELAYS[0])],
)
def test_a_later_retry_is_honoured_up_to_a_day(asked: timedelta, pause: timedelta) -> None:
    finished = a_delivery().start("me", NOON).finish(WebhookResponse(429, retry_after=NOON + asked), 0.5, NOON)
    assert finished.due_at - NOON == pause


@pytest.mark.parametrize(
    ("header", "instant"),
    [
        ("120", NOON + timedelta(seconds=120)),
        ("Mon, 02 Mar 2026 13:00:00 GMT", NOON + timedelta(hours=1)),
        ("99999999999999999999", NOON + timedelta(days=365)),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("²", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2027 00:00:00 +99999999999999", None),
        ("Mon, 99999999999999999999 Jan 2027 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("9" * 5000, None),
        ("x" * 5000, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header: str, instant: datetime | None) -> None:
    assert parse_retry_after(header, NOON) == instant


def test_an_answer_is_shown_as_500_characters_of_plain_text() -> None:
    assert readable_beginning(b"a\x00\x1b[31m\r\nb\xff" + b"c" * 600) == ("a [31m b\N{REPLACEMENT CHARACTER}" + "c" * 600)[:500]
    assert readable_beginning(b" \n\x00") is None


def test_a_replay_begins_the_attempts_anew_with_the_same_ids_and_body() -> None:
    failed = replace(a_delivery(), status=DeliveryStatus.FAILED, attempts=9)
    later = NOON + DAY
    replayed = failed.replay(later)
    assert replayed == replace(failed, status=DeliveryStatus.QUEUED, attempts=0, queued_at=later, due_at=later)
    waiting = a_delivery(attempts=3, due_at=NOON + 2 * DAY)
    assert waiting.replay(later) == replace(waiting, attempts=0, queued_at=later, due_at=later)
    for untouched in (a_delivery().start("me", NOON), a_delivery(waits_for_earlier=True)):
        assert untouched.replay(later) == untouched


def test_only_failures_for_five_days_pause_a_webhook() -> None:
    failing = a_webhook().record_failure(NOON)
    assert not failing.must_be_paused
    for day in range(1, 5):
        failing = failing.record_failure(NOON + day * DAY)
    assert not failing.record_failure(NOON + PAUSED_AFTER - SECOND).must_be_paused
    assert failing.record_failure(NOON + PAUSED_AFTER).must_be_paused
    assert not failing.record_success().record_failure(NOON + PAUSED_AFTER).must_be_paused


def test_two_failures_with_nothing_between_them_are_not_days_of_failures() -> None:
    failing = a_webhook().record_failure(NOON).record_failure(NOON + 2 * DAY)
    assert (failing.failing_since, failing.version) == (NOON, 2)
    later = NOON + 21 * DAY
    again = failing.record_failure(later)
    assert (again.must_be_paused, again.failing_since, again.version) == (False, later, 3)


def test_a_webhook_with_another_url_counts_as_not_failing() -> None:
    failing = a_webhook().record_failure(NOON)
    assert failing.change({"url": "https://b.example"}).failing_since is None
    assert failing.change({"description": "x"}).failing_since == NOON


def test_a_failure_in_a_row_makes_no_new_version_because_it_shows_nothing_new() -> None:
    first = a_webhook().record_failure(NOON)
    assert (a_webhook().version, first.version, first.record_failure(NOON + DAY).version, first.record_success().version) == (1, 2, 2, 3)


def test_each_replaced_secret_signs_for_its_own_day() -> None:
    rotated = a_webhook().rotate_secret("new", NOON).rotate_secret("newest", NOON + MINUTE)
    assert rotated.valid_secrets(NOON + DAY - SECOND) == ["newest", "new", "sealed"]
    assert rotated.valid_secrets(NOON + DAY) == ["newest", "new"]
    assert rotated.valid_secrets(NOON + DAY + MINUTE) == ["newest"]
    assert rotated.previous_secret_until == NOON + DAY + MINUTE


def test_a_secret_is_replaced_five_times_a_day_at_most() -> None:
    rotated = a_webhook()
    for number in range(MAX_REPLACED_SECRETS):
        rotated = rotated.rotate_secret(str(number), NOON + number * MINUTE)
    with pytest.raises(TooManyRotations):
        rotated.rotate_secret("more", NOON + DAY - SECOND)
    assert len(rotated.rotate_secret("more", NOON + DAY).valid_secrets(NOON + DAY)) == MAX_REPLACED_SECRETS + 1


def test_an_answer_of_an_old_url_delivers_or_queues_for_the_new_one() -> None:
    last = a_delivery(attempts=8).start("me", NOON)
    for status in (410, 500):
        moved = last.send_to_new_url(WebhookResponse(status), NOON)
        assert (moved.status, moved.attempts, moved.due_at, moved.response_status) == (DeliveryStatus.QUEUED, 0, NOON, status)
    assert last.send_to_new_url(WebhookResponse(204), NOON).status is DeliveryStatus.DELIVERED


def test_every_event_of_an_appointment_has_a_public_type_that_can_be_subscribed() -> None:
    topics = [topic for topic, event in TOPICS.items() if issubclass(event, AppointmentEvent)]
    types = {webhook_event_type(an_event(topic)) for topic in topics}
    assert types == set(WebhookEventType)
    assert {"appointment.*", *types} == set(WebhookEventPattern)


def test_a_webhook_receives_the_types_that_it_names() -> None:
    some = a_webhook(events=("appointment.booked", "appointment.missed"))
    assert [some.receives(event_type) for event_type in ("appointment.booked", "appointment.cancelled")] == [True, False]
    assert a_webhook().receives("appointment.cancelled")
    assert not a_webhook().end().receives("appointment.cancelled")


def test_a_body_has_ids_times_and_states_only() -> None:
    moved = an_event("appointment.rescheduled.v1", previous_starts_at=NOON, previous_doctor_id=UUID(int=8), event_number=3)
    assert event_body(moved) == (
        '{"id":"00000000-0000-0000-0000-000000000001","type":"appointment.rescheduled","version":2,"sequence":3,'
        '"occurred_at":"2026-03-02T12:00:00Z","data":{"appointment":{"id":"00000000-0000-0000-0000-000000000002","status":"booked",'
        '"service_id":"00000000-0000-0000-0000-000000000003","doctor_id":"00000000-0000-0000-0000-000000000004",'
        '"patient_id":"00000000-0000-0000-0000-000000000005","starts_at":"2026-03-09T13:00:00Z","ends_at":"2026-03-09T13:30:00Z",'
        '"time_zone":"Europe/Berlin","mode":"in_person"},"previous":{"starts_at":"2026-03-02T12:00:00Z",'
        '"doctor_id":"00000000-0000-0000-0000-000000000008"}}}'
    )
    assert '"previous":null' in event_body(an_event())


def test_a_delivery_that_was_queued_for_7_days_is_too_old() -> None:
    assert not a_delivery().is_too_old(NOON + 7 * DAY - SECOND)
    assert a_delivery().is_too_old(NOON + 7 * DAY)
    assert a_delivery().give_up(WebhookProblem.TOO_OLD).next_attempt_at is None
