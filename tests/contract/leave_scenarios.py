"""Helpers of the tests of leaves: appointments by number, a leave with decisions about them, and the slots afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from scheduling_svc.domain.claims import BookedSlot
from scheduling_svc.domain.leaves import AffectedAppointment, Leave, LeaveAction, LeaveDecision
from shared.contracts.http import Reservation
from shared.contracts.identity import Caller, Role
from tests.contract.interleaving import repeat_until_decided
from tests.property.calendar_use_cases import CalendarUseCases
from tests.unit.scheduling.builders import COLLEAGUE, DOCTOR, NINE, NOON, a_reservation_request

HALF = timedelta(minutes=30)
Time = tuple[datetime, datetime]
MORNING: Time = (NINE, NINE + 6 * HALF)


def appointment_id(number: int) -> UUID:
    """Return the id of an appointment."""
    return UUID(int=number)


def patient(number: int) -> UUID:
    return UUID(int=10_000 + number)


async def book(use_cases: CalendarUseCases, number: int, start: datetime = NINE, **request: Any) -> Reservation:
    """Book for the patient with this number; try again while the database is too busy."""
    requested = a_reservation_request(**{"patient_id": patient(number), "starts_at": start} | request)
    return await repeat_until_decided(lambda: use_cases.reservations.reserve(appointment_id(number), requested))


def keep(number: int) -> LeaveDecision:
    return LeaveDecision(appointment_id(number), LeaveAction.KEEP)


def cancel(number: int) -> LeaveDecision:
    return LeaveDecision(appointment_id(number), LeaveAction.CANCEL)


def move(number: int, start: datetime, doctor: UUID = COLLEAGUE) -> LeaveDecision:
    return LeaveDecision(appointment_id(number), LeaveAction.MOVE, doctor, start)


def a_leave(outcomes: Sequence[LeaveDecision] = (), number: int = 900, doctor: UUID = DOCTOR, time: Time = MORNING) -> Leave:
    return Leave(appointment_id(number), doctor, *time, "Away", doctor, NOON, tuple(outcomes))


async def take(
    use_cases: CalendarUseCases, *outcomes: LeaveDecision, number: int = 900, doctor: UUID = DOCTOR, time: Time = MORNING
) -> Leave:
    leave = a_leave(outcomes, number, doctor, time)
    return await repeat_until_decided(lambda: use_cases.leaves.take(leave, Caller(doctor, Role.DOCTOR)))


async def preview(use_cases: CalendarUseCases, doctor: UUID = DOCTOR, time: Time = MORNING) -> list[AffectedAppointment]:
    return await use_cases.leaves.preview(doctor, *time, Caller(doctor, Role.DOCTOR))


async def list_slots_by_number(use_cases: CalendarUseCases) -> dict[int, BookedSlot]:
    """Return the slot of every appointment, by number."""
    return {claim.id.int: claim.slot for claim in await use_cases.store.list_live_claims(1000, None) if claim.slot}
