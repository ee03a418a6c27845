"""auth-, doctor-, patient-, appointment- and scheduling-service over HTTP."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError

from admin_svc.domain.report_figures import ReportGroup
from admin_svc.domain.report_periods import ReportPeriod
from admin_svc.ports import AdminAppointment
from admin_svc.ports.reports import OfferedMinutes
from shared.contracts.availability import OfferedTime, ServiceAvailability, TimeUnit
from shared.contracts.booking_history import AppointmentSnapshots, SnapshotRequest, VisitRecord
from shared.contracts.http import AccountSummary, Actor, CreateAccount
from shared.contracts.pages import Page
from shared.contracts.refusals import NotFound, Refusal, Unavailable
from shared.contracts.relayed_refusals import NoSuchPatient
from shared.contracts.values import format_instant
from shared.kit.client import ServiceClient
from shared.kit.cursors import MAX_LIMIT

OFFERED_AT_ONCE, SERVICES_AT_ONCE, MAX_PAGES = 50, 10, 200
UNIT_OF_GROUP = {ReportGroup.DAY: TimeUnit.DAY, ReportGroup.WEEKDAY: TimeUnit.WEEKDAY, ReportGroup.HOUR: TimeUnit.HOUR}
"""By what the calendar sums offered minutes for a report; for the others in total."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpUserAccountClient:
    """Implements UserAccountClient."""

    service: ServiceClient

    async def create(self, account_id: UUID, request: CreateAccount) -> AccountSummary:
        try:
            return AccountSummary.model_validate(await self.service.call("PUT", f"/internal/accounts/{account_id}", body=request))
        except NotFound as refusal:
            if refusal.code == NoSuchPatient.code:
                raise NoSuchPatient from refusal
            raise

    async def get(self, account_id: UUID) -> AccountSummary:
        return await self.service.get(f"/internal/accounts/{account_id}", AccountSummary)

    async def list_accounts(self, **query: Any) -> Page[AccountSummary]:
        return await self.service.get("/internal/accounts", Page[AccountSummary], **query)

    async def update(self, account_id: UUID, changes: Mapping[str, Any], expected_version: int | None, change_id: UUID) -> AccountSummary:
        body = _with_expected_version({**changes, "change_id": str(change_id)}, expected_version)
        updated = await self.service.call("PATCH", f"/internal/accounts/{account_id}", body=body, is_repeatable=True)
        return AccountSummary.model_validate(updated)


@dataclass(frozen=True, slots=True)
class HttpDoctorProfileClient:
    """Implements DoctorProfileClient."""

    service: ServiceClient

    async def create(self, doctor_id: UUID, request: Mapping[str, Any]) -> None:
        await self.service.call("PUT", f"/internal/doctors/{doctor_id}", body=dict(request))

    async def prepare(self, doctor_id: UUID, request: Mapping[str, Any]) -> None:
        await self.service.call("PUT", f"/internal/pending-doctors/{doctor_id}", body=dict(request))

    async def discard(self, doctor_id: UUID) -> None:
        await self.service.call("DELETE", f"/internal/pending-doctors/{doctor_id}")

    async def rename(self, doctor_id: UUID, full_name: str) -> None:
        await self.service.call("PATCH", f"/internal/doctors/{doctor_id}", body={"full_name": full_name})


@dataclass(frozen=True, slots=True)
class HttpPatientNameClient:
    """Implements PatientNameClient."""

    service: ServiceClient

    async def rename(self, patient_id: UUID, full_name: str, by: Actor) -> None:
        body = {"full_name": full_name, "by": by.model_dump(mode="json")}
        await self.service.call("PATCH", f"/internal/patients/{patient_id}", body=body)


@dataclass(frozen=True, slots=True)
class HttpAppointmentClient:
    """Implements AppointmentClient."""

    service: ServiceClient

    async def get(self, appointment_id: UUID) -> AdminAppointment:
        return await self.service.get(f"/internal/appointments/{appointment_id}", AdminAppointment)

    async def list_appointments(self, **query: Any) -> Page[AdminAppointment]:
        return await self.service.get("/internal/appointments", Page[AdminAppointment], **query)

    async def update(
        self, appointment_id: UUID, changes: Mapping[str, Any], expected_version: int | None, by: Actor, operation_id: UUID
    ) -> AdminAppointment:
        body = _with_expected_version({**changes, **_operation(by, operation_id)}, expected_version)
        return AdminAppointment.model_validate(await self.service.call("PUT", f"/internal/appointments/{appointment_id}", body=body))

    async def cancel(self, appointment_id: UUID, by: Actor, operation_id: UUID) -> None:
        body = _operation(by, operation_id)
        await self.service.call("POST", f"/internal/appointments/{appointment_id}/cancel", body=body, is_repeatable=True)


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


def _operation(by: Actor, operation_id: UUID) -> dict[str, Any]:
    return {"by": by.model_dump(mode="json"), "operation_id": str(operation_id)}


def _with_expected_version(body: Mapping[str, Any], expected_version: int | None) -> dict[str, Any]:
    return dict(body) if expected_version is None else {**body, "expected_version": expected_version}
