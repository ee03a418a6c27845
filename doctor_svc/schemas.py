"""The request and response models of doctor-service."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.services import ServiceType
from shared.contracts.http import DateOverride, DayWindow, Money, WeeklyWindow
from shared.contracts.values import Email, Instant, Locale, LongText, Minutes, PatchModel, ReadModel, RequestModel, ShortText, TimeZone

Duration = Annotated[int, Field(strict=True, ge=5, le=12 * 60, multiple_of=5, examples=[30])]
Days = Annotated[int, Field(strict=True, ge=1, le=730)]
LongMinutes = Annotated[int, Field(strict=True, ge=0, le=90 * 24 * 60, multiple_of=5)]
Capacity = Annotated[int, Field(strict=True, ge=1, le=200, description="Patients who share one visit; above one: a group session.")]
Cap = Annotated[int, Field(strict=True, ge=1, le=1000)]


class OfferService(RequestModel):
    """A new service type. Durations in minutes, multiples of five; notice and cut-offs are elapsed time.

    Caps count the visits of one doctor for this service, by day and by ISO week in the doctor's zone; a group session counts once.
    """

    name: ShortText
    specialty: ShortText | None = None
    mode: Literal["in_person", "video", "phone"] = "in_person"
    duration_minutes: Duration
    buffer_before_minutes: Minutes = 0
    buffer_after_minutes: Minutes = 0
    slot_step_minutes: Duration | None = Field(default=None, description="Distance of two starts; default: the duration.")
    min_notice_minutes: LongMinutes = 0
    horizon_days: Days = 90
    cancel_cutoff_minutes: LongMinutes = 0
    reschedule_cutoff_minutes: LongMinutes = 0
    capacity: Capacity = 1
    daily_cap: Cap | None = Field(default=None, description="Visits a day; default: as many as fit.")
    weekly_cap: Cap | None = Field(default=None, description="Visits an ISO week; default: as many as fit.")
    requires_approval: bool = Field(default=False, strict=True)
    price: Money | None = None
    active: bool = Field(default=True, strict=True)

    def service(self, service_id: UUID) -> ServiceType:
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return ServiceType(**fields | {"id": service_id, "slot_step_minutes": self.slot_step_minutes or self.duration_minutes})


class AmendService(PatchModel):
    """What is left out stays; null takes away a price, a specialty or a cap. What is booked already stays, whatever the limits.

    Caps count the visits of one doctor for this service, by day and by ISO week in the doctor's zone; a group session counts once.
    """

    nullable_fields: ClassVar = frozenset({"specialty", "price", "daily_cap", "weekly_cap"})

    name: ShortText | None = None
    specialty: ShortText | None = None
    mode: Literal["in_person", "video", "phone"] | None = None
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
    requires_approval: bool | None = Field(default=None, strict=True)
    price: Money | None = None
    active: bool | None = Field(default=None, strict=True)


class Specialties(ReadModel):
    items: list[str]


Words = Annotated[list[ShortText], Field(max_length=20)]
Languages = Annotated[list[Locale], Field(max_length=20, description="BCP 47 language tags.")]
Services = Annotated[list[UUID], Field(max_length=100)]


class EngageDoctor(RequestModel):
    """A new doctor; the login account is made with it and an invitation is mailed."""

    email: Email
    full_name: ShortText
    time_zone: TimeZone
    title: ShortText | None = None
    bio: LongText | None = None
    location: ShortText | None = None
    specialties: Words = Field(default_factory=list)
    languages: Languages = Field(default_factory=list)
    services: Services = Field(default_factory=list)
    accepting_patients: bool = Field(default=True, strict=True)

    def doctor(self, doctor_id: UUID) -> Doctor:
        return Doctor(id=doctor_id, **{name: frozen(getattr(self, name)) for name in EngageDoctor.model_fields})


class PutDoctor(EngageDoctor):
    """`PUT /internal/doctors/{id}`: as above, with a password if one was chosen."""

    password: str | None = Field(default=None, max_length=128, repr=False)


class AmendDoctor(PatchModel):
    """What is left out stays; null takes away title, bio or location.

    Doctors may change title, bio, languages, location and accepting_patients themselves.
    """

    nullable_fields: ClassVar = frozenset({"title", "bio", "location"})

    full_name: ShortText | None = None
    time_zone: TimeZone | None = None
    title: ShortText | None = None
    bio: LongText | None = None
    location: ShortText | None = None
    specialties: Words | None = None
    languages: Languages | None = None
    services: Services | None = None
    accepting_patients: bool | None = Field(default=None, strict=True)
    active: bool | None = Field(default=None, strict=True)

    @property
    def changes(self) -> dict[str, Any]:
        return {name: frozen(value) for name, value in super().changes.items()}


class RenameDoctor(RequestModel):
    """`PATCH /internal/doctors/{id}`."""

    full_name: ShortText


class DoctorOut(ReadModel):
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
    """The weekly hours, on the doctor's wall clock."""

    weekly: Annotated[list[WeeklyWindow], Field(max_length=100)]


class PutOverride(RequestModel):
    """The hours of one date; none: a day off."""

    windows: Annotated[list[DayWindow], Field(max_length=20)]


class WorkingWindowOut(ReadModel):
    starts_at: Instant
    ends_at: Instant
    local_start: str


class ScheduleOut(ReadModel):
    """The rules, and the concrete windows in the range that was asked for."""

    doctor_id: UUID
    time_zone: str
    weekly: list[WeeklyWindow]
    overrides: list[DateOverride]
    windows: list[WorkingWindowOut]
    version: int


class OverrideOut(ReadModel):
    """`version` is the schedule's."""

    id: UUID
    date: date
    windows: list[DayWindow]
    version: int


def frozen(value: Any) -> Any:
    """Lists as the domain keeps them: each word once."""
    return tuple(dict.fromkeys(value)) if isinstance(value, list) else value
