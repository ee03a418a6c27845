"""Routes for admin-service; patient-service reads the list, too."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import NoSuchAppointment, PatientInactive, TooEarly
from appointment_svc.routes.actions import MOVE_REFUSALS, STATUS_REFUSALS
from appointment_svc.routes.dependencies import Filter, UseActions, UseQueries
from appointment_svc.schemas import AppointmentOut, CancelForAdmin, EditAppointment, LookedUpAppointments
from appointment_svc.usecases.actions import ActionContext
from shared.contracts.identity import Caller, Service
from shared.contracts.moves import AppointmentIds
from shared.contracts.ranges import RangeReversed
from shared.contracts.relayed_refusals import OverrideNotAllowed
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_next_link

router = routes.service_router(prefix="/internal/appointments", internal=True)
EDIT_REFUSALS = (*MOVE_REFUSALS, PatientInactive, TooEarly, OverrideNotAllowed)
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]
ListingService = Annotated[Caller, Depends(require_services(Service.ADMIN, Service.PATIENT))]


@router.get("", response_model=Page[AppointmentOut], responses=refusals(BadCursor, RangeReversed))
async def list_for_services(
    _caller: ListingService, paging: Paged, wanted: Filter, queries: UseQueries, request: Request, response: Response
) -> Page[Appointment]:
    appointments = await queries.list_matching(None, wanted, paging.limit, paging.after)
    return with_next_link(request, response, paging.page(appointments.rows, wanted.sort_key))


@router.post("/lookup", response_model=LookedUpAppointments, summary="Get some appointments by their ids")
async def look_up_for_admin(body: AppointmentIds, _caller: AdminService, queries: UseQueries) -> LookedUpAppointments:
    return LookedUpAppointments.model_validate({"items": await queries.find_many(body.ids)})


@router.get("/{appointment_id}", response_model=AppointmentOut, responses=refusals(NoSuchAppointment))
async def get_for_admin(appointment_id: UUID, _caller: AdminService, queries: UseQueries, response: Response) -> Appointment:
    return with_etag(response, await queries.get(None, appointment_id))


@router.put("/{appointment_id}", response_model=AppointmentOut, responses=refusals(*EDIT_REFUSALS))
async def edit_for_admin(
    appointment_id: UUID, body: EditAppointment, _caller: AdminService, operation: OperationId, actions: UseActions, response: Response
) -> Appointment:
    context = ActionContext(body.by.caller, appointment_id, body.expected_version, body.operation_id or operation.id)
    edited = await actions.edit(
        context,
        starts_at=body.starts_at,
        doctor_id=body.doctor_id,
        status=body.new_status,
        reason=body.reason,
        override=body.override,
    )
    return with_etag(response, edited)


@router.post("/{appointment_id}/cancel", response_model=AppointmentOut, responses=refusals(*STATUS_REFUSALS))
async def cancel_for_admin(
    appointment_id: UUID, body: CancelForAdmin, _caller: AdminService, operation: OperationId, actions: UseActions, response: Response
) -> Appointment:
    context = ActionContext(body.by.caller, appointment_id, None, body.operation_id or operation.id)
    return with_etag(response, await actions.cancel(context, body.reason))
