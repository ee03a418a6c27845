"""The request and response models of appointment-service."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    Field,
    GetPydanticSchema,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from appointment_svc.domain.moves import Status
from appointment_svc.domain.wishes import Wish
from shared.contracts.http import Actor, Money
from shared.contracts.values import Instant, LongText, ReadModel, RequestModel, ShortText


def _doctor_or_any(value: Any, as_id: ValidatorFunctionWrapHandler) -> Any:
    """One field, one fault: a union would name its branches in the pointer."""
    return value if value == ANY else as_id(value)


Note = Annotated[LongText, Field(max_length=500)]
IntakeKey = Annotated[ShortText, Field(max_length=64)]
ANY: Literal["any"] = "any"
DoctorOrAny = Annotated[
    UUID | Literal["any"],
    GetPydanticSchema(lambda _type, handler: core_schema.no_info_wrap_validator_function(_doctor_or_any, handler(UUID))),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "string", "const": ANY}]}),
]
Intake = Annotated[dict[IntakeKey, LongText], Field(max_length=20)]


class BookAppointment(RequestModel):
    """A wish for a time, with a doctor or with `any` who is free then. Staff say for which patient; patients book for themselves."""

    service_id: UUID
    doctor_id: DoctorOrAny
    starts_at: Instant
    patient_id: UUID | None = None
    hold_id: UUID | None = Field(default=None, description="The hold that this booking uses up.")
    reason: Note | None = None
    intake: Intake | None = Field(default=None, description="Answers to the clinic's questions: up to 20 texts.")

    @field_validator("hold_id")
    @classmethod
    def _of_one_doctor(cls, hold_id: UUID | None, info: ValidationInfo) -> UUID | None:
        if hold_id is not None and info.data.get("doctor_id") == ANY:
            raise PydanticCustomError("doctor_required", "a hold is for one doctor: name them")
        return hold_id

    @property
    def wish(self) -> Wish:
        named = None if self.doctor_id == ANY else self.doctor_id
        return Wish(**{name: getattr(self, name) for name in type(self).model_fields} | {"doctor_id": named})


class AmendAppointment(RequestModel):
    """What is left out stays; null takes it away."""

    reason: Note | None = None
    intake: Intake | None = None

    @property
    def changes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


class RescheduleAppointment(RequestModel):
    starts_at: Instant
    doctor_id: UUID | None = None


class ReassignAppointment(RequestModel):
    doctor_id: UUID


class CancelAppointment(RequestModel):
    reason: Note | None = None


class Nothing(RequestModel):
    """An action without a body; `{}` will do as well."""


class SetAppointment(RequestModel):
    """`PUT /internal/appointments/{id}`: an admin's hand, for whom admin-service asks."""

    by: Actor
    reason: ShortText
    starts_at: Instant | None = None
    doctor_id: UUID | None = None
    status: Literal["booked", "declined", "cancelled", "checked_in", "in_progress", "completed", "missed"] | None = None
    expected_version: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _something_changes(self) -> SetAppointment:
        if self.starts_at is None and self.doctor_id is None and self.status is None:
            raise PydanticCustomError("nothing_changes", "say what changes: starts_at, doctor_id or status")
        return self

    @property
    def target(self) -> Status | None:
        return Status(self.status) if self.status else None


class CancelFor(RequestModel):
    """`POST /internal/appointments/{id}/cancel`."""

    by: Actor
    reason: Note | None = None


class ServiceOut(ReadModel):
    """The service as booked."""

    id: UUID
    name: str
    specialty: str | None
    mode: str
    duration_minutes: int
    cancel_cutoff_minutes: int
    reschedule_cutoff_minutes: int


class DoctorOut(ReadModel):
    id: UUID
    full_name: str
    title: str | None
    location: str | None


class PatientOut(ReadModel):
    id: UUID
    full_name: str


class AppointmentOut(ReadModel):
    """`time_zone` and `local_start` are the doctor's, where the visit is; service, doctor, patient and price as they were when booked.

    `doctor` is null, and the zone UTC, while `any` doctor was asked for and none is found.
    """

    id: UUID
    status: Status
    service: ServiceOut
    doctor: DoctorOut | None
    patient: PatientOut
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    local_start: str
    time_zone: str
    reason: str | None
    intake: dict[str, str] | None
    price: Money | None
    cancel_reason: str | None
    version: int
    created_at: Instant
    updated_at: Instant


class LineOut(ReadModel):
    """Who did what and when, and what it was before and after."""

    at: Instant
    actor: Actor
    action: str
    before: dict[str, str]
    after: dict[str, str]
    note: str | None


class HistoryOut(ReadModel):
    items: list[LineOut]
