"""Problem documents (RFC 9457) as clients see them: the schema in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.http import Alternative
from shared.contracts.values import Instant, ReadModel


class ReasonOut(ReadModel):
    """Why a start cannot be booked."""

    code: Annotated[str, Field(examples=["taken"])]
    detail: Annotated[str, Field(examples=["The time slot is already booked."])]


class FieldError(ReadModel):
    """One wrong value of a request; `pointer` is a JSON pointer (RFC 6901) into the body, or `/` and the name of a parameter or header."""

    pointer: Annotated[str, Field(examples=["/starts_at"])]
    code: Annotated[str, Field(examples=["offset_required"])]
    detail: Annotated[str, Field(examples=["The instant needs an offset, such as Z or +02:00."])]


class AffectedAppointmentOut(ReadModel):
    """An appointment in the time of a leave, and the starts to which it could be moved."""

    appointment_id: UUID
    starts_at: Instant
    proposals: list[Alternative]


class AheadAppointmentOut(ReadModel):
    """An appointment that has not begun."""

    id: UUID
    starts_at: Instant


class OverlappingVisitsOut(ReadModel):
    """A visit of the patient to be merged, and one of the other patient at the same time."""

    appointment_id: UUID
    appointment_id_of_target: UUID


class Problem(BaseModel):
    """RFC 9457 problem document. The members after `request_id` are facts of single refusals, and absent from all others."""

    type: Annotated[str, Field(examples=["/problems/slot-taken"])]
    title: Annotated[str, Field(examples=["Slot taken"])]
    status: Annotated[int, Field(ge=400, le=599, examples=[409])]
    detail: Annotated[str, Field(examples=["The time slot is already booked."])]
    instance: Annotated[str, Field(examples=["/appointments"])]
    code: Annotated[
        str,
        Field(
            description="Stable; decide by it, and treat a code that you do not know like any refusal with this status.",
            examples=["slot_taken", "validation_failed", "stale_version"],
        ),
    ]
    request_id: Annotated[str | None, Field(examples=["9f1c2b7e5a4d4c0f"])]
    errors: list[FieldError] = Field(default_factory=list, description="422: the wrong values.")
    alternatives: list[Alternative] = Field(default_factory=list, description="409: starts that were free at that moment.")
    reasons: list[ReasonOut] = Field(default_factory=list, description="`not_bookable`: what excludes the start.")
    allowed: list[str] = Field(
        default_factory=list, description="`illegal_move`: the statuses that are possible now.", examples=[["cancelled"]]
    )
    available_again_at: Instant | None = Field(default=None, description="`slot_held`: when the hold ends.")
    version: int | None = Field(default=None, description="`stale_version`: the current version.", examples=[4])
    sequence: int | None = Field(default=None, description="`visit_changed`: the current `sequence`.", examples=[1])
    retry_after: int | None = Field(default=None, description="429 and 503: the seconds in `Retry-After`.")
    limit: int | None = Field(default=None, description="`too_many_...`: how many there may be.", examples=[20])
    cutoff_minutes: int | None = Field(default=None, description="`too_late`: the cut-off before the start.", examples=[1440])
    starts_at: Instant | None = Field(default=None, description="`too_early`: the start of the visit.")
    longest_days: int | None = Field(default=None, description="`range_too_long`: the longest range.", examples=[62])
    patient_id: UUID | None = Field(default=None, description="`identifier_taken`: the patient who has the identifier.")
    fields: list[str] = Field(
        default_factory=list, description="`contact_fields_only`: the fields that may not be changed.", examples=[["full_name"]]
    )
    unknown: list[UUID] = Field(default_factory=list, description="`unknown_service`: the ids that do not exist.")
    affected: list[AffectedAppointmentOut] = Field(
        default_factory=list, description="`affected_changed`: the appointments in the time of the leave now."
    )
    appointments: list[AheadAppointmentOut] = Field(default_factory=list, description="`future_appointments`: the first ones.")
    dependant_ids: list[UUID] = Field(default_factory=list, description="`has_dependants`: those without another guardian.")
    merged_into: UUID | None = Field(default=None, description="`patient_merged`: the patient into whom this one was merged.")
    overlapping: list[OverlappingVisitsOut] = Field(default_factory=list, description="`visits_overlap`: the pairs, by time.")
    appointment_id: UUID | None = Field(default=None, description="A decision about a leave that cannot be carried out: its appointment.")
