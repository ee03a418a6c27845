"""Bodies that cross a border between services."""

from __future__ import annotations

from typing import Literal, Self
from uuid import UUID

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from shared.contracts.identity import Caller, Role
from shared.contracts.values import (
    CalendarDate,
    Currency,
    Email,
    Instant,
    Locale,
    Phone,
    ReadModel,
    RequestModel,
    ShortText,
    TimeZone,
    WindowEnd,
    WindowStart,
)


class Actor(ReadModel):
    """The person for whom a service acts; it stands in bodies between services, never in a header."""

    id: UUID
    role: Role

    @classmethod
    def from_caller(cls, caller: Caller) -> Self:
        """Return the actor that stands for a verified caller."""
        return cls(id=caller.id, role=caller.role)

    @property
    def caller(self) -> Caller:
        return Caller(self.id, self.role)


class Money(RequestModel):
    """Integer minor units of an ISO 4217 currency."""

    amount: int = Field(strict=True, ge=0, le=10**9)
    currency: Currency


class ServiceTypeRules(ReadModel):
    """A service type as everyone but its owner sees it. Durations in minutes; caps count bookings of one doctor in the doctor's zone."""

    id: UUID
    name: str
    specialty: str | None = None
    mode: Literal["in_person", "video", "phone"] = "in_person"
    duration_minutes: int
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    slot_step_minutes: int
    min_notice_minutes: int = 0
    horizon_days: int
    cancel_cutoff_minutes: int = 0
    reschedule_cutoff_minutes: int = 0
    daily_cap: int | None = None
    weekly_cap: int | None = None
    capacity: int = 1
    requires_approval: bool = False
    price: Money | None = None
    active: bool = True
    version: int


class WeeklyWindow(RequestModel):
    """Working time that repeats every week on a wall clock: `weekday` 1 is Monday (ISO 8601); an end up to the start is on the next day."""

    weekday: int = Field(strict=True, ge=1, le=7)
    start: WindowStart
    end: WindowEnd
    valid_from: CalendarDate | None = None
    valid_to: CalendarDate | None = None


class DayWindow(RequestModel):
    """Working time of one date on a wall clock; an end not after the start is on the next day."""

    start: WindowStart
    end: WindowEnd


class DateOverride(RequestModel):
    """All working time of one date, in place of the weekly rules; no windows: a day off."""

    id: UUID
    date: CalendarDate
    windows: list[DayWindow]


class DoctorRules(ReadModel):
    """All that the calendar must know of a doctor. `version` grows with every change of profile or schedule."""

    id: UUID
    full_name: str
    title: str | None = None
    location: str | None = None
    time_zone: str
    specialties: list[str] = Field(default_factory=list)
    languages: list[str] = Field(default_factory=list)
    services: list[UUID] = Field(default_factory=list)
    active: bool = True
    accepting_patients: bool = True
    weekly: list[WeeklyWindow] = Field(default_factory=list)
    overrides: list[DateOverride] = Field(default_factory=list)
    version: int


class PatientSummary(ReadModel):
    """A patient as appointment- and notification-service need them."""

    id: UUID
    full_name: str
    time_zone: str
    locale: str
    active: bool = True
    version: int


class AccountSummary(ReadModel):
    """An account as neighbours may see it."""

    id: UUID
    email: str
    full_name: str
    role: Role
    status: Literal["pending", "invited", "active", "disabled"]
    locale: str = "en"
    version: int
    created_at: Instant


class CreateAccount(RequestModel):
    """`PUT /internal/accounts/{id}`: the account half of a person; without a password it is invited by mail."""

    email: Email
    role: Role
    full_name: ShortText
    password: str | None = Field(default=None, max_length=128)
    locale: Locale = "en"
    phone: Phone | None = None
    time_zone: TimeZone = "UTC"

    @field_validator("role")
    @classmethod
    def _of_a_person(cls, role: Role) -> Role:
        if role in (Role.SERVICE, Role.SYSTEM):
            raise PydanticCustomError("not_a_person", "people are patients, doctors, reception or admins")
        return role


class CreatePatient(RequestModel):
    """`PUT /internal/patients/{id}`: the profile half of a patient; repeating it is harmless."""

    full_name: ShortText
    phone: Phone | None = None
    time_zone: TimeZone = "UTC"
    locale: Locale = "en"


class ReserveTime(RequestModel):
    """`PUT /internal/reservations/{appointment_id}`: the wish for a time. `revision` grows with every wish of the same appointment.

    Without `doctor_id`: with whoever is free then, the least busy that day first. `hold_id`: a hold of the one who asks, to be used up.
    `begun`: the visit takes place already, with the doctor named, whatever else stands in its time. `..._version`: that of the rules which
    the one who asks has seen; the calendar decides by no older ones.
    """

    service_id: UUID
    doctor_id: UUID | None = None
    patient_id: UUID
    starts_at: Instant
    revision: int = Field(ge=1, lt=2**31)
    by: Actor
    hold_id: UUID | None = None
    begun: bool = False
    service_version: int = Field(default=0, ge=0, lt=2**31)
    doctor_version: int = Field(default=0, ge=0, lt=2**31)


class Reservation(ReadModel):
    """A granted time: half open, UTC."""

    appointment_id: UUID
    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    revision: int
    live: bool = True


class Alternative(ReadModel):
    """A start that was free when the answer was written."""

    doctor_id: UUID
    starts_at: Instant


class LeaveOutcome(ReadModel):
    """What a doctor's leave did to an appointment that stood at `previous_...`: a moved one has the time and doctor given here.

    `revision` is that of its claim in the calendar from now on; a cancelled one has no claim any more.
    """

    appointment_id: UUID
    action: Literal["cancelled", "moved"]
    previous_doctor_id: UUID
    previous_starts_at: Instant
    revision: int
    doctor_id: UUID | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
