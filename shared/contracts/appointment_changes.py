"""What has changed in appointments, with which notification-service compares what it has handled.

appointment-service answers `GET /internal/appointment-changes` with pages of these, by the instant of the change and id.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from shared.contracts.values import Instant, ReadModel


class AppointmentChange(ReadModel):
    """An appointment that has changed since an instant. `changed_at` is cut to the second.

    `events` are the events that must have been handled, as CloudEvents by version: the latest of which people are notified and that is no
    amendment, and after it the latest amendment that people see and the latest change of status. They may be older than the change. Events
    of more than a week ago may be missing.
    """

    appointment_id: UUID
    changed_at: Instant
    events: list[dict[str, Any]]
