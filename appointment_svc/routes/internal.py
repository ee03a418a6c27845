"""Routes for admin-service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import NoSuchAppointment, TooEarly
from appointment_svc.routes.actions import MOVED, STEP
from appointment_svc.routes.appointments import Filtered, UseActions, UseQueries, cursor_key
from appointment_svc.schemas import AppointmentOut, CancelForAdmin, EditAppointment
from appointment_svc.usecases.actions import ActionContext
from shared.contracts.identity import Caller, Service
from shared.kit import routes
from shared.kit.access import OperationId, require_services
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals

router = routes.service_router(prefix="/internal/appointments", internal=True)
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]


@router.get("", response_model=Page[AppointmentOut], responses=refusals(BadCursor))
async def list_for_admin(_caller: AdminService, paging: Paged, wanted: Filtered, queries: UseQueries) -> Page[Appointment]:
    return paging.page(
        await queries.list_matching(None, wanted, paging.limit, paging.after), lambda appointment: cursor_key(wanted.sort, appointment)
    )


@router.get("/{appointment_id}", response_model=AppointmentOut, responses=refusals(NoSuchAppointment))
async def get_for_admin(appointment_id: UUID, _caller: AdminService, queries: UseQueries) -> Appointment:
    return await queries.get(None, appointment_id)


@router.put("/{appointment_id}", response_model=AppointmentOut, responses=refusals(*MOVED, TooEarly))
async def edit_for_admin(
    appointment_id: UUID, body: EditAppointment, _caller: AdminService, operation: OperationId, actions: UseActions
) -> Appointment:
    context = ActionContext(body.by.caller, appointment_id, body.expected_version, operation.id)
    return await actions.edit(context, starts_at=body.starts_at, doctor_id=body.doctor_id, status=body.new_status, reason=body.reason)


@router.post("/{appointment_id}/cancel", response_model=AppointmentOut, responses=refusals(*STEP))
async def cancel_for_admin(
    appointment_id: UUID, body: CancelForAdmin, _caller: AdminService, operation: OperationId, actions: UseActions
) -> Appointment:
    return await actions.cancel(ActionContext(body.by.caller, appointment_id, None, operation.id), body.reason)
