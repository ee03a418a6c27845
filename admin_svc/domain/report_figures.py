"""The figures of the reports, from counted visits. Each function returns the rows of a report in the order of their keys.

A row has the `name` of its doctor or service where that is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.domain.report_visits import ARRIVED, CALLED_OFF, HELD
from shared.contracts.appointments import AppointmentStatus

UNKNOWN_KEY = "unknown"
LEAD_BUCKETS = ((0, "0"), (2, "1-2"), (7, "3-7"), (14, "8-14"), (30, "15-30"))
LONGEST_LEAD = "31+"


class VisitField(StrEnum):
    """What visits are counted by. `is_reminded`: a reminder was sent for the visit as it is. `is_first`: the patient has no earlier one."""

    STATUS = "status"
    DOCTOR = "doctor_id"
    SERVICE = "service_id"
    START = "starts_at"
    MINUTES = "minutes"
    CHANNEL = "channel"
    LEAD = "lead_days"
    CONFIRMED = "is_confirmed"
    REMINDED = "is_reminded"
    FIRST = "is_first"


@dataclass(frozen=True, slots=True)
class VisitCount:
    """How many visits have the same values of some fields."""

    values: Mapping[VisitField, Any]
    count: int

    @property
    def status(self) -> AppointmentStatus:
        """The status of these visits, if they are counted by it."""
        return AppointmentStatus(self.values[VisitField.STATUS])


class ReportGroup(StrEnum):
    """What the rows of a report stand for; each report allows some of these."""

    DOCTOR = "doctor"
    SERVICE = "service"
    SPECIALTY = "specialty"
    DAY = "day"
    WEEKDAY = "weekday"
    HOUR = "hour"
    CHANNEL = "channel"
    PATIENT = "patient"
    LEAD_TIME = "lead_time"
    REMINDER = "reminder"
    CONFIRMED = "confirmed"


FIELD_OF_GROUP: Mapping[ReportGroup, VisitField] = {
    ReportGroup.DOCTOR: VisitField.DOCTOR,
    ReportGroup.SERVICE: VisitField.SERVICE,
    ReportGroup.SPECIALTY: VisitField.SERVICE,
    ReportGroup.DAY: VisitField.START,
    ReportGroup.WEEKDAY: VisitField.START,
    ReportGroup.HOUR: VisitField.START,
    ReportGroup.CHANNEL: VisitField.CHANNEL,
    ReportGroup.PATIENT: VisitField.FIRST,
    ReportGroup.LEAD_TIME: VisitField.LEAD,
    ReportGroup.REMINDER: VisitField.REMINDED,
    ReportGroup.CONFIRMED: VisitField.CONFIRMED,
}
"""The field of a visit that decides to which row of a report it belongs."""


def key_of(group: ReportGroup, value: Any, period: ReportPeriod) -> str:
    """Return the key of the row to which visits with this value of the group's field belong."""
    match group:
        case ReportGroup.DAY:
            return period.day_of(value)
        case ReportGroup.WEEKDAY:
            return period.weekday_of(value)
        case ReportGroup.PATIENT:
            return "new" if value else "returning"
        case ReportGroup.REMINDER:
            return "sent" if value else "not_sent"
        case ReportGroup.CONFIRMED:
            return "confirmed" if value else "not_confirmed"
        case ReportGroup.LEAD_TIME:
            return lead_bucket(value)
    return str(value)


def lead_bucket(lead_days: int | None) -> str:
    """Return the bucket of whole days between booking and start, such as `3-7`."""
    if lead_days is None:
        return UNKNOWN_KEY
    return next((name for most, name in LEAD_BUCKETS if lead_days <= most), LONGEST_LEAD)


@dataclass(frozen=True, slots=True)
class UtilisationRow:
    """Minutes of booked visits, and minutes offered; None if the calendar does not know or did not answer."""

    key: str | None
    booked_minutes: int = 0
    offered_minutes: int | None = None
    name: str | None = None

    @property
    def utilisation(self) -> float | None:
        """Booked by offered time, above 1 where visits were booked over others; None where nothing was offered."""
        return ratio(self.booked_minutes, self.offered_minutes) if self.offered_minutes else None


@dataclass(frozen=True, slots=True)
class NoShowRow:
    """Visits that were missed, and visits to which the patient came. Others count in neither: cancelled ones, and those not recorded."""

    key: str | None
    missed: int = 0
    attended: int = 0
    name: str | None = None

    @property
    def rate(self) -> float | None:
        """The part of the visits that was missed; None without any."""
        return ratio(self.missed, self.missed + self.attended)


@dataclass(frozen=True, slots=True)
class BookingRow:
    """Bookings, and those among them that were called off: cancelled, declined or expired. The rest are for new or returning patients."""

    key: str | None
    bookings: int = 0
    called_off: int = 0
    new: int = 0
    returning: int = 0
    name: str | None = None


def ratio(part: int, whole: int | None) -> float | None:
    """Return a ratio to four digits, None for a whole of nothing."""
    return round(part / whole, 4) if whole else None


def utilisation_rows(booked: Mapping[str, int], offered: Mapping[str, int] | None) -> list[UtilisationRow]:
    """Return a row for each key with booked or offered minutes. Without an answer of the calendar (None) nothing offered is known."""
    keys = sorted(booked.keys() | (offered or {}).keys())
    return [UtilisationRow(key, booked.get(key, 0), None if offered is None else offered.get(key, 0)) for key in keys]


def booked_minutes(single: Iterable[VisitCount], seats: Iterable[VisitCount], group: ReportGroup, period: ReportPeriod) -> Counter[str]:
    """Return the booked minutes by key. `seats` are counted by session; each session counts once, with the longest of its seats."""
    minutes = Counter[str]()
    for counted in single:
        if counted.status in HELD:
            _add_minutes(minutes, counted.values, counted.count, group, period)
    sessions = dict[tuple[Any, ...], Mapping[VisitField, Any]]()
    for seat in seats:
        if seat.status in HELD:
            session = seat.values[VisitField.DOCTOR], seat.values[VisitField.SERVICE], seat.values[VisitField.START]
            if session not in sessions or sessions[session][VisitField.MINUTES] < seat.values[VisitField.MINUTES]:
                sessions[session] = seat.values
    for values in sessions.values():
        _add_minutes(minutes, values, 1, group, period)
    return minutes


def _add_minutes(minutes: Counter[str], values: Mapping[VisitField, Any], count: int, group: ReportGroup, period: ReportPeriod) -> None:
    if group is ReportGroup.HOUR:
        for hour, part in period.minutes_by_hour(values[VisitField.START], values[VisitField.MINUTES]):
            minutes[hour] += part * count
    else:
        minutes[key_of(group, values[FIELD_OF_GROUP[group]], period)] += values[VisitField.MINUTES] * count


def no_show_rows(counts: Iterable[VisitCount], group: ReportGroup, period: ReportPeriod) -> list[NoShowRow]:
    """Return how many visits were missed and attended, by key."""
    rows = dict[str, NoShowRow]()
    for counted in counts:
        is_missed, is_attended = counted.status is AppointmentStatus.MISSED, counted.status in ARRIVED
        if is_missed or is_attended:
            key = key_of(group, counted.values[FIELD_OF_GROUP[group]], period)
            row = rows.get(key, NoShowRow(key))
            rows[key] = replace(row, missed=row.missed + counted.count * is_missed, attended=row.attended + counted.count * is_attended)
    return [rows[key] for key in sorted(rows)]


def no_show_total(rows: Iterable[NoShowRow]) -> NoShowRow:
    """Return the sum of rows."""
    listed = list(rows)
    return NoShowRow(None, sum(row.missed for row in listed), sum(row.attended for row in listed))


def booking_rows(counts: Iterable[VisitCount], group: ReportGroup, period: ReportPeriod) -> list[BookingRow]:
    """Return how many visits were booked, by key of the group."""
    rows = dict[str, BookingRow]()
    for counted in counts:
        key = key_of(group, counted.values[FIELD_OF_GROUP[group]], period)
        rows[key] = _with_bookings(rows.get(key, BookingRow(key)), counted)
    return [rows[key] for key in sorted(rows)]


def _with_bookings(row: BookingRow, counted: VisitCount) -> BookingRow:
    is_called_off, is_first = counted.status in CALLED_OFF, bool(counted.values[VisitField.FIRST])
    return replace(
        row,
        bookings=row.bookings + counted.count,
        called_off=row.called_off + counted.count * is_called_off,
        new=row.new + counted.count * (is_first and not is_called_off),
        returning=row.returning + counted.count * (not is_first and not is_called_off),
    )


def booking_total(rows: Iterable[BookingRow]) -> BookingRow:
    """Return the sum of rows."""
    listed = list(rows)
    return BookingRow(
        None,
        bookings=sum(row.bookings for row in listed),
        called_off=sum(row.called_off for row in listed),
        new=sum(row.new for row in listed),
        returning=sum(row.returning for row in listed),
    )


@dataclass(frozen=True, slots=True)
class DayCounts:
    """The visits of one day by what has become of them until now. `arrived` are all to which the patient came, `waiting` those of whom
    the visit has not begun."""

    requested: int
    booked: int
    arrived: int
    waiting: int
    in_progress: int
    done: int
    missed: int
    cancelled: int

    @classmethod
    def of(cls, counts: Iterable[VisitCount]) -> DayCounts:
        """Return the counts of a day from visits that are counted by status."""
        by_status = Counter[AppointmentStatus]()
        for counted in counts:
            by_status[counted.status] += counted.count
        status = AppointmentStatus
        return cls(
            requested=by_status[status.REQUESTED],
            booked=by_status[status.BOOKED],
            arrived=sum(by_status[arrived] for arrived in ARRIVED),
            waiting=by_status[status.CHECKED_IN],
            in_progress=by_status[status.IN_PROGRESS],
            done=by_status[status.COMPLETED],
            missed=by_status[status.MISSED],
            cancelled=by_status[status.CANCELLED],
        )
