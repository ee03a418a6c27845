"""Leaves and closures: time that nobody is seen in, and what becomes of the appointments that stand there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from scheduling_svc.domain.claims import Claim, Take
from scheduling_svc.domain.refusals import AlreadyOver, DecidedTwice, RangeReversed, RangeTooLong, TargetRequired
from scheduling_svc.domain.terms import Doctor
from shared.contracts.grains import Span, first_grain_at_or_after, grain_of, instant_of
from shared.contracts.http import Alternative, LeaveOutcome
from shared.contracts.text_search import fold_text
from shared.kit.ids import derive_id

LONGEST_LEAVE = timedelta(days=366)
LONGEST_CLOSURE = timedelta(days=31)
MOST_AFFECTED = 200


class Kind(StrEnum):
    """What blocks a doctor's time."""

    LEAVE = "leave"
    CLOSURE = "closure"


@dataclass(frozen=True, slots=True)
class Block:
    """A doctor's time that is blocked. It lies over what was there before, so that what is kept stays and what ends does not reopen."""

    id: UUID
    kind: Kind
    doctor_id: UUID
    span: Span

    @property
    def takes(self) -> list[Take]:
        return [Take(self.doctor_id, self.span)]


class Action(StrEnum):
    """What becomes of an appointment in a leave."""

    KEEP = "keep"
    CANCEL = "cancel"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of one appointment; a moved one goes to `starts_at`, with the same doctor unless another is named."""

    appointment_id: UUID
    action: Action
    doctor_id: UUID | None = None
    starts_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Affected:
    """An appointment in a leave, and where it could go."""

    appointment_id: UUID
    starts_at: datetime
    proposals: list[Alternative]


@dataclass(frozen=True, slots=True)
class Leave:
    """A time that a doctor is away, [starts_at, ends_at); `outcomes` is what was decided about the appointments in it."""

    id: UUID
    doctor_id: UUID
    starts_at: datetime
    ends_at: datetime
    reason: str
    by_id: UUID
    created_at: datetime
    outcomes: tuple[Decision, ...] = ()

    @property
    def span(self) -> Span:
        return whole_grains(self.starts_at, self.ends_at)

    @property
    def block(self) -> Block:
        return Block(self.id, Kind.LEAVE, self.doctor_id, self.span)


@dataclass(frozen=True, slots=True)
class Closure:
    """A time that the clinic is closed, or one of its locations; `settled` when no doctor's block is missing or left over."""

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
        return whole_grains(self.starts_at, self.ends_at)

    def concerns(self, doctor: Doctor) -> bool:
        here = self.location is None or fold_text(self.location) == doctor.location
        return here and not self.lifted

    def block_of(self, doctor_id: UUID) -> Block:
        return Block(derive_id(self.id, doctor_id), Kind.CLOSURE, doctor_id, self.span)

    def lift(self) -> Self:
        return replace(self, lifted=True, settled=False)


def whole_grains(starts_at: datetime, ends_at: datetime) -> Span:
    """Every grain that the time touches."""
    return range(grain_of(starts_at), first_grain_at_or_after(ends_at))


def bounded(starts_at: datetime, ends_at: datetime, now: datetime, longest: timedelta, names: tuple[str, str]) -> None:
    """Refuses a time that is reversed, over, or longer than can be decided at once; `names` are those that the caller gave it by."""
    first, last = names
    if starts_at >= ends_at:
        raise RangeReversed(pointer=f"/{first}")
    if ends_at <= now:
        raise AlreadyOver(pointer=f"/{last}")
    if ends_at - starts_at > longest:
        raise RangeTooLong(pointer=f"/{last}", longest_days=longest.days)


def sound(decisions: Sequence[Decision]) -> None:
    """Refuses decisions that contradict each other or go nowhere."""
    if len({decision.appointment_id for decision in decisions}) < len(decisions):
        raise DecidedTwice(pointer="/affected")
    for index, decision in enumerate(decisions):
        if (decision.action is Action.MOVE) != (decision.starts_at is not None) or (decision.doctor_id and not decision.starts_at):
            raise TargetRequired(pointer=f"/affected/{index}/starts_at")


def displaced(before: Claim, after: Claim) -> LeaveOutcome:
    """What a leave did to a claim, for the appointment's owner."""
    assert before.place is not None
    told = LeaveOutcome(
        appointment_id=before.id,
        action="moved" if after.live else "cancelled",
        previous_doctor_id=before.place.doctor_id,
        previous_starts_at=instant_of(before.place.visit.start),
        revision=after.revision,
    )
    if not after.live or after.place is None:
        return told
    times = {"starts_at": instant_of(after.place.visit.start), "ends_at": instant_of(after.place.visit.stop)}
    return told.model_copy(update={"doctor_id": after.place.doctor_id, **times})
