"""The words for an appointment that several services use: its statuses, and the orders of lists of appointments."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from typing_extensions import TypeAliasType


class AppointmentStatus(StrEnum):
    """Where the visit stands, from the booking to its end."""

    PENDING = "pending"
    BOOKED = "booked"
    REQUESTED = "requested"
    REFUSED = "refused"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    CHECKED_IN = "checked_in"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    MISSED = "missed"


class OverrideCode(StrEnum):
    """The rule of the calendar that staff may lift for one appointment, with a reason; all other rules still apply."""

    OVERBOOK = "overbook"
    OFF_HOURS = "off_hours"
    SHORT_NOTICE = "short_notice"
    BEYOND_HORIZON = "beyond_horizon"
    CAP = "cap"
    ON_LEAVE = "on_leave"


# A named alias is one schema in the OpenAPI document, so that generated clients have one type for it.
AppointmentSort = TypeAliasType("AppointmentSort", Literal["starts_at", "-starts_at", "created_at", "-created_at"])
StatusAfterEdit = TypeAliasType(
    "StatusAfterEdit", Literal["booked", "declined", "cancelled", "checked_in", "in_progress", "completed", "missed"]
)
