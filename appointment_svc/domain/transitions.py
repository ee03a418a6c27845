"""The statuses of an appointment and the transitions between them.

`TRANSITIONS` is what `Appointment` obeys, what the tests enumerate and what the diagram in README.md shows.
"""

from __future__ import annotations

from shared.contracts.appointments import AppointmentStatus as AppointmentStatus

S = AppointmentStatus
TRANSITIONS: dict[AppointmentStatus, frozenset[AppointmentStatus]] = {
    S.PENDING: frozenset({S.BOOKED, S.REQUESTED, S.REFUSED}),
    S.REQUESTED: frozenset({S.BOOKED, S.DECLINED, S.CANCELLED, S.EXPIRED}),
    S.BOOKED: frozenset({S.CHECKED_IN, S.CANCELLED, S.MISSED, S.REQUESTED}),  # requested: by a move that needs approval
    S.CHECKED_IN: frozenset({S.IN_PROGRESS, S.COMPLETED}),
    S.IN_PROGRESS: frozenset({S.COMPLETED}),
    S.REFUSED: frozenset(),
    S.DECLINED: frozenset(),
    S.CANCELLED: frozenset(),
    S.EXPIRED: frozenset(),
    S.COMPLETED: frozenset(),
    S.MISSED: frozenset(),
}
RESTORABLE = frozenset({S.CANCELLED, S.DECLINED, S.MISSED, S.CHECKED_IN})  # checked_in: the check-in was a mistake
RESCHEDULABLE = frozenset({S.BOOKED, S.REQUESTED})
FOLLOWS_DOCTOR = RESCHEDULABLE | {S.CHECKED_IN}  # shows the doctor's current name and place until its start
WITH_RESERVATION = frozenset({S.BOOKED, S.REQUESTED, S.CHECKED_IN, S.IN_PROGRESS, S.COMPLETED, S.MISSED})
ACTIVE = frozenset({S.PENDING, S.BOOKED, S.REQUESTED})
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
RESCHEDULED_TOPIC, AMENDED_TOPIC = "appointment.rescheduled.v1", "appointment.amended.v1"


def allowed_statuses(status: AppointmentStatus) -> list[str]:
    """Return the statuses that can follow, sorted; a restored appointment becomes booked again."""
    return sorted(TRANSITIONS[status] | ({S.BOOKED} if status in RESTORABLE else set()))
