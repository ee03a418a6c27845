"""The field types of request and response bodies (instants, time zones, addresses), and the base classes of the bodies."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

import email_validator
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from shared.contracts.texts import NoControls, SchemaKeywords

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.[0-9]+)?([Zz]|[+-]\d\d:\d\d)?")
FRACTION = re.compile(r"\.[0-9]+")
FULL_DATE = re.compile(r"\d{4}-\d\d-\d\d")
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)  # within them no zone conversion can overflow
ZONES = available_timezones() - {"localtime", "Factory"}  # "localtime" is the machine's own zone, "Factory" a placeholder
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()  # intranets and tests use reserved domains such as clinic.example


def _validate_instant(value: Any) -> datetime:
    """Return an instant in UTC. Input is a datetime or RFC 3339 text with an offset, between EARLIEST and LATEST."""
    if isinstance(value, str):
        value = _parse_rfc3339(value)
    if not isinstance(value, datetime):
        raise PydanticCustomError("not_an_instant", "The value must be an RFC 3339 date-time string.")
    if value.tzinfo is None:
        raise PydanticCustomError("offset_required", "The instant needs an offset, such as Z or +02:00.")
    if not EARLIEST <= value < LATEST:
        raise PydanticCustomError("out_of_range", "The instant must lie between 1970 and 2200.")
    return value.astimezone(UTC)


def _parse_rfc3339(text: str) -> datetime:
    """Return the date-time, without its fraction of a second, which may have any number of digits.

    Responses carry no fractions, and a value that was sent must come back equal.
    """
    if not RFC3339.fullmatch(text):
        raise PydanticCustomError("not_an_instant", "The value must be an RFC 3339 date-time string.")
    try:
        return datetime.fromisoformat(FRACTION.sub("", text.upper()))
    except (ValueError, OverflowError):
        raise PydanticCustomError("not_an_instant", "There is no such date or time.") from None


def format_instant(instant: datetime) -> str:
    """Return an instant as responses carry it: UTC, to the second, `2026-03-09T13:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_start(instant: datetime, time_zone: str) -> str:
    """Return the wall-clock time of an instant in an IANA zone, to the minute: `2026-03-09T09:00`."""
    return instant.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%dT%H:%M")


def last_midnight_before(instant: datetime, time_zone: str) -> datetime:
    """Return the last local midnight before an instant, as UTC. For an instant at midnight that is the midnight of the day before."""
    zone = ZoneInfo(time_zone)
    local_date = (instant - timedelta(microseconds=1)).astimezone(zone).date()
    return datetime.combine(local_date, time.min, tzinfo=zone).astimezone(UTC)


def years_before(instant: datetime, years: int) -> datetime:
    """Return the same day and time some years earlier, or 28 February where there is no such day."""
    day = min(instant.day, 28) if instant.month == 2 else instant.day
    return instant.replace(year=instant.year - years, day=day)


def _validate_time_zone(value: str) -> str:
    if value not in ZONES:
        raise PydanticCustomError("unknown_time_zone", "The value must be an IANA time zone name, such as Europe/Berlin.")
    return value


def _validate_date(value: Any) -> Any:
    """Return a date. Input is a date or text such as `2026-03-09`; Pydantic alone would also accept seconds and midnights."""
    if isinstance(value, date):
        return value
    with suppress(TypeError, ValueError):
        if FULL_DATE.fullmatch(value):
            return date.fromisoformat(value)
    raise PydanticCustomError("not_a_date", "The value must be a date such as 2026-03-09.")


def require_date_between(first: date, end: date) -> AfterValidator:
    """Return a validator for dates from `first` on and before `end`."""

    def check(value: date) -> date:
        if not first <= value < end:
            raise PydanticCustomError("out_of_range", f"The date must lie between {first.year} and {end.year}.")
        return value

    return AfterValidator(check)


def _normalize_email(value: str) -> str:
    try:
        return email_validator.validate_email(value, check_deliverability=False).normalized.lower()
    except email_validator.EmailNotValidError:
        raise PydanticCustomError("not_an_email", "The value must be an email address.") from None


Instant = Annotated[
    datetime,
    BeforeValidator(_validate_instant),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-09T13:00:00Z"]}),
]
Phone = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^\+?[0-9 ()./-]{3,32}$"),
    NoControls,
    Field(examples=["+49 30 1234567"]),
]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=254),
    NoControls,
    AfterValidator(_normalize_email),
    SchemaKeywords(format="email"),
    Field(examples=["sam@example.com"]),
]
NewPassword = Annotated[str, Field(max_length=128), SchemaKeywords(format="password")]
TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_validate_time_zone),
    SchemaKeywords(pattern="^[A-Za-z0-9_+/-]+$"),
    Field(examples=["Europe/Berlin"]),
]
LANGUAGE_TAG = (
    "^[A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}"  # language, and extended languages such as zh-yue
    "(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"  # script and region
    "(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"  # variants
    "(-[A-Za-z0-9](-[A-Za-z0-9]{2,8})+)*(-(x|X)(-[A-Za-z0-9]{1,8})+)?$"  # extensions and private use
)
"""The `langtag` of BCP 47 (RFC 5646, section 2.1), without the languages of four to eight letters, which are reserved."""
Locale = Annotated[str, StringConstraints(pattern=LANGUAGE_TAG, max_length=35), Field(examples=["en"])]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
WindowStart = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][05]$"), Field(examples=["09:00"])]
WindowEnd = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][05]$|^24:00$"), Field(examples=["17:00"])]
Minutes = Annotated[int, Field(strict=True, ge=0, le=24 * 60, multiple_of=5)]
FullDate = Annotated[date, BeforeValidator(_validate_date)]
CalendarDate = Annotated[
    FullDate,
    require_date_between(date(1970, 1, 2), date(2200, 1, 1)),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-03-09"]}),
]


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without null as one of its types."""
    branches = [branch for branch in schema.get("anyOf", []) if branch.get("type") != "null"]
    if len(branches) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    only: dict[str, Any] = branches[0]
    return only | rest


class RequestModel(BaseModel):
    """The base of request bodies. Unknown fields, NaN and infinity are refused; instances are immutable."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, from_attributes=True, json_schema_serialization_defaults_required=True
    )


class PatchModel(RequestModel):
    """The base of PATCH bodies (RFC 7396, one level deep): fields left out stay as they are; null clears a field of `nullable_fields`."""

    nullable_fields: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in cls.nullable_fields:
            raise PydanticCustomError("null_not_allowed", "This field cannot be null.")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema, in which only `nullable_fields` accept null."""
        reference = handler(core_schema)
        properties = handler.resolve_ref_schema(reference).get("properties", {})
        for name in properties.keys() - cls.nullable_fields:
            properties[name] = without_null(properties[name])
        return reference

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that the body contains, with their values."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ReadModel(BaseModel):
    """The base of bodies read from other services. Unknown fields are ignored, so that the sender may add some."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True, json_schema_serialization_defaults_required=True)
