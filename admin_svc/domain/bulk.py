"""Changes of many appointments at once: each is made by itself, and has an outcome of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from shared.contracts.appointments import AppointmentStatus
from shared.contracts.http import Actor
from shared.contracts.moves import MAX_MOVES, MovePreview

MAX_ITEMS = MAX_MOVES
GIVE_UP_AFTER = timedelta(days=1)
KEEP_OUTCOMES = timedelta(days=30)
"""How long the outcomes of a finished bulk change can be read."""
CHANGEABLE = frozenset({AppointmentStatus.REQUESTED, AppointmentStatus.BOOKED})
"""The statuses in which an appointment can be cancelled or moved."""


class BulkAction(StrEnum):
    """What is done with each appointment."""

    CANCEL = "cancel"
    MOVE = "move"
    MESSAGE = "message"


class OutcomeStatus(StrEnum):
    """What became of one appointment: `refused` by a rule, `failed` because a service did not answer for a day, `pending` not tried yet."""

    PENDING = "pending"
    DONE = "done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BulkTarget:
    """Where one appointment is to move; None stays as it is."""

    doctor_id: UUID | None = None
    starts_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProposedStart:
    """A start to which an appointment could move instead."""

    doctor_id: UUID
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """The outcome of one appointment. `starts_at` and `doctor_id` are those that it has, or would have, afterwards."""

    status: OutcomeStatus = OutcomeStatus.PENDING
    code: str | None = None
    detail: str | None = None
    starts_at: datetime | None = None
    doctor_id: UUID | None = None
    proposal: ProposedStart | None = None


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One appointment of a bulk change, by its position in the request."""

    position: int
    id: UUID
    target: BulkTarget = field(default_factory=BulkTarget)
    outcome: BulkOutcome = field(default_factory=BulkOutcome)

    @property
    def is_pending(self) -> bool:
        """True until the appointment has an outcome."""
        return self.outcome.status is OutcomeStatus.PENDING

    def with_outcome(self, outcome: BulkOutcome) -> Self:
        """Return the item with its outcome."""
        return replace(self, outcome=outcome)


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """What to do with some appointments. `reason` is for cancelled and moved ones, `text` is the message."""

    action: BulkAction
    items: tuple[BulkItem, ...]
    reason: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class BulkChange:
    """A bulk change that `by` has requested. Its texts are deleted when it is finished."""

    id: UUID
    request: BulkRequest
    by: Actor
    requested_at: datetime

    @property
    def items(self) -> tuple[BulkItem, ...]:
        """The appointments, in the order of the request."""
        return self.request.items

    @property
    def is_finished(self) -> bool:
        """True when every appointment has an outcome."""
        return not any(item.is_pending for item in self.items)

    def has_expired(self, now: datetime) -> bool:
        """True when an appointment that is still pending is given up."""
        return now - self.requested_at >= GIVE_UP_AFTER

    def with_items(self, items: Mapping[UUID, BulkItem]) -> Self:
        """Return the change with some items in place of those with the same ids."""
        updated = tuple(items.get(item.id, item) for item in self.items)
        return replace(self, request=replace(self.request, items=updated))


def outcome_after(version_before: int | None, version_after: int, *, starts_at: datetime, doctor_id: UUID | None) -> BulkOutcome:
    """Return the outcome of a call that was not refused: unchanged if the version of the appointment stayed the same."""
    status = OutcomeStatus.UNCHANGED if version_before == version_after else OutcomeStatus.DONE
    return BulkOutcome(status, starts_at=starts_at, doctor_id=doctor_id)


def preview_of_status(action: BulkAction, status: AppointmentStatus) -> BulkOutcome | None:
    """Return the outcome that follows from the status of an appointment alone; None if a move depends on the calendar."""
    if action is BulkAction.MESSAGE:
        return BulkOutcome(OutcomeStatus.DONE)
    if action is BulkAction.CANCEL and status is AppointmentStatus.CANCELLED:
        return BulkOutcome(OutcomeStatus.UNCHANGED)
    if status not in CHANGEABLE:
        return BulkOutcome(OutcomeStatus.REFUSED, "illegal_move", "The status of this appointment does not allow this action.")
    return None if action is BulkAction.MOVE else BulkOutcome(OutcomeStatus.DONE)


def preview_of_move(preview: MovePreview, current: BulkTarget) -> BulkOutcome:
    """Return the outcome that a move would have by the calendar's preview."""
    if preview.code is not None:
        doctor_id, starts_at = preview.doctor_id, preview.starts_at
        proposal = ProposedStart(doctor_id, starts_at) if doctor_id is not None and starts_at is not None else None
        return BulkOutcome(OutcomeStatus.REFUSED, preview.code, preview.detail, current.starts_at, current.doctor_id, proposal)
    is_same = (preview.doctor_id, preview.starts_at) == (current.doctor_id, current.starts_at)
    status = OutcomeStatus.UNCHANGED if is_same else OutcomeStatus.DONE
    return BulkOutcome(status, starts_at=preview.starts_at, doctor_id=preview.doctor_id)
