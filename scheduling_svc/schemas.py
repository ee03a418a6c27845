"""The request and response models of scheduling-service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter

from scheduling_svc.domain.agenda import EntryKind
from scheduling_svc.domain.holds import HoldRequest
from scheduling_svc.domain.leaves import MAX_AFFECTED, Closure, Leave, LeaveAction, LeaveDecision
from scheduling_svc.domain.slots import Cursor
from shared.contracts.http import Reservation
from shared.contracts.problems import AffectedAppointmentOut, ReasonOut
from shared.contracts.texts import OneLineText
from shared.contracts.values import Instant, ReadModel, RequestModel
from shared.kit.paging import decode_cursor, encode_cursor, parse_sort_key

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class SlotOut(ReadModel):
    """A start that can be booked. `local_start` is the wall clock in `time_zone`."""

    doctor_id: UUID
    service_id: UUID
    starts_at: Instant
    ends_at: Instant
    local_start: Annotated[str, Field(examples=["2026-03-09T09:00"])]
    time_zone: Annotated[str, Field(examples=["Europe/Berlin"])]
    remaining: Annotated[int, Field(description="How many patients can still be booked at this start.", examples=[1])]
    held_by_you: Annotated[bool, Field(description="You hold this start; for everyone else it is not free.")]


class SlotListOut(ReadModel):
    """Free times in the order of start and doctor. When `limit` cut the list, `complete` is false and `next` is the cursor for `after`."""

    items: list[SlotOut]
    complete: bool
    generated_at: Instant
    next: Annotated[str | None, BeforeValidator(lambda cursor: encode_cursor(cursor) if cursor else None)] = None


def slot_cursor(text: str | None) -> Cursor | None:
    """Return the position in a list of slots that a cursor stands for; raise BadCursor."""
    if text is None:
        return None
    starts_at, doctor_id = parse_sort_key(decode_cursor(text), INSTANT.validate_python, UUID)
    return starts_at, doctor_id


class ExplanationOut(ReadModel):
    """Every reason against a start; an empty list when it can be booked."""

    bookable: bool
    reasons: list[ReasonOut]


class HoldTime(RequestModel):
    """A time to hold for five minutes. A hold for oneself may be booked for a dependant, too."""

    service_id: UUID
    doctor_id: UUID
    starts_at: Instant
    patient_id: UUID | None = Field(
        default=None, description="The dependant, or for staff the patient, whose other visits count. Default: the caller."
    )

    @property
    def hold_request(self) -> HoldRequest:
        """The request for the use case."""
        return HoldRequest(self.service_id, self.doctor_id, self.starts_at, self.patient_id)


class HoldOut(ReadModel):
    """A time that only its owner can book until `expires_at`."""

    id: UUID
    service_id: UUID
    doctor_id: UUID
    starts_at: Instant
    ends_at: Instant
    expires_at: Instant
    extended: bool


class PreviewLeave(RequestModel):
    """The time of a leave; `ends_at` is not included."""

    starts_at: Instant
    ends_at: Instant


class LeavePreviewOut(ReadModel):
    """The appointments that a leave would affect."""

    affected: list[AffectedAppointmentOut]


class DecideAppointment(RequestModel):
    """The decision about one appointment; `move` needs `starts_at`, and `doctor_id` when it goes to a colleague."""

    appointment_id: UUID
    action: LeaveAction
    doctor_id: UUID | None = None
    starts_at: Instant | None = None


class TakeLeave(RequestModel):
    """The time of a leave, and a decision about each appointment in it."""

    starts_at: Instant
    ends_at: Instant
    reason: OneLineText
    affected: Annotated[list[DecideAppointment], Field(max_length=MAX_AFFECTED)] = Field(default_factory=list)

    def leave(self, leave_id: UUID, doctor_id: UUID, by_id: UUID, at: datetime) -> Leave:
        """Return the leave that is requested, with the id of the operation."""
        outcomes = tuple(LeaveDecision(item.appointment_id, item.action, item.doctor_id, item.starts_at) for item in self.affected)
        return Leave(leave_id, doctor_id, self.starts_at, self.ends_at, self.reason, by_id, at, outcomes)


class LeaveDecisionOut(ReadModel):
    """The decision about one appointment."""

    appointment_id: UUID
    action: LeaveAction
    doctor_id: UUID | None
    starts_at: Instant | None


class LeaveOut(ReadModel):
    """A leave of a doctor."""

    id: UUID
    doctor_id: UUID
    starts_at: Instant
    ends_at: Instant
    reason: str
    created_at: Instant
    affected: Annotated[list[LeaveDecisionOut], Field(validation_alias="outcomes")]


class CloseClinic(RequestModel):
    """The time in which the clinic is closed; with a `location`, only for the doctors who work there. `to` is not included."""

    begins: Annotated[Instant, Field(alias="from")]
    ends: Annotated[Instant, Field(alias="to")]
    reason: OneLineText
    location: OneLineText | None = None

    def closure(self, closure_id: UUID, by_id: UUID, at: datetime) -> Closure:
        """Return the closure that is requested, with the id of the operation."""
        return Closure(closure_id, self.begins, self.ends, self.reason, self.location, by_id, at)


class ClosureOut(ReadModel):
    """A closure; `settled` is true when the time of every doctor concerned is blocked."""

    model_config = ConfigDict(populate_by_name=True)

    id: UUID
    starts_at: Annotated[Instant, Field(serialization_alias="from")]
    ends_at: Annotated[Instant, Field(serialization_alias="to")]
    reason: str
    location: str | None
    settled: bool
    created_at: Instant


class ClosureResultOut(ClosureOut):
    """A closure with the appointments in its time. They stay until someone decides about them; `complete` is true if none was left out."""

    affected: list[Reservation]
    complete: bool


class AgendaEntryOut(ReadModel):
    """A busy time. `local_start` is the wall clock in `time_zone`, which is that of the doctor."""

    kind: EntryKind
    appointment_id: Annotated[UUID | None, Field(description="Null for a leave and a closure.")]
    starts_at: Instant
    ends_at: Instant
    local_start: Annotated[str, Field(examples=["2026-03-09T09:00"])]
    time_zone: Annotated[str, Field(examples=["Europe/Berlin"])]


class FeedOut(ReadModel):
    """The link of an agenda subscription. Keep it secret; it is shown only once."""

    url: Annotated[str, Field(examples=["https://careslot.example/calendar/feed/Zm9vYmFy.ics"])]
