"""What the suites of leaves share: appointments by number, a leave that decides about them, and what stands afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from scheduling_svc.domain.claims import Place
from scheduling_svc.domain.leaves import Action, Affected, Decision, Leave
from shared.contracts.http import Reservation
from shared.contracts.identity import Caller, Role
from shared.kit.retry import retry_transaction
from tests.property.desk import Desk
from tests.unit.scheduling.builders import COLLEAGUE, DOCTOR, NINE, NOON, a_wish

HALF = timedelta(minutes=30)
Time = tuple[datetime, datetime]
MORNING: Time = (NINE, NINE + 6 * HALF)


def one(number: int) -> UUID:
    """An appointment's id."""
    return UUID(int=number)


def patient(number: int) -> UUID:
    return UUID(int=10_000 + number)


async def book(desk: Desk, number: int, start: datetime = NINE, **wish: Any) -> Reservation:
    """As often as it takes, for the patient of that number."""
    wanted = a_wish(**{"patient_id": patient(number), "starts_at": start} | wish)
    return await retry_transaction(lambda: desk.reservations.reserve(one(number), wanted), attempts=50)


def keep(number: int) -> Decision:
    return Decision(one(number), Action.KEEP)


def cancel(number: int) -> Decision:
    return Decision(one(number), Action.CANCEL)


def move(number: int, start: datetime, doctor: UUID = COLLEAGUE) -> Decision:
    return Decision(one(number), Action.MOVE, doctor, start)


def a_leave(outcomes: Sequence[Decision] = (), number: int = 900, doctor: UUID = DOCTOR, time: Time = MORNING) -> Leave:
    return Leave(one(number), doctor, *time, "Away", doctor, NOON, tuple(outcomes))


async def take(desk: Desk, *outcomes: Decision, number: int = 900, doctor: UUID = DOCTOR, time: Time = MORNING) -> Leave:
    leave = a_leave(outcomes, number, doctor, time)
    return await retry_transaction(lambda: desk.leaves.take(leave, Caller(doctor, Role.DOCTOR)), attempts=50)


async def preview(desk: Desk, doctor: UUID = DOCTOR, time: Time = MORNING) -> list[Affected]:
    return await desk.leaves.preview(doctor, *time, Caller(doctor, Role.DOCTOR))


async def places(desk: Desk) -> dict[int, Place]:
    """Where the appointments stand."""
    return {claim.id.int: claim.place for claim in await desk.store.reservations(1000, None) if claim.place}
