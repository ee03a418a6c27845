"""Routes for the services that copy appointments: patient-service for the booking history, admin-service for the reports.

patient-service also exports what the clinic has of a patient.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.visit_records import visit_records
from appointment_svc.ports import AppointmentFilter
from appointment_svc.routes.dependencies import UseQueries
from appointment_svc.schemas import ExportedAppointmentOut
from appointment_svc.usecases.booking_history import BookingHistorySource
from shared.contracts.appointments import AppointmentStatus
from shared.contracts.booking_history import AppointmentSnapshots, SnapshotRequest, VisitRecord
from shared.contracts.identity import Caller, Service
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.paging import BadCursor, Page, Paged, parse_sort_key
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/internal", internal=True)
PatientService = Annotated[Caller, Depends(require_services(Service.PATIENT))]
CopyingService = Annotated[Caller, Depends(require_services(Service.PATIENT, Service.ADMIN))]
UseHistorySource = Annotated[BookingHistorySource, use_case(BookingHistorySource)]


@router.get("/visits", response_model=Page[VisitRecord], responses=refusals(BadCursor))
async def list_visits(_caller: CopyingService, paging: Paged, source: UseHistorySource) -> Page[VisitRecord]:
    """All appointments about which events were published, by id. A page with fewer items than `limit` may be followed by others."""
    after = parse_sort_key(paging.after, UUID)[0] if paging.after else None
    page = paging.page(await source.list_by_id(paging.limit, after), lambda appointment: (appointment.id,))
    readable = [appointment for appointment in page.items if isinstance(appointment, Appointment)]
    return Page(items=visit_records(readable), next=page.next)


@router.post("/appointment-snapshots", response_model=AppointmentSnapshots)
async def list_snapshots(body: SnapshotRequest, _caller: CopyingService, source: UseHistorySource) -> AppointmentSnapshots:
    """What the appointments that exist among the ids show of service and doctor."""
    return await source.list_snapshots(body.ids)


@router.get("/patients/{patient_id}/appointments", response_model=Page[ExportedAppointmentOut], responses=refusals(BadCursor))
async def export_appointments(patient_id: UUID, _caller: PatientService, paging: Paged, queries: UseQueries) -> Page[Appointment]:
    """All appointments of a patient, refused ones too, with texts and all changes, by their start."""
    wanted = AppointmentFilter(statuses=tuple(AppointmentStatus), patient_ids=(patient_id,))
    appointments = await queries.list_matching(None, wanted, paging.limit, paging.after)
    return paging.page([row.without_staff_details() for row in appointments.rows], wanted.sort_key)
