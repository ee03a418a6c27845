"""Request and response bodies of the calls between services, and the value objects that they share with the public API."""

from __future__ import annotations

from typing import Literal, Self
from uuid import UUID

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from shared.contracts.appointments import OverrideCode
from shared.contracts.identity import Caller, Role
from shared.contracts.texts import ClinicMessageText, OneLineText, RequiredText
from shared.contracts.values import (
    CalendarDate,
    Currency,
    Email,
    Instant,
    Locale,
    NewPassword,
    Phone,
    ReadModel,
    RequestModel,
    TimeZone,
    WindowEnd,
    WindowStart,
)

# A named alias is one schema in the OpenAPI document, so that generated clients have one type for it.
VisitMode = TypeAliasType("VisitMode", Literal["in_person", "video", "phone"])
"""How a visit takes place."""
AccountStatus = TypeAliasType("AccountStatus", Literal["pending", "invited", "active", "disabled"])
"""`pending`: the profile is still being created; `invited`: the person has not chosen a password yet."""


class Actor(ReadModel):
    """The person for whom a service acts. Services pass it to each other in request bodies, never in a header."""

    id: UUID
    role: Role

    @classmethod
    def from_caller(cls, caller: Caller) -> Self:
        """Return the actor that stands for a verified caller."""
        return cls(id=caller.id, role=caller.role)

    @property
    def caller(self) -> Caller:
        """The actor as a caller without a session."""
        return Caller(self.id, self.role)


class Money(RequestModel):
    """An amount in integer minor units (cents) of an ISO 4217 currency."""

    amount: int = Field(strict=True, ge=0, le=10**9)
    currency: Currency


class ServiceTypeRules(ReadModel):
    """The booking rules of a service type, as doctor-service passes them to other services.

    Durations are in minutes. The caps limit the bookings that one doctor has on a day or in an ISO week of the doctor's time zone.
    `reminder_offsets_minutes` are the times before the start at which patients without a choice of their own are reminded: None for the
    clinic's, empty for no reminders.
    """

    id: UUID
    name: str
    specialty: str | None = None
    mode: VisitMode = "in_person"
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
    reminder_offsets_minutes: list[int] | None = None
    price: Money | None = None
    active: bool = True
    version: int


class WeeklyWindow(RequestModel):
    """Working hours that repeat every week, in the doctor's local time.

    `weekday` 1 is Monday (ISO 8601). An `end` before `start` is on the next day; a whole day is 00:00 to 24:00. `valid_from` and `valid_to`
    are inclusive.
    """

    weekday: int = Field(strict=True, ge=1, le=7)
    start: WindowStart
    end: WindowEnd
    valid_from: CalendarDate | None = None
    valid_to: CalendarDate | None = None


class DayWindow(RequestModel):
    """Working hours on one date, in the doctor's local time.

    An `end` before `start` is on the next day; a whole day is 00:00 to 24:00.
    """

    start: WindowStart
    end: WindowEnd


class DateOverride(RequestModel):
    """The working hours of one date, which replace the weekly ones. Without windows it is a day off."""

    id: UUID
    date: CalendarDate
    windows: list[DayWindow]


class DoctorRules(ReadModel):
    """What scheduling-service must know about a doctor. `version` grows with every change of the profile or the working hours."""

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


class SendClinicMessage(RequestModel):
    """The body of `PUT /internal/clinic-messages/{message_id}`: a message of the clinic to a patient, or to the guardians."""

    patient_id: UUID
    text: ClinicMessageText


class RulesVersion(RequestModel):
    """The version of a doctor's or a service type's rules that the calendar must have at least."""

    version: int = Field(ge=1, lt=2**31)


class FollowMerge(RequestModel):
    """The patient into whom another one was merged; the calendar makes their time this patient's."""

    into: UUID


class VisitOutsideHours(ReadModel):
    """A booked visit that has not begun and does not lie within the doctor's working hours."""

    appointment_id: UUID
    starts_at: Instant


class VisitsOutsideHours(ReadModel):
    """Booked visits outside a doctor's working hours, by start and appointment id. `complete` is True if these are all of them."""

    items: list[VisitOutsideHours]
    complete: bool


class PatientSummary(ReadModel):
    """The part of a patient profile that other services need.

    `locale` is the one in effect; `own_locale` is what the patient chose, and None for patients who have the clinic's. `guardian_ids` are
    the patients who may book for this one and see the visits at this moment. It must not be cached, because that right ends at once.
    """

    id: UUID
    full_name: str
    time_zone: str
    locale: str
    own_locale: str | None = None
    active: bool = True
    version: int
    guardian_ids: list[UUID] = Field(default_factory=list)


class DependantIds(ReadModel):
    """The patients for whom a guardian may book, and whose visits they may see, at this moment; by id. It must not be cached."""

    ids: list[UUID]


class AccountSummary(ReadModel):
    """The part of an account that other services may see."""

    id: UUID
    email: str
    full_name: str
    role: Role
    status: AccountStatus
    locale: str = "en"
    version: int
    created_at: Instant


class AccountContact(AccountSummary):
    """An account as notification-service sees it.

    `time_zone` is None for people who gave none. For people with a profile it may be outdated, and that of the profile counts.
    """

    time_zone: str | None = None


class CreateAccount(RequestModel):
    """The body of `PUT /internal/accounts/{id}`. Without a password, the account is invited by mail.

    Without `time_zone` or `locale` the person has that of the clinic.
    """

    email: Email
    role: Role
    full_name: OneLineText
    password: NewPassword | None = Field(default=None, repr=False)
    locale: Locale | None = None
    phone: Phone | None = None
    time_zone: TimeZone | None = None

    @field_validator("role")
    @classmethod
    def _require_role_of_person(cls, role: Role) -> Role:
        if role in (Role.SERVICE, Role.SYSTEM, Role.CLIENT):
            raise PydanticCustomError("not_a_person", "The role must be patient, doctor, reception or admin.")
        return role


class CreatePatient(RequestModel):
    """The body of `PUT /internal/patients/{id}`, which may be repeated without effect.

    Without `time_zone` or `locale` the patient has the clinic's.
    """

    full_name: OneLineText
    phone: Phone | None = None
    time_zone: TimeZone | None = None
    locale: Locale | None = None


class StaffOverride(RequestModel):
    """Which rule of the calendar staff lift for an appointment, and why. All other rules still apply."""

    code: OverrideCode
    reason: RequiredText = Field(examples=["In acute pain"])


class ExistingProfile(ReadModel):
    """Whether there is a profile with the id that a row of a file has."""

    exists: bool


class ReserveTime(RequestModel):
    """The body of `PUT /internal/reservations/{appointment_id}`: a request to reserve a time.

    `revision` grows with every request for the same appointment. Without `doctor_id`, the calendar chooses among the free doctors the one
    with the fewest appointments on that day. `hold_id` names a hold of the caller, which is converted into the reservation. With `begun`,
    the visit is already taking place with the named doctor, and its time is reserved even if it is not free. `service_version` and
    `doctor_version` are those of the rules that the caller has seen; the calendar uses no older ones. `appointment_version` is that of the
    appointment which requests: events of this and earlier versions no longer say whether its visit has begun. `duration_minutes` is the
    length that was agreed when the appointment was booked; without it the visit is as long as the service type is now. `override` names
    the rule that staff lift; appointment-service has decided that they may.
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
    appointment_version: int = Field(default=0, ge=0, lt=2**31)
    duration_minutes: int | None = Field(default=None, ge=5, le=24 * 60, multiple_of=5)
    override: OverrideCode | None = None


class Reservation(ReadModel):
    """A reserved time: the half-open range from `starts_at` to `ends_at`, in UTC. `live` is False once it was released.

    `override` is the rule that had to be lifted for it; None if no rule refused it.
    """

    appointment_id: UUID
    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    revision: int
    live: bool = True
    override: OverrideCode | None = None


class Alternative(ReadModel):
    """A start that was free when the response was written."""

    doctor_id: UUID
    starts_at: Instant


class LeaveOutcome(ReadModel):
    """What a doctor's leave did to one appointment.

    `previous_doctor_id` and `previous_starts_at` are from before the leave; a moved appointment has the new doctor and time beside them.
    `revision` is that of the appointment's reservation in the calendar from now on. A cancelled appointment has no reservation.
    """

    appointment_id: UUID
    action: Literal["cancelled", "moved"]
    previous_doctor_id: UUID
    previous_starts_at: Instant
    revision: int
    doctor_id: UUID | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
