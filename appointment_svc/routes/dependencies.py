"""FastAPI dependencies that several routes of appointment-service share."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.ports import AppointmentFilter
from appointment_svc.usecases.actions import ActionContext, AppointmentActions
from appointment_svc.usecases.book import Booking
from appointment_svc.usecases.queries import AppointmentQueries
from shared.contracts.appointments import AppointmentSort
from shared.contracts.identity import Caller, Role, Scope
from shared.contracts.values import Instant
from shared.kit.access import EVERY_ROLE, RequireRole
from shared.kit.clinic_settings import ClinicFollower
from shared.kit.idempotency import OperationId
from shared.kit.preconditions import IfMatch
from shared.kit.use_cases import use_case

WRITE = Scope.APPOINTMENTS_WRITE
Reader = Annotated[Caller, Depends(RequireRole(*EVERY_ROLE, scope=Scope.APPOINTMENTS_READ))]
Writer = Annotated[Caller, Depends(RequireRole(*EVERY_ROLE, scope=WRITE))]
BookingCaller = Annotated[Caller, Depends(RequireRole(Role.PATIENT, Role.RECEPTION, Role.ADMIN, scope=WRITE))]
ClinicCaller = Annotated[Caller, Depends(RequireRole(Role.DOCTOR, Role.RECEPTION, Role.ADMIN, scope=WRITE))]
DeskCaller = Annotated[Caller, Depends(RequireRole(Role.RECEPTION, Role.ADMIN, scope=WRITE))]
MAX_IDS = 40  # per parameter, so that a URL with all of them and the longest cursor is not too long for the gateway


def _filter(
    status: Annotated[list[AppointmentStatus] | None, Query(max_length=20)] = None,
    doctor_id: Annotated[list[UUID] | None, Query(max_length=MAX_IDS)] = None,
    patient_id: Annotated[list[UUID] | None, Query(max_length=MAX_IDS)] = None,
    service_id: Annotated[list[UUID] | None, Query(max_length=MAX_IDS)] = None,
    begins: Annotated[Instant | None, Query(alias="from")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included.")] = None,
    sort: Annotated[
        AppointmentSort, Query(description="Appointments that are `refused` are listed only when this status is requested.")
    ] = "starts_at",
) -> AppointmentFilter:
    return AppointmentFilter(
        statuses=tuple(status or ()),
        doctor_ids=tuple(doctor_id or ()),
        patient_ids=tuple(patient_id or ()),
        service_ids=tuple(service_id or ()),
        begins=begins,
        ends=ends,
        sort=sort,
    )


def _context(appointment_id: UUID, caller: Writer, expected_version: IfMatch, operation: OperationId) -> ActionContext:
    return ActionContext(caller, appointment_id, expected_version, operation.id)


UseBooking = Annotated[Booking, use_case(Booking)]
UseActions = Annotated[AppointmentActions, use_case(AppointmentActions)]
UseQueries = Annotated[AppointmentQueries, use_case(AppointmentQueries)]
UseClinic = Annotated[ClinicFollower, use_case(ClinicFollower)]
Filter = Annotated[AppointmentFilter, Depends(_filter)]
Context = Annotated[ActionContext, Depends(_context)]
