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

from appointment_svc.domain.transitions import AppointmentStatus
from shared.contracts.appointments import OverrideCode, StatusAfterEdit
from shared.contracts.http import Actor, Money, StaffOverride, VisitMode
from shared.contracts.pages import Page
from shared.contracts.texts import ONE_LINE_PATTERN, MultiLineText, RequiredText, TextKey
from shared.contracts.values import Instant, ReadModel, RequestModel


def _doctor_or_any(value: Any, validate_id: ValidatorFunctionWrapHandler) -> Any:
    """Validate without a union, so that an error points at the field and not at a branch of the union."""
    return value if value == ANY else validate_id(value)


Note = Annotated[MultiLineText, Field(max_length=500)]
IntakeKey = Annotated[TextKey, Field(max_length=64)]
ANY: Literal["any"] = "any"
DoctorOrAny = Annotated[
    UUID | Literal["any"],
    GetPydanticSchema(lambda _type, handler: core_schema.no_info_wrap_validator_function(_doctor_or_any, handler(UUID))),
    WithJsonSchema(  # Not a union: generated clients turn a union of a UUID and a constant into a type without values.
        {
            "type": "string",
            "pattern": "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|any)$",
            "description": "The id of the doctor, or `any` for the free doctor with the fewest appointments on that day.",
            "examples": ["01a206b9-ffc9-726c-b520-6c5fbdafecf3"],
        }
    ),
]
Intake = Annotated[
    dict[IntakeKey, MultiLineText],
    Field(max_length=20, json_schema_extra={"propertyNames": {"maxLength": 64, "pattern": ONE_LINE_PATTERN}}),
]


class BookAppointment(RequestModel):
    """A request for a time with a doctor, or with `any` doctor who is free.

    Staff name the patient; patients book for themselves or for a dependant.
    """

    service_id: UUID
    doctor_id: DoctorOrAny
    starts_at: Instant
    patient_id: UUID | None = None
    hold_id: UUID | None = Field(default=None, description="The hold that this booking uses.")
    reason: Note | None = None
    intake: Intake | None = Field(default=None, description="Answers to the clinic's questions: up to 20 texts.")
    override: StaffOverride | None = Field(
        default=None, description="For staff: the rule of the calendar to lift, and why. All other rules still apply."
    )

    @field_validator("hold_id")
    @classmethod
    def _require_doctor_for_hold(cls, hold_id: UUID | None, info: ValidationInfo) -> UUID | None:
        if hold_id is not None and info.data.get("doctor_id") == ANY:
            raise PydanticCustomError("doctor_required", "A hold is for one doctor: name the doctor.")
        return hold_id

    @property
    def chosen_doctor_id(self) -> UUID | None:
        """The id of the doctor, None for any doctor."""
        return self.doctor_id if isinstance(self.doctor_id, UUID) else None


class AmendAppointment(RequestModel):
    """Fields that are left out stay as they are; null deletes them."""

    reason: Note | None = None
    intake: Intake | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that were sent, with their values."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class RescheduleAppointment(RequestModel):
    """Another time, and optionally another doctor."""

    starts_at: Instant
    doctor_id: UUID | None = None


class ReassignAppointment(RequestModel):
    """Another doctor at the same time."""

    doctor_id: UUID


class CancelAppointment(RequestModel):
    """Why the appointment is cancelled or declined."""

    reason: Note | None = Field(default=None, examples=["Feeling better"])


class EmptyBody(RequestModel):
    """An action without parameters; the body may also be left out."""


class EditAppointment(RequestModel):
    """`PUT /internal/appointments/{id}`: an admin's change, requested by admin-service."""

    by: Actor
    reason: RequiredText
    starts_at: Instant | None = None
    doctor_id: UUID | None = None
    status: StatusAfterEdit | None = None
    expected_version: int | None = Field(default=None, ge=1)
    operation_id: UUID | None = Field(default=None, description="The same for every try of one change, so that it is made once.")
    override: StaffOverride | None = None

    @model_validator(mode="after")
    def _require_change(self) -> EditAppointment:
        if self.starts_at is None and self.doctor_id is None and self.status is None:
            raise PydanticCustomError("nothing_changes", "Name what changes: starts_at, doctor_id or status.")
        takes_time = self.starts_at is not None or self.doctor_id is not None or self.status == "booked"
        if self.override is not None and not takes_time:
            raise PydanticCustomError("nothing_to_override", "An override needs starts_at, doctor_id, or the status booked.")
        return self

    @property
    def new_status(self) -> AppointmentStatus | None:
        """The status as the domain names it."""
        return AppointmentStatus(self.status) if self.status else None


class CancelForAdmin(RequestModel):
    """`POST /internal/appointments/{id}/cancel`: requested by admin-service for an admin."""

    by: Actor
    reason: Note | None = None
    operation_id: UUID | None = Field(default=None, description="The same for every try of one cancellation.")


class AppointmentServiceOut(ReadModel):
    """The service as it was when booked."""

    id: UUID
    name: str
    specialty: str | None
    mode: VisitMode
    duration_minutes: int
    cancel_cutoff_minutes: int
    reschedule_cutoff_minutes: int


class AppointmentDoctorOut(ReadModel):
    """The doctor as they were when booked."""

    id: UUID
    full_name: str
    title: str | None
    location: str | None


class AppointmentPatientOut(ReadModel):
    """The patient as they were when booked."""

    id: UUID
    full_name: str


class AppointmentOverrideOut(ReadModel):
    """The rule of the calendar that staff lifted for the time of an appointment, who did it and when."""

    code: OverrideCode
    by: Actor
    at: Instant


class AppointmentOut(ReadModel):
    """`local_start` is the start in `time_zone`, the zone of the doctor. Service, doctor, patient and price are as they were when booked.

    While `any` doctor was requested and none is chosen, `doctor` is null and the zone is UTC.
    """

    id: UUID
    status: AppointmentStatus
    service: AppointmentServiceOut
    doctor: AppointmentDoctorOut | None
    patient: AppointmentPatientOut
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    local_start: str
    time_zone: str
    reason: str | None
    intake: dict[str, str] | None
    price: Money | None
    cancel_reason: str | None = Field(examples=[None])
    confirmed_at: Instant | None = Field(
        examples=[None], description="When the patient confirmed, by the link in a mail, that they will come; null again after a move."
    )
    overridden: AppointmentOverrideOut | None = Field(
        default=None, examples=[None], description="For staff: the rule that was lifted for this time. Null for everybody else."
    )
    version: int = Field(examples=[2])
    booked_by: Actor | None = Field(description="Who booked: the patient, a guardian, or the clinic.")
    created_at: Instant
    updated_at: Instant


class LookedUpAppointments(ReadModel):
    """The appointments that exist among those that were asked for, in any order."""

    items: list[AppointmentOut]


class AppointmentPage(Page[AppointmentOut]):
    """One page of the appointments that the caller may see.

    `complete` is false if those of the caller's dependants are missing, because patient-service did not answer.
    """

    complete: bool = Field(examples=[True])


class HistoryOverrideOut(ReadModel):
    """The rule of the calendar that staff lifted by a change, and why. `reason` is null once texts were erased."""

    code: OverrideCode
    reason: str | None


class HistoryEntryOut(ReadModel):
    """Who did what and when, and status, start and doctor before and after."""

    at: Instant
    actor: Actor
    action: str
    before: dict[str, str]
    after: dict[str, str]
    note: str | None
    override: HistoryOverrideOut | None = Field(
        default=None, examples=[None], description="For staff: the rule that this change lifted. Null for everybody else."
    )


class HistoryOut(ReadModel):
    """All changes of an appointment, oldest first."""

    items: list[HistoryEntryOut]


class ExportedAppointmentOut(AppointmentOut):
    """An appointment with all its changes, as the patient gets it in an export."""

    history: list[HistoryEntryOut]


class VisitDoctorOut(ReadModel):
    """The doctor of a visit."""

    full_name: str
    title: str | None


class VisitOut(ReadModel):
    """A visit as the recipient of a mail sees it by its link: without the patient's name, and without anything about health.

    `local_start` is the start in `time_zone`, the zone of the recipient. `sequence` grows when time, place, doctor or status change.
    """

    status: AppointmentStatus
    starts_at: Instant
    ends_at: Instant
    local_start: str
    time_zone: str
    clinic_name: str = Field(examples=["Lindenstrasse Clinic"])
    clinic_address: str | None = Field(examples=["Lindenstrasse 5, 10969 Berlin"])
    clinic_phone: str | None = Field(examples=["+49 30 1234567"])
    cancellation_policy: str | None = Field(examples=[None], description="What the clinic says about cancelling.")
    doctor: VisitDoctorOut | None
    mode: VisitMode
    place: str | None = Field(examples=["Building 2, room 14"], description="Where to come; null for a visit by video or phone.")
    confirmed_at: Instant | None = Field(examples=[None])
    sequence: int = Field(examples=[0])
    can_confirm: bool
    can_cancel: bool = Field(description="False inside the cut-off: then only the clinic can cancel.")
