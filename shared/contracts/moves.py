"""Moving many appointments: what admin-service asks of the calendar and of appointment-service before it moves them."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from shared.contracts.http import Actor
from shared.contracts.values import Instant, ReadModel, RequestModel

MAX_MOVES = 200


class PlannedMove(RequestModel):
    """An appointment that is to move, to a doctor or a start; what is None stays as it is."""

    appointment_id: UUID
    doctor_id: UUID | None = None
    starts_at: Instant | None = None


class PlannedMoves(RequestModel):
    """The body of `POST /internal/moves/preview`. `by` is the person who wants to move them."""

    by: Actor
    moves: list[PlannedMove] = Field(max_length=MAX_MOVES)


class MovePreview(ReadModel):
    """Whether an appointment can move as planned.

    `code` is the first reason why it cannot, None if it can. `doctor_id` and `starts_at` are where it would be: as planned, or else the
    nearest free start of that doctor on the same day; `starts_at` is None if there is none.
    """

    appointment_id: UUID
    doctor_id: UUID | None
    starts_at: Instant | None
    code: str | None = None
    detail: str | None = None


class MovePreviews(ReadModel):
    """The previews in the order of the moves. All moves that can be made, or that have another start, can be made together."""

    items: list[MovePreview]


class AppointmentIds(RequestModel):
    """The body of `POST /internal/appointments/lookup`."""

    ids: list[UUID] = Field(max_length=MAX_MOVES)
