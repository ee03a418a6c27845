"""The request and response models of scheduling-service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter

from scheduling_svc.domain.agenda import EntryKind
from scheduling_svc.domain.holds import HoldWish
from scheduling_svc.domain.leaves import MOST_AFFECTED, Action, Closure, Decision, Leave
from shared.contracts.http import Alternative, Reservation
from shared.contracts.values import Instant, LongText, ReadModel, RequestModel, ShortText
from shared.kit.paging import BadCursor, decode_cursor, encode_cursor

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class SlotOut(ReadModel):
    """A start that can be booked. `local_start` is the wall clock in `time_zone`."""

    doctor_id: UUID
    service_id: UUID
    starts_at: Instant
    ends_at: Instant
    local_start: Annotated[str, Field(examples=["2026-03-09T09:00"])]
    time_zone: Annotated[str, Field(examples=["Europe/Berlin"])]
    remaining: Annotated[int, Field(description="How many can still be booked at this start.", examples=[1])]
    held_by_you: Annotated[bool, Field(description="Your own hold; to nobody else this start is free.")]


class SlotListOut(ReadModel):
    """In the order of start and doctor; not `complete` when `limit` cut it: it goes on `after` its `next`."""

    items: list[SlotOut]
    complete: bool
    generated_at: Instant
    next: Annotated[str | None, BeforeValidator(lambda place: encode_cursor(place) if place else None)] = None


def place_of(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The place in a list of slots with which another ended; BadCursor."""
    if cursor is None:
        return None
    try:
        at, doctor_id = decode_cursor(cursor)
        return INSTANT.validate_python(at), UUID(doctor_id)
    except ValueError:
        raise BadCursor(pointer="/after") from None


class ReasonOut(ReadModel):
    code: Annotated[str, Field(examples=["taken"])]
    detail: str


class ExplanationOut(ReadModel):
    """All that stands against a start; nothing when it can be booked."""

    bookable: bool
    reasons: list[ReasonOut]


class HoldTime(RequestModel):
    """A time to be kept while one makes up one's mind."""

    service_id: UUID
    doctor_id: UUID
    starts_at: Instant

    @property
    def wish(self) -> HoldWish:
        return HoldWish(self.service_id, self.doctor_id, self.starts_at)


class HoldOut(ReadModel):
    """Yours until `expires_at`."""

    id: UUID
    service_id: UUID
    doctor_id: UUID
    starts_at: Instant
    ends_at: Instant
    expires_at: Instant
    extended: bool


class PreviewLeave(RequestModel):
    """A time away, half open."""

    starts_at: Instant
    ends_at: Instant


class AffectedOut(ReadModel):
    """An appointment in the time of a leave, and where it could go."""

    appointment_id: UUID
    starts_at: Instant
    proposals: list[Alternative]


class PreviewOut(ReadModel):
    affected: list[AffectedOut]


class DecideAppointment(RequestModel):
    """What becomes of one appointment; a moved one needs `starts_at`, and `doctor_id` where it goes to a colleague."""

    appointment_id: UUID
    action: Action
    doctor_id: UUID | None = None
    starts_at: Instant | None = None


class TakeLeave(RequestModel):
    """A time away, and a decision about each appointment in it."""

    starts_at: Instant
    ends_at: Instant
    reason: Annotated[LongText, Field(min_length=1, max_length=500)]
    affected: Annotated[list[DecideAppointment], Field(max_length=MOST_AFFECTED)] = Field(default_factory=list)

    def leave(self, leave_id: UUID, doctor_id: UUID, by_id: UUID, at: datetime) -> Leave:
        outcomes = tuple(Decision(each.appointment_id, each.action, each.doctor_id, each.starts_at) for each in self.affected)
        return Leave(leave_id, doctor_id, self.starts_at, self.ends_at, self.reason, by_id, at, outcomes)


class OutcomeOut(ReadModel):
    """What was decided about an appointment."""

    appointment_id: UUID
    action: Action
    doctor_id: UUID | None
    starts_at: Instant | None


class LeaveOut(ReadModel):
    id: UUID
    doctor_id: UUID
    starts_at: Instant
    ends_at: Instant
    reason: str
    created_at: Instant
    affected: Annotated[list[OutcomeOut], Field(validation_alias="outcomes")]


class CloseClinic(RequestModel):
    """A time in which the clinic sees nobody; with a location only the doctors who work there."""

    begins: Annotated[Instant, Field(alias="from")]
    ends: Annotated[Instant, Field(alias="to")]
    reason: Annotated[LongText, Field(min_length=1, max_length=500)]
    location: ShortText | None = None

    def closure(self, closure_id: UUID, by_id: UUID, at: datetime) -> Closure:
        return Closure(closure_id, self.begins, self.ends, self.reason, self.location, by_id, at)


class ClosureOut(ReadModel):
    """`settled` when every doctor concerned is blocked."""

    model_config = ConfigDict(populate_by_name=True)

    id: UUID
    starts_at: Annotated[Instant, Field(serialization_alias="from")]
    ends_at: Annotated[Instant, Field(serialization_alias="to")]
    reason: str
    location: str | None
    settled: bool
    created_at: Instant


class ClosedOut(ClosureOut):
    """`affected` are appointments in its time: they stay until someone decides about them; `complete` when none was left out."""

    affected: list[Reservation]
    complete: bool


class EntryOut(ReadModel):
    """A time in which one is busy. `local_start` is the wall clock in `time_zone`, which is the doctor's."""

    kind: EntryKind
    appointment_id: Annotated[UUID | None, Field(description="Null for a leave and a closure.")]
    starts_at: Instant
    ends_at: Instant
    local_start: Annotated[str, Field(examples=["2026-03-09T09:00"])]
    time_zone: Annotated[str, Field(examples=["Europe/Berlin"])]


class FeedOut(ReadModel):
    """Keep the link to yourself; it is told once."""

    url: Annotated[str, Field(examples=["https://careslot.example/calendar/feed/Zm9vYmFy.ics"])]
