"""What every body is made of: instants, zones, lines of text, and how strictly it is read."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

import email_validator
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

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


def format_instant(instant: datetime) -> str:
    """An instant on the wire: UTC, to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_start(instant: datetime, time_zone: str) -> str:
    """Return the wall-clock time of an instant in an IANA zone, to the minute: `2026-03-09T09:00`."""
    return instant.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%dT%H:%M")


def _zone(value: str) -> str:
    if value not in ZONES:
        raise PydanticCustomError("unknown_time_zone", "an IANA time zone name is expected, such as Europe/Berlin")
    return value


def _full_date(value: Any) -> Any:
    """RFC 3339 section 5.6, and nothing that could be read as such: no number of seconds, no midnight."""
    if isinstance(value, date):
        return value
    with suppress(TypeError, ValueError):
        if FULL_DATE.fullmatch(value):
            return date.fromisoformat(value)
    raise PydanticCustomError("not_a_date", "a date such as 2026-03-09 is expected")


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
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema(_instant_schema()),
]
ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_clean)]
LongText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_clean)]
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
WindowStart = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][05]$"), Field(examples=["09:00"])]
WindowEnd = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][05]$|^24:00$"), Field(examples=["17:00"])]
Minutes = Annotated[int, Field(strict=True, ge=0, le=24 * 60, multiple_of=5)]
FullDate = Annotated[date, BeforeValidator(_full_date)]
CalendarDate = Annotated[FullDate, Field(ge=date(1970, 1, 2), lt=date(2200, 1, 1))]


class RequestModel(BaseModel):
    """A body of ours: unknown fields are refused, NaN is not a number, values do not change under our feet."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, from_attributes=True)


class PatchModel(RequestModel):
    """A PATCH (RFC 7396, one level deep): what is left out stays; null takes away what may be absent."""

    nullable_fields: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _may_be_absent(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in cls.nullable_fields:
            raise PydanticCustomError("null_not_allowed", "null takes away what may be absent, and this may not")
        return value

    @property
    def changes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


class ReadModel(BaseModel):
    """A neighbour's answer as its reader needs it: what the reader does not know it does not mind."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True)
