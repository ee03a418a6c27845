"""What may become of an appointment: the table that the code obeys, the tests enumerate and the README draws."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
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


S = Status
MOVES: dict[Status, frozenset[Status]] = {
    S.PENDING: frozenset({S.BOOKED, S.REQUESTED, S.REFUSED}),
    S.REQUESTED: frozenset({S.BOOKED, S.DECLINED, S.CANCELLED, S.EXPIRED}),
    S.BOOKED: frozenset({S.CHECKED_IN, S.CANCELLED, S.MISSED}),
    S.CHECKED_IN: frozenset({S.IN_PROGRESS, S.COMPLETED}),
    S.IN_PROGRESS: frozenset({S.COMPLETED}),
    S.REFUSED: frozenset(),
    S.DECLINED: frozenset(),
    S.CANCELLED: frozenset(),
    S.EXPIRED: frozenset(),
    S.COMPLETED: frozenset(),
    S.MISSED: frozenset(),
}
RESTORABLE = frozenset({S.CANCELLED, S.DECLINED, S.MISSED})
RESCHEDULABLE = frozenset({S.BOOKED, S.REQUESTED})
HOLDING = frozenset({S.BOOKED, S.REQUESTED, S.CHECKED_IN, S.IN_PROGRESS, S.COMPLETED, S.MISSED})
OPEN = frozenset({S.PENDING, S.BOOKED, S.REQUESTED})
TOPICS = {
    S.REQUESTED: "appointment.requested.v1",
    S.BOOKED: "appointment.booked.v1",
    S.DECLINED: "appointment.declined.v1",
    S.EXPIRED: "appointment.expired.v1",
    S.CANCELLED: "appointment.cancelled.v1",
    S.CHECKED_IN: "appointment.checked_in.v1",
    S.IN_PROGRESS: "appointment.started.v1",
    S.COMPLETED: "appointment.completed.v1",
    S.MISSED: "appointment.missed.v1",
}
RESCHEDULED, AMENDED = "appointment.rescheduled.v1", "appointment.amended.v1"


def allowed_from(status: Status) -> list[str]:
    """What it could become instead, for the one who was refused; a restored one is booked again."""
    return sorted(MOVES[status] | ({S.BOOKED} if status in RESTORABLE else set()))
