"""The bodies of the reports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from shared.contracts.values import Instant, ReadModel

# A named alias is one schema in the OpenAPI document, so that generated clients have one type for it.
UtilisationGroup = TypeAliasType("UtilisationGroup", Literal["doctor", "service", "day", "weekday", "hour"])
NoShowGroup = TypeAliasType("NoShowGroup", Literal["service", "doctor", "lead_time", "reminder", "confirmed"])
BookingGroup = TypeAliasType("BookingGroup", Literal["day", "channel", "patient", "service", "doctor"])
LeadTimeGroup = TypeAliasType("LeadTimeGroup", Literal["service", "doctor", "specialty", "day", "weekday"])
RowKey = Annotated[
    str,
    Field(
        description="What the row stands for: the id of a doctor or service, a date of the clinic, a weekday (`1` is Monday), an hour "
        "(`00` to `23`), or a word.",
        examples=["2026-03-09"],
    ),
]
RowName = Annotated[
    str | None,
    Field(
        description="The name of the doctor or service, null if it is not known, and in other rows.",
        examples=["Ada Weiss"],
    ),
]
Complete = Annotated[
    bool,
    Field(description="False if the calendar did not answer, or by specialty doctor-service, and what it knows is missing."),
]
Ratio = Annotated[float | None, Field(ge=0, examples=[0.8125])]


class UtilisationTotalOut(ReadModel):
    """Booked and offered minutes. `offered_minutes` is null if the calendar did not answer; `utilisation` also where nothing was offered.

    `utilisation` is above 1 where visits were booked over others or outside of the hours.
    """

    booked_minutes: int = Field(ge=0)
    offered_minutes: int | None = Field(ge=0)
    utilisation: Ratio


class UtilisationRowOut(UtilisationTotalOut):
    """The minutes of one row."""

    key: RowKey
    name: RowName


class NoShowTotalOut(ReadModel):
    """Missed visits, visits to which the patient came, and the part that was missed; null without any."""

    missed: int = Field(ge=0)
    attended: int = Field(ge=0)
    rate: Ratio


class NoShowRowOut(NoShowTotalOut):
    """The visits of one row."""

    key: RowKey
    name: RowName


class BookingTotalOut(ReadModel):
    """Bookings; those that were cancelled, declined or expired; and the others, by new and returning patients."""

    bookings: int = Field(ge=0)
    called_off: int = Field(ge=0)
    new: int = Field(ge=0)
    returning: int = Field(ge=0)


class BookingRowOut(BookingTotalOut):
    """The bookings of one row."""

    key: RowKey
    name: RowName


class LeadTimeTotalOut(ReadModel):
    """Visits whose booking time is known, and the whole days from booking to visit: median and 90th percentile, null without visits."""

    visits: int = Field(ge=0)
    median_days: float | None = Field(ge=0)
    p90_days: int | None = Field(ge=0)


class LeadTimeRowOut(LeadTimeTotalOut):
    """The visits of one row. `third_next_available_days` is the mean of what was noted once a day, null where nothing was."""

    key: RowKey
    name: RowName
    third_next_available_days: float | None = Field(ge=0)


class ReportOut(ReadModel):
    """What all reports have in common: the period, and the zone of its days and hours."""

    begins: Annotated[Instant, Field(serialization_alias="from")]
    ends: Annotated[Instant, Field(serialization_alias="to")]
    time_zone: str = Field(examples=["Europe/Berlin"])
    next: str | None = None
    complete: Complete


class UtilisationReportOut(ReportOut):
    """Booked by offered time."""

    group_by: UtilisationGroup
    items: list[UtilisationRowOut]
    total: UtilisationTotalOut


class NoShowReportOut(ReportOut):
    """Missed visits."""

    group_by: NoShowGroup
    items: list[NoShowRowOut]
    total: NoShowTotalOut


class BookingReportOut(ReportOut):
    """Bookings by the day of the visit, channel or patient."""

    group_by: BookingGroup
    items: list[BookingRowOut]
    total: BookingTotalOut


class LeadTimeReportOut(ReportOut):
    """How long patients wait for a visit."""

    group_by: LeadTimeGroup
    items: list[LeadTimeRowOut]
    total: LeadTimeTotalOut


class NextFreeTimeOut(ReadModel):
    """The next free start for a specialty, null if there is none up to the horizon of its services."""

    specialty: str
    starts_at: Instant | None


class OverviewOut(ReadModel):
    """The clinic's day until now: how many visits wait for approval, are expected, and what has become of the others.

    `arrived` are all patients who came, `waiting` those of them whose visit has not begun. `next_free` is null if the calendar did not
    answer.
    """

    date: str = Field(examples=["2026-03-09"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    generated_at: Instant
    requested: int = Field(ge=0)
    booked: int = Field(ge=0)
    arrived: int = Field(ge=0)
    waiting: int = Field(ge=0)
    in_progress: int = Field(ge=0)
    done: int = Field(ge=0)
    missed: int = Field(ge=0)
    cancelled: int = Field(ge=0)
    next_free: list[NextFreeTimeOut] | None
    complete: Complete
