"""The events of an appointment of which people are notified."""

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


def latest_notifying_events(events: Sequence[CloudEvent]) -> list[CloudEvent]:
    """Return the latest event that is no amendment, and the latest amendment after it that people see; older ones are obsolete.

    People are not notified of an undone check-in.
    """
    by_version = sorted(events, key=_version)
    notified = [event for event in by_version if event.get("type") in NOTIFYING_TOPICS and "check_in" not in _changed(event)]
    amended = [event for event in by_version if event.get("type") == AMENDED_TOPIC and not IN_CALENDAR_FILE.isdisjoint(_changed(event))]
    latest = notified[-1:]
    return latest + [event for event in amended[-1:] if not latest or _version(event) > _version(latest[0])]


def _version(event: CloudEvent) -> int:
    version = event["data"].get("version")
    return version if isinstance(version, int) else 0


def _changed(event: CloudEvent) -> list[str]:
    changed = event["data"].get("changed")
    return [name for name in changed if isinstance(name, str)] if isinstance(changed, list) else []
