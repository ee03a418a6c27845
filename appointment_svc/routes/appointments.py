"""Booking, finding and amending appointments over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.calendars import as_calendar
from appointment_svc.domain.refusals import (
    DoctorInactive,
    DoctorNotAccepting,
    HoldExpired,
    HoldMismatch,
    NoSuchAppointment,
    NoSuchDoctor,
    NoSuchPatient,
    NoSuchService,
    NotBookable,
    PatientBusy,
    PatientInactive,
    PatientRequired,
    ServiceInactive,
    SlotHeld,
    SlotTaken,
    TooManyActive,
)
from appointment_svc.domain.transitions import Status
from appointment_svc.ports import AppointmentFilter, Sort
from appointment_svc.schemas import AmendAppointment, AppointmentOut, BookAppointment, HistoryOut
from appointment_svc.usecases.actions import ActionContext, AppointmentActions
from appointment_svc.usecases.book import Booking
from appointment_svc.usecases.queries import AppointmentQueries
from shared.contracts.refusals import PreconditionRequired, Stale, Unavailable
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import Account, IfMatch, OperationId, PatientOrStaff, RequireIfMatch
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.problems import refusals

router = routes.service_router(prefix="/appointments", tags=["Appointments"])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATUS_CODES = {Status.PENDING: 202}
BOOKING = (
    PatientRequired, NotBookable, NoSuchPatient, NoSuchDoctor, NoSuchService, ServiceInactive, DoctorInactive, DoctorNotAccepting,
    PatientInactive, TooManyActive, SlotTaken, SlotHeld, HoldMismatch, HoldExpired, PatientBusy, Unavailable,
)  # fmt: skip


def _booking(request: Request) -> Booking:
    booking: Booking = request.app.state.booking
    return booking


def _actions(request: Request) -> AppointmentActions:
    actions: AppointmentActions = request.app.state.actions
    return actions


def _queries(request: Request) -> AppointmentQueries:
    queries: AppointmentQueries = request.app.state.queries
    return queries


def _filter(
    status: Annotated[list[Status] | None, Query(max_length=20)] = None,
    doctor_id: Annotated[list[UUID] | None, Query(max_length=50)] = None,
    patient_id: Annotated[list[UUID] | None, Query(max_length=50)] = None,
    service_id: Annotated[list[UUID] | None, Query(max_length=50)] = None,
    begins: Annotated[Instant | None, Query(alias="from")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included.")] = None,
    sort: Annotated[Sort, Query(description="`refused` ones are listed only when their status is asked for.")] = "starts_at",
) -> AppointmentFilter:
    people = tuple(doctor_id or ()), tuple(patient_id or ())
    return AppointmentFilter(tuple(status or ()), *people, tuple(service_id or ()), begins, ends, sort)


def _context(appointment_id: UUID, caller: Account, expected_version: IfMatch, operation: OperationId) -> ActionContext:
    return ActionContext(caller, appointment_id, expected_version, operation.id)


UseBooking = Annotated[Booking, Depends(_booking)]
UseActions = Annotated[AppointmentActions, Depends(_actions)]
UseQueries = Annotated[AppointmentQueries, Depends(_queries)]
Filtered = Annotated[AppointmentFilter, Depends(_filter)]
Context = Annotated[ActionContext, Depends(_context)]


def cursor_key(sort: Sort, appointment: Appointment) -> tuple[object, ...]:
    """Return the sort value in microseconds since 1970, and the id."""
    instant = appointment.starts_at if sort.endswith("starts_at") else appointment.created_at
    return (instant - EPOCH) // timedelta(microseconds=1), appointment.id


@router.post("", response_model=AppointmentOut, status_code=201, responses=refusals(*BOOKING), summary="Book an appointment")
async def book_appointment(
    body: BookAppointment, caller: PatientOrStaff, operation: OperationId, booking: UseBooking, response: Response
) -> Appointment:
    """201 when the time is granted; 202 with status `pending` when the calendar did not answer in time: settled within a minute."""
    return _with_status_code(await booking.book(body, caller, operation.id), response)


@router.get("", response_model=Page[AppointmentOut], responses=refusals(BadCursor), summary="Appointments that one may see")
async def list_appointments(caller: Account, paging: Paged, wanted: Filtered, queries: UseQueries) -> Page[Appointment]:
    """Patients see their own, doctors their patients' with them, staff all."""
    return paging.page(
        await queries.list_matching(caller, wanted, paging.limit, paging.after), lambda appointment: cursor_key(wanted.sort, appointment)
    )


@router.get("/{appointment_id}", response_model=AppointmentOut, responses=refusals(NoSuchAppointment), summary="One appointment")
async def get_appointment(appointment_id: UUID, caller: Account, queries: UseQueries) -> Appointment:
    return await queries.get(caller, appointment_id)


@router.get("/{appointment_id}/history", response_model=HistoryOut, responses=refusals(NoSuchAppointment), summary="What became of it")
async def get_appointment_history(appointment_id: UUID, caller: Account, queries: UseQueries) -> HistoryOut:
    return HistoryOut.model_validate({"items": (await queries.get(caller, appointment_id)).history})


@router.get("/{appointment_id}/calendar.ics", responses=refusals(NoSuchAppointment), summary="The appointment as an iCalendar file")
async def get_appointment_calendar(appointment_id: UUID, caller: Account, queries: UseQueries) -> Response:
    return Response(as_calendar(await queries.get(caller, appointment_id)), media_type="text/calendar; charset=utf-8")


@router.patch(
    "/{appointment_id}",
    response_model=AppointmentOut,
    responses=refusals(NoSuchAppointment, Stale, PreconditionRequired, Unavailable),
    summary="Change reason or intake",
)
async def amend_appointment(
    appointment_id: UUID,
    body: AmendAppointment,
    caller: Account,
    expected_version: RequireIfMatch,
    operation: OperationId,
    actions: UseActions,
) -> Appointment:
    return await actions.amend(ActionContext(caller, appointment_id, expected_version, operation.id), body.fields)


def _with_status_code(appointment: Appointment, response: Response) -> Appointment:
    response.status_code = STATUS_CODES.get(appointment.status, 201)
    return appointment
