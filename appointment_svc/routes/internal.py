"""What neighbours ask appointment-service."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import NoSuchAppointment, TooEarly
from appointment_svc.routes.actions import MOVED, STEP
from appointment_svc.routes.appointments import Filtered, UseChanges, UseRecords, place
from appointment_svc.schemas import AppointmentOut, CancelFor, SetAppointment
from appointment_svc.usecases.change import Act
from shared.contracts.identity import Caller, Service
from shared.kit import routes
from shared.kit.access import require_services
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals

router = routes.service_router(prefix="/internal/appointments", internal=True)
AdminService = Annotated[Caller, Depends(require_services(Service.ADMIN))]


@router.get("", response_model=Page[AppointmentOut], responses=refusals(BadCursor))
async def list_for_admin(_caller: AdminService, paging: Paged, wanted: Filtered, records: UseRecords) -> Page[Appointment]:
    return paging.page(await records.listed(None, wanted, paging.limit, paging.after), lambda one: place(wanted.sort, one))


@router.get("/{appointment_id}", response_model=AppointmentOut, responses=refusals(NoSuchAppointment))
async def get_for_admin(appointment_id: UUID, _caller: AdminService, records: UseRecords) -> Appointment:
    return await records.one(None, appointment_id)


@router.put("/{appointment_id}", response_model=AppointmentOut, responses=refusals(*MOVED, TooEarly))
async def set_for_admin(
    appointment_id: UUID, body: SetAppointment, _caller: AdminService, once: OperationId, changes: UseChanges
) -> Appointment:
    act = Act(body.by.caller, appointment_id, body.expected_version, once.id)
    return await changes.set(act, body.starts_at, body.doctor_id, body.target, body.reason)


@router.post("/{appointment_id}/cancel", response_model=AppointmentOut, responses=refusals(*STEP))
async def cancel_for_admin(
    appointment_id: UUID, body: CancelFor, _caller: AdminService, once: OperationId, changes: UseChanges
) -> Appointment:
    return await changes.cancel(Act(body.by.caller, appointment_id, None, once.id), body.reason)
