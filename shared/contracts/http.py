"""Bodies that cross a border between services, and the value types of every public body."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID
from zoneinfo import available_timezones

import email_validator
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from shared.contracts.identity import Caller, Role

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)?")
FULL_DATE = re.compile(r"\d{4}-\d\d-\d\d")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
ZONES = available_timezones() - {"localtime", "Factory"}  # of the machine, and of nowhere
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # a clinic's intranet and every test bed live in such domains


def _instant(value: Any) -> datetime:
    """RFC 3339 section 5.6, whole offsets only; between 1970 and 2200, so that no zone conversion can overflow."""
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, datetime):
        raise PydanticCustomError("not_an_instant", "an RFC 3339 date-time string is expected")
    if value.tzinfo is None:
        raise PydanticCustomError("offset_required", "the instant needs an offset, such as Z or +02:00")
    if not EARLIEST <= value < LATEST:
        raise PydanticCustomError("out_of_range", "the instant must lie between 1970 and 2200")
    return value.astimezone(UTC)


def _parsed(text: str) -> datetime:
    """To the second, as instants are told: what was asked for is what is answered."""
    if not RFC3339.fullmatch(text):
        raise PydanticCustomError("not_an_instant", "an RFC 3339 date-time string is expected")
    try:
        return datetime.fromisoformat(text.upper()).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise PydanticCustomError("not_an_instant", "no such date or time") from None


def rendered(instant: datetime) -> str:
    """An instant on the wire: UTC, to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _zone(value: str) -> str:
    if value not in ZONES:
        raise PydanticCustomError("unknown_time_zone", "an IANA time zone name is expected, such as Europe/Berlin")
    return value


def _full_date(value: Any) -> Any:
    """RFC 3339 section 5.6, and nothing that could be read as such: no number of seconds, no midnight."""
    if (isinstance(value, str) and not FULL_DATE.fullmatch(value)) or isinstance(value, int | float):
        raise PydanticCustomError("not_a_date", "a date such as 2026-03-09 is expected")
    return value


def _clean(value: str) -> str:
    if CONTROL.search(value) or any("\ud800" <= c <= "\udfff" for c in value):
        raise PydanticCustomError("control_character", "control characters are not accepted")
    return value


def _email(value: str) -> str:
    try:
        return email_validator.validate_email(value, check_deliverability=False).normalized.lower()
    except email_validator.EmailNotValidError:
        raise PydanticCustomError("not_an_email", "an e-mail address is expected") from None


def _instant_schema(**more: Any) -> dict[str, Any]:
    return {"type": "string", "format": "date-time", "examples": ["2026-03-09T13:00:00Z"], **more}


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(rendered, return_type=str, when_used="json"),
    WithJsonSchema(_instant_schema()),
]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_clean)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_clean)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\+?[0-9 ()./-]{3,32}$"), Field(examples=["+49 30 1234567"])]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=254),
    AfterValidator(_clean),
    AfterValidator(_email),
    Field(examples=["sam@example.com"]),
]
TimeZone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_zone), Field(examples=["Europe/Berlin"])]
Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", max_length=35), Field(examples=["en"])]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
Opens = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][05]$"), Field(examples=["09:00"])]
Closes = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][05]$|^24:00$"), Field(examples=["17:00"])]
Minutes = Annotated[int, Field(strict=True, ge=0, le=24 * 60, multiple_of=5)]
FullDate = Annotated[date, BeforeValidator(_full_date)]
Day = Annotated[FullDate, Field(ge=date(1970, 1, 2), lt=date(2200, 1, 1))]


class Body(BaseModel):
    """A body of ours: unknown fields are refused, NaN is not a number, values do not change under our feet."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, from_attributes=True)


class Answer(BaseModel):
    """A neighbour's answer as its reader needs it: what the reader does not know it does not mind."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)


class Actor(Answer):
    """The person for whom a service acts; it stands in bodies between services, never in a header."""

    id: UUID
    role: Role

    @classmethod
    def of(cls, caller: Caller) -> Self:
        return cls(id=caller.id, role=caller.role)

    @property
    def caller(self) -> Caller:
        return Caller(self.id, self.role)


class Money(Body):
    """Integer minor units of an ISO 4217 currency."""

    amount: int = Field(strict=True, ge=0, le=10**9)
    currency: Currency


class ServiceRules(Answer):
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


class WeeklyWindow(Body):
    """Working time that repeats every week on a wall clock: `weekday` 1 is Monday (ISO 8601); an end up to the start is on the next day."""

    weekday: int = Field(strict=True, ge=1, le=7)
    start: Opens
    end: Closes
    valid_from: Day | None = None
    valid_to: Day | None = None


class WallWindow(Body):
    """Working time of one date on a wall clock; an end not after the start is on the next day."""

    start: Opens
    end: Closes


class DateOverride(Body):
    """All working time of one date, in place of the weekly rules; no windows: a day off."""

    id: UUID
    date: Day
    windows: list[WallWindow]


class DoctorRules(Answer):
    """All that the calendar must know of a doctor. `version` grows with every change of profile or schedule."""

    id: UUID
    full_name: str
    title: str | None = None
    location: str | None = None
    time_zone: str
    specialties: list[str] = []
    languages: list[str] = []
    services: list[UUID] = []
    active: bool = True
    accepting_patients: bool = True
    weekly: list[WeeklyWindow] = []
    overrides: list[DateOverride] = []
    version: int


class PatientCard(Answer):
    """A patient as appointment- and notification-service need them."""

    id: UUID
    full_name: str
    time_zone: str
    locale: str
    active: bool = True
    version: int


class AccountCard(Answer):
    """An account as neighbours may see it."""

    id: UUID
    email: str
    full_name: str
    role: Role
    status: Literal["pending", "invited", "active", "disabled"]
    locale: str = "en"
    version: int
    created_at: Instant


class NewAccount(Body):
    """`PUT /internal/accounts/{id}`: the account half of a person; without a password it is invited by mail."""

    email: Email
    role: Role
    full_name: Line
    password: str | None = Field(default=None, max_length=128)
    locale: Locale = "en"
    phone: Phone | None = None
    time_zone: TimeZone = "UTC"

    @field_validator("role")
    @classmethod
    def _of_a_person(cls, role: Role) -> Role:
        if role in (Role.SERVICE, Role.SYSTEM):
            raise ValueError("people are patients, doctors, reception or admins")
        return role


class NewPatient(Body):
    """`PUT /internal/patients/{id}`: the profile half of a patient; repeating it is harmless."""

    full_name: Line
    phone: Phone | None = None
    time_zone: TimeZone = "UTC"
    locale: Locale = "en"


class Reserve(Body):
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


class Reservation(Answer):
    """A granted time: half open, UTC."""

    appointment_id: UUID
    service_id: UUID
    doctor_id: UUID
    patient_id: UUID
    starts_at: Instant
    ends_at: Instant
    revision: int
    live: bool = True


class Alternative(Answer):
    """A start that was free when the answer was written."""

    doctor_id: UUID
    starts_at: Instant


class Displaced(Answer):
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
