"""The request and response models of doctor-service."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import ConfigDict, Field

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.service_types import ServiceType
from shared.contracts.contacts import ReminderOffsets
from shared.contracts.http import DateOverride, DayWindow, Money, VisitMode, VisitOutsideHours, VisitsOutsideHours, WeeklyWindow
from shared.contracts.texts import MultiLineText, OneLineText
from shared.contracts.values import Email, Instant, Locale, Minutes, NewPassword, PatchModel, ReadModel, RequestModel, TimeZone

Duration = Annotated[int, Field(strict=True, ge=5, le=12 * 60, multiple_of=5, examples=[30])]
Days = Annotated[int, Field(strict=True, ge=1, le=730)]
LongMinutes = Annotated[int, Field(strict=True, ge=0, le=90 * 24 * 60, multiple_of=5)]
Capacity = Annotated[int, Field(strict=True, ge=1, le=200, description="Patients who share one visit; above 1 it is a group session.")]
Cap = Annotated[int, Field(strict=True, ge=1, le=1000)]
OFFSETS_OF_SERVICE = (
    "Minutes before the start at which patients without a choice of their own are reminded; null for the clinic's, empty for no reminders."
)
Specialty = Annotated[OneLineText, Field(max_length=100)]  # the filter `specialty` of lists accepts as many


class CreateServiceType(RequestModel):
    """A new service type. Durations are in minutes, multiples of five; notice and cut-offs are elapsed time.

    Caps limit the visits of one doctor for this service, per day and per ISO week in the doctor's time zone; a group session counts once.
    """

    name: OneLineText
    specialty: Specialty | None = None
    mode: VisitMode = "in_person"
    duration_minutes: Duration
    buffer_before_minutes: Minutes = 0
    buffer_after_minutes: Minutes = 0
    slot_step_minutes: Duration | None = Field(default=None, description="Distance between two starts; by default the duration.")
    min_notice_minutes: LongMinutes = 0
    horizon_days: Days = 90
    cancel_cutoff_minutes: LongMinutes = 0
    reschedule_cutoff_minutes: LongMinutes = 0
    capacity: Capacity = 1
    daily_cap: Cap | None = Field(default=None, description="Visits per day; by default as many as fit.")
    weekly_cap: Cap | None = Field(default=None, description="Visits per ISO week; by default as many as fit.")
    reminder_offsets_minutes: ReminderOffsets | None = Field(default=None, description=OFFSETS_OF_SERVICE)
    requires_approval: bool = Field(default=False, strict=True)
    price: Money | None = None
    active: bool = Field(default=True, strict=True)

    def to_service_type(self, service_id: UUID) -> ServiceType:
        """Return the service type that the request describes."""
        fields = {name: without_duplicates(getattr(self, name)) for name in type(self).model_fields}
        return ServiceType(**fields | {"id": service_id, "slot_step_minutes": self.slot_step_minutes or self.duration_minutes})


class UpdateServiceType(PatchModel):
    """Fields that are left out stay as they are; null removes a price, a specialty, a cap or the offsets. Existing appointments stay.

    Caps limit the visits of one doctor for this service, per day and per ISO week in the doctor's time zone; a group session counts once.
    """

    nullable_fields: ClassVar = frozenset({"specialty", "price", "daily_cap", "weekly_cap", "reminder_offsets_minutes"})

    name: OneLineText | None = None
    specialty: Specialty | None = None
    mode: VisitMode | None = None
    duration_minutes: Duration | None = None
    buffer_before_minutes: Minutes | None = None
    buffer_after_minutes: Minutes | None = None
    slot_step_minutes: Duration | None = None
    min_notice_minutes: LongMinutes | None = None
    horizon_days: Days | None = None
    cancel_cutoff_minutes: LongMinutes | None = None
    reschedule_cutoff_minutes: LongMinutes | None = None
    capacity: Capacity | None = None
    daily_cap: Cap | None = None
    weekly_cap: Cap | None = None
    reminder_offsets_minutes: ReminderOffsets | None = Field(default=None, description=OFFSETS_OF_SERVICE)
    requires_approval: bool | None = Field(default=None, strict=True)
    price: Money | None = None
    active: bool | None = Field(default=None, strict=True)

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent, lists as the domain stores them."""
        return {name: without_duplicates(value) for name, value in super().changes.items()}


class SpecialtiesOut(ReadModel):
    """Specialties in alphabetical order."""

    items: list[str]


Specialties = Annotated[list[Specialty], Field(max_length=20)]
Languages = Annotated[list[Locale], Field(max_length=20, description="BCP 47 language tags.")]
ServiceTypeIds = Annotated[list[UUID], Field(max_length=100)]


class CreateDoctor(RequestModel):
    """A new doctor. Their account is created with the profile, and an invitation is mailed.

    Working hours are on the wall clock of `time_zone`. Without it the doctor gets the clinic's, and keeps it.
    """

    email: Email
    full_name: OneLineText
    time_zone: TimeZone | None = Field(default=None, description="By default the clinic's.")
    locale: Locale | None = Field(default=None, description="The language of the mails to the doctor; by default the clinic's.")
    title: OneLineText | None = None
    bio: MultiLineText | None = None
    location: OneLineText | None = None
    specialties: Specialties = Field(default_factory=list)
    languages: Languages = Field(default_factory=list)
    services: ServiceTypeIds = Field(default_factory=list)
    accepting_patients: bool = Field(default=True, strict=True)

    def to_doctor(self, doctor_id: UUID, clinic_time_zone: str) -> Doctor:
        """Return the doctor that the request describes, pending until the account exists."""
        fields = {name: without_duplicates(getattr(self, name)) for name in CreateDoctor.model_fields}
        return Doctor(**fields | {"id": doctor_id, "time_zone": self.time_zone or clinic_time_zone})


class PutDoctor(CreateDoctor):
    """The body of `PUT /internal/doctors/{id}`: as for `POST /doctors`, with a password if the admin chose one."""

    password: NewPassword | None = Field(default=None, repr=False)


class UpdateDoctor(PatchModel):
    """Fields that are left out stay as they are; null removes title, bio or location.

    Doctors may change title, bio, languages, location and accepting_patients themselves; admins every field.
    """

    nullable_fields: ClassVar = frozenset({"title", "bio", "location"})

    full_name: OneLineText | None = None
    time_zone: TimeZone | None = None
    title: OneLineText | None = None
    bio: MultiLineText | None = None
    location: OneLineText | None = None
    specialties: Specialties | None = None
    languages: Languages | None = None
    services: ServiceTypeIds | None = None
    accepting_patients: bool | None = Field(default=None, strict=True)
    active: bool | None = Field(default=None, strict=True)

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent, lists as the domain stores them."""
        return {name: without_duplicates(value) for name, value in super().changes.items()}


class RenameDoctor(RequestModel):
    """The body of `PATCH /internal/doctors/{id}`."""

    full_name: OneLineText


class DoctorOut(ReadModel):
    """A doctor's profile. The email address is not public."""

    id: UUID
    full_name: str
    title: str | None
    specialties: list[str]
    languages: list[str]
    bio: str | None
    location: str | None
    time_zone: str
    services: list[UUID]
    accepting_patients: bool
    active: bool
    version: int


class PutSchedule(RequestModel):
    """The weekly hours, on the doctor's wall clock. They replace all weekly hours."""

    weekly: Annotated[list[WeeklyWindow], Field(max_length=100)]


class PutOverride(RequestModel):
    """The hours of one date, in place of the weekly hours; without windows it is a day off."""

    windows: Annotated[list[DayWindow], Field(max_length=20)]


class WorkingWindowOut(ReadModel):
    """Continuous working time. `local_start` is the start on the doctor's wall clock."""

    starts_at: Instant
    ends_at: Instant
    local_start: str


class ScheduleOut(ReadModel):
    """The rules of a schedule, and the overrides and working windows in the requested range."""

    doctor_id: UUID
    time_zone: str
    weekly: list[WeeklyWindow]
    overrides: list[DateOverride]
    windows: list[WorkingWindowOut]
    version: int


class OutsideHours(ReadModel):
    """The visits that a change of hours leaves outside them. They stay booked until someone decides about them."""

    outside_hours: list[VisitOutsideHours] | None = Field(
        description="The booked visits that have not begun and now lie outside the hours, by start, a thousand at most. Null when the "
        "calendar does not answer; the change is made all the same."
    )
    outside_hours_complete: bool = Field(description="Whether `outside_hours` lists all of them.")


class ChangedScheduleOut(OutsideHours, ScheduleOut):
    """The new rules of a schedule, the overrides and working windows of the next 14 days, and the visits outside the hours."""


class OverrideOut(OutsideHours):
    """The hours of one date, and the visits that now lie outside the doctor's hours. `version` is the schedule's."""

    id: UUID
    date: date
    windows: list[DayWindow]
    version: int


class DeletedOverrideOut(OutsideHours):
    """The schedule's new version after a date follows the weekly hours again, and the visits that now lie outside the doctor's hours."""

    date: date
    version: int


class ChangedDoctorOut(DoctorOut):
    """A doctor's profile after a change. A change of `time_zone` moves the working hours, so that visits may lie outside them."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    outside_hours: list[VisitOutsideHours] | None = Field(
        default=None,
        description="Only after a change of `time_zone`: the booked visits that have not begun and now lie outside the hours, by start, a "
        "thousand at most. Null when the calendar does not answer; the change is made all the same.",
    )
    outside_hours_complete: bool = Field(default=False, description="Whether `outside_hours` lists all of them.")


def outside_hours_fields(visits: VisitsOutsideHours | None) -> dict[str, Any]:
    """Return the fields of OutsideHours."""
    if visits is None:
        return {"outside_hours": None, "outside_hours_complete": False}
    return {"outside_hours": visits.items, "outside_hours_complete": visits.complete}


def without_duplicates(value: Any) -> Any:
    """Return a list as a tuple in which every item occurs once; return other values as they are."""
    return tuple(dict.fromkeys(value)) if isinstance(value, list) else value
