"""Notifying the calendar of a committed change at once, so that the free times which the caller lists next show it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from doctor_svc.domain.doctors import Doctor
from doctor_svc.domain.service_types import ServiceType
from doctor_svc.ports import CalendarClient
from shared.contracts.http import VisitsOutsideHours
from shared.contracts.refusals import Refusal
from shared.kit.deadlines import shorten_deadline
from shared.kit.logs import log_event

MAX_WAIT_SECONDS = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CalendarFollower:
    """Lets the calendar follow a change before the event of the change arrives there.

    The change is committed already. A calendar that does not answer within MAX_WAIT_SECONDS follows by the event.
    """

    client: CalendarClient

    async def follow_doctor(self, doctor: Doctor) -> None:
        """Let the calendar follow a doctor's new rules."""
        await self._ask(doctor.id, lambda: self.client.follow_doctor(doctor.id, doctor.rules().version))

    async def follow_service_type(self, service_type: ServiceType) -> None:
        """Let the calendar follow a service type's new rules."""
        await self._ask(service_type.id, lambda: self.client.follow_service(service_type.id, service_type.version))

    async def find_visits_outside_hours(self, doctor: Doctor) -> VisitsOutsideHours | None:
        """Let the calendar follow a doctor's new hours; return the booked visits outside them, or None if it does not answer."""
        return await self._ask(doctor.id, lambda: self.client.list_visits_outside_hours(doctor.id, doctor.rules().version))

    async def _ask(self, item_id: UUID, call: Callable[[], Awaitable[T]]) -> T | None:
        try:
            with shorten_deadline(MAX_WAIT_SECONDS):
                return await call()
        except Refusal as refusal:
            log_event("calendar_not_told", logging.WARNING, item_id=item_id, code=refusal.code)
            return None
