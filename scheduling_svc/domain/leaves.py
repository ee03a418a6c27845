"""Leaves and closures: time in which a doctor or the clinic sees no patients, and the decisions about the appointments in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from scheduling_svc.domain.claims import Claim, ResourceSpan
from scheduling_svc.domain.refusals import AlreadyOver, DecidedTwice, TargetRequired
from scheduling_svc.domain.terms import DoctorTerms
from shared.contracts.derived_ids import derive_id
from shared.contracts.grains import Span, first_grain_at_or_after, grain_of, instant_of
from shared.contracts.http import Alternative, LeaveOutcome
from shared.contracts.ranges import check_range
from shared.contracts.text_search import fold_text

MAX_LEAVE = timedelta(days=366)
MAX_CLOSURE = timedelta(days=31)
MAX_AFFECTED = 200


class BlockKind(StrEnum):
    """What blocks the time of a doctor."""

    LEAVE = "leave"
    CLOSURE = "closure"


@dataclass(frozen=True, slots=True)
class TimeBlock:
    """Blocked time of a doctor. It overlaps the claims in its time: kept visits stay, and the time of cancelled ones stays blocked."""

    id: UUID
    kind: BlockKind
    doctor_id: UUID
    span: Span

    @property
    def resource_spans(self) -> list[ResourceSpan]:
        """The time that the block takes."""
        return [ResourceSpan(self.doctor_id, self.span)]


class LeaveAction(StrEnum):
    """What is done with an appointment in the time of a leave."""

    KEEP = "keep"
    CANCEL = "cancel"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class LeaveDecision:
    """The decision about one appointment; a moved one goes to `starts_at`, with the same doctor unless `doctor_id` names another."""

    appointment_id: UUID
    action: LeaveAction
    doctor_id: UUID | None = None
    starts_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AffectedAppointment:
    """An appointment in the time of a leave, and the starts to which it could be moved."""

    appointment_id: UUID
    starts_at: datetime
    proposals: list[Alternative]


@dataclass(frozen=True, slots=True)
class Leave:
    """A time from `starts_at` up to `ends_at` in which a doctor is away; `outcomes` are the decisions about the appointments in it."""

    id: UUID
    doctor_id: UUID
    starts_at: datetime
    ends_at: datetime
    reason: str
    by_id: UUID
    created_at: datetime
    outcomes: tuple[LeaveDecision, ...] = ()

    @property
    def span(self) -> Span:
        """The grains that the leave touches."""
        return grains_touched(self.starts_at, self.ends_at)

    @property
    def block(self) -> TimeBlock:
        """The block by which the leave takes the time of the doctor."""
        return TimeBlock(self.id, BlockKind.LEAVE, self.doctor_id, self.span)


@dataclass(frozen=True, slots=True)
class Closure:
    """A time in which the clinic, or one of its locations, is closed. `settled` is True when every doctor concerned, and no
    other, has a block."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    reason: str
    location: str | None
    by_id: UUID
    created_at: datetime
    lifted: bool = False
    settled: bool = False

    @property
    def span(self) -> Span:
        """The grains that the closure touches."""
        return grains_touched(self.starts_at, self.ends_at)

    def applies_to(self, doctor: DoctorTerms) -> bool:
        """Return True if the doctor works where the clinic is closed; a lifted closure applies to no one."""
        is_at_location = self.location is None or fold_text(self.location) == doctor.location
        return is_at_location and not self.lifted

    def block_of(self, doctor_id: UUID) -> TimeBlock:
        """Return the block of one doctor. Its id is derived from closure and doctor, so that inserting it again changes nothing."""
        return TimeBlock(derive_id(self.id, doctor_id), BlockKind.CLOSURE, doctor_id, self.span)

    def lift(self) -> Self:
        """Return the lifted closure, whose blocks are still to be removed."""
        return replace(self, lifted=True, settled=False)


def grains_touched(starts_at: datetime, ends_at: datetime) -> Span:
    """Return every grain that a time touches."""
    return range(grain_of(starts_at), first_grain_at_or_after(ends_at))


def require_valid_range(starts_at: datetime, ends_at: datetime, now: datetime, longest: timedelta, *, fields: tuple[str, str]) -> None:
    """Raise RangeReversed, AlreadyOver or RangeTooLong; `fields` are the names of start and end in the request body."""
    if starts_at < ends_at <= now:
        raise AlreadyOver(pointer=f"/{fields[1]}")
    check_range(starts_at, ends_at, longest, fields)


def require_consistent(decisions: Sequence[LeaveDecision]) -> None:
    """Raise DecidedTwice for two decisions about one appointment, TargetRequired for a move without a start or a start without a move."""
    if len({decision.appointment_id for decision in decisions}) < len(decisions):
        raise DecidedTwice(pointer="/affected")
    for index, decision in enumerate(decisions):
        if (decision.action is LeaveAction.MOVE) != (decision.starts_at is not None) or (decision.doctor_id and not decision.starts_at):
            raise TargetRequired(pointer=f"/affected/{index}/starts_at")


def leave_outcome(before: Claim, after: Claim) -> LeaveOutcome:
    """Return what a leave did to a claim, for the event that appointment-service receives."""
    assert before.slot is not None
    outcome = LeaveOutcome(
        appointment_id=before.id,
        action="moved" if after.live else "cancelled",
        previous_doctor_id=before.slot.doctor_id,
        previous_starts_at=instant_of(before.slot.visit.start),
        revision=after.revision,
    )
    if not after.live or after.slot is None:
        return outcome
    times = {"starts_at": instant_of(after.slot.visit.start), "ends_at": instant_of(after.slot.visit.stop)}
    return outcome.model_copy(update={"doctor_id": after.slot.doctor_id, **times})
