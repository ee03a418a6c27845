"""What scheduling-service sends to admin-service for the reports: the time that doctors offer, and the next free appointments."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from shared.contracts.values import Instant, ReadModel

MAX_NEXT = 3
"""The largest number of next free appointments in one answer."""


class TimeUnit(StrEnum):
    """By what the minutes that a doctor offers are summed: in total, or by the date, weekday or hour of a clock."""

    TOTAL = "total"
    DAY = "day"
    WEEKDAY = "weekday"
    HOUR = "hour"


class OfferedTime(ReadModel):
    """The minutes that a doctor offers in a range: working hours without leaves and closures.

    The keys of `minutes` are `total`, dates (`2026-03-09`), weekdays (`1` for Monday to `7`) or hours (`00` to `23`).
    """

    doctor_id: UUID
    service_ids: list[UUID]
    minutes: dict[str, int]


class DoctorAvailability(ReadModel):
    """The first free appointments of a doctor for a service, one after the other, in UTC."""

    doctor_id: UUID
    starts: list[Instant]


class ServiceAvailability(ReadModel):
    """The first free appointments for a service with any doctor, and with more than one, also with each doctor who offers it."""

    service_id: UUID
    specialty: str | None
    starts: list[Instant]
    doctors: list[DoctorAvailability]
