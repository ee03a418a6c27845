"""The events of an appointment of which people are notified, or on which reminders depend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appointment_svc.domain.recording import IN_CALENDAR_FILE
from appointment_svc.domain.transitions import AMENDED_TOPIC, RESCHEDULED_TOPIC, TOPICS, AppointmentStatus

CloudEvent = dict[str, Any]
NOTIFYING_TOPICS = frozenset({RESCHEDULED_TOPIC}) | {
    TOPICS[status]
    for status in (
        AppointmentStatus.REQUESTED,
        AppointmentStatus.BOOKED,
        AppointmentStatus.CANCELLED,
        AppointmentStatus.DECLINED,
        AppointmentStatus.EXPIRED,
    )
}
CHANGING_TOPICS = frozenset({RESCHEDULED_TOPIC, *TOPICS.values()})
"""The topics of all events except amendments."""


def latest_events_to_handle(events: Sequence[CloudEvent]) -> list[CloudEvent]:
    """Return the events that notification-service must have handled, by version; older ones are obsolete.

    They are the latest of which people are notified and that is no amendment, and after it the latest amendment that people see, the latest
    that made it the appointment of another patient, and the latest that changed the status. Of a check-in, an undone one and a missed visit
    people are not notified, but reminders depend on them.
    """
    by_version = sorted(events, key=_version)
    changing = [event for event in by_version if event.get("type") in CHANGING_TOPICS]
    notified = [event for event in changing if event.get("type") in NOTIFYING_TOPICS and "check_in" not in _changed(event)]
    amendments = [event for event in by_version if event.get("type") == AMENDED_TOPIC]
    amended = [event for event in amendments if not IN_CALENDAR_FILE.isdisjoint(_changed(event))]
    moved = [event for event in amendments if "patient" in _changed(event) and event not in amended]
    latest = notified[-1:]
    later = [event for event in amended[-1:] + moved[-1:] + changing[-1:] if not latest or _version(event) > _version(latest[0])]
    return latest + sorted(later, key=_version)


def _version(event: CloudEvent) -> int:
    version = event["data"].get("version")
    return version if isinstance(version, int) else 0


def _changed(event: CloudEvent) -> list[str]:
    changed = event["data"].get("changed")
    return [name for name in changed if isinstance(name, str)] if isinstance(changed, list) else []
