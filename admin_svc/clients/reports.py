"""What the reports need of appointment-, scheduling- and doctor-service, over HTTP."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError

from admin_svc.domain.report_figures import ReportGroup
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.ports.reports import OfferedMinutes
from shared.contracts.availability import OfferedTime, ServiceAvailability, TimeUnit
from shared.contracts.booking_history import AppointmentSnapshots, SnapshotRequest, VisitRecord
from shared.contracts.names import FoundNames, NameRequest
from shared.contracts.pages import Page
from shared.contracts.refusals import Refusal, Unavailable
from shared.contracts.values import format_instant
from shared.kit.client import ServiceClient
from shared.kit.cursors import MAX_LIMIT

OFFERED_AT_ONCE, SERVICES_AT_ONCE, MAX_PAGES = 50, 10, 200
UNIT_OF_GROUP = {ReportGroup.DAY: TimeUnit.DAY, ReportGroup.WEEKDAY: TimeUnit.WEEKDAY, ReportGroup.HOUR: TimeUnit.HOUR}
"""By what the calendar sums offered minutes for a report; for the others in total."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpVisitSource:
    """Implements RebuildSource: the list of all appointments at appointment-service."""

    service: ServiceClient

    async def list_page(self, cursor: str | None) -> Page[VisitRecord]:
        try:
            return await self.service.get("/internal/visits", Page[VisitRecord], limit=MAX_LIMIT, after=cursor)
        except (Refusal, ValidationError) as error:
            raise Unavailable("The appointments are not available.", retry_after=2) from error

    async def list_existing(self, ids: Sequence[UUID]) -> Collection[UUID]:
        body = SnapshotRequest(ids=list(ids)).model_dump(mode="json")
        try:
            response = await self.service.call("POST", "/internal/appointment-snapshots", body=body, is_repeatable=True)
            return {snapshot.appointment_id for snapshot in AppointmentSnapshots.model_validate(response).items}
        except (Refusal, ValidationError) as error:
            raise Unavailable("The appointments are not available.", retry_after=2) from error


@dataclass(frozen=True, slots=True)
class HttpAvailabilityClient:
    """Implements AvailabilityClient."""

    service: ServiceClient

    async def list_offered(self, period: ReportPeriod, group: ReportGroup) -> OfferedMinutes:
        unit = UNIT_OF_GROUP.get(group, TimeUnit.TOTAL)
        bounds = {"from": format_instant(period.begins), "to": format_instant(period.ends)}
        return OfferedMinutes(
            await self._list_all(
                "/internal/offered-time", Page[OfferedTime], OFFERED_AT_ONCE, **bounds, time_zone=period.time_zone, unit=unit
            )
        )

    async def list_next_available(self, count: int) -> list[ServiceAvailability]:
        return await self._list_all("/internal/available-appointments", Page[ServiceAvailability], SERVICES_AT_ONCE, count=count)

    async def _list_all(self, path: str, page_type: type[Page[T]], limit: int, **query: Any) -> list[T]:
        """Return the items of all pages, MAX_PAGES at most."""
        items, cursor = list[T](), None
        try:
            for _ in range(MAX_PAGES):
                page = await self.service.get(path, page_type, limit=limit, after=cursor, **query)
                items += page.items
                if (cursor := page.next) is None:
                    return items
        except (Refusal, ValidationError) as error:
            raise Unavailable("The calendar is not available.", retry_after=2) from error
        raise Unavailable("The calendar has too many doctors or services for one report.", retry_after=2)


@dataclass(frozen=True, slots=True)
class HttpNameClient:
    """Implements NameClient."""

    service: ServiceClient

    async def find(self, doctor_ids: Sequence[UUID], service_ids: Sequence[UUID]) -> FoundNames:
        body = NameRequest(doctor_ids=list(doctor_ids), service_ids=list(service_ids)).model_dump(mode="json")
        try:
            answer = await self.service.call("POST", "/internal/names", body=body, is_repeatable=True)
            return FoundNames.model_validate(answer)
        except (Refusal, ValidationError) as error:
            raise Unavailable("The names are not available.", retry_after=2) from error
