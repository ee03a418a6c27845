"""Booking, finding and amending appointments over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.calendars import as_calendar
from appointment_svc.domain.moves import Status
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
from appointment_svc.ports import Filter, Sort
from appointment_svc.schemas import AmendAppointment, AppointmentOut, BookAppointment, HistoryOut
from appointment_svc.usecases.book import Booking
from appointment_svc.usecases.change import Act, Changes
from appointment_svc.usecases.find import Records
from shared.contracts.refusals import PreconditionRequired, Stale, Unavailable
from shared.contracts.values import Instant
from shared.kit import routes
from shared.kit.access import Account, PatientOrStaff
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Page, Paged
from shared.kit.preconditions import IfMatch, RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.use_cases import use_case

router = routes.service_router(prefix="/appointments", tags=["Appointments"])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATUS_CODES = {Status.PENDING: 202}
BOOKING = (
    PatientRequired, NotBookable, NoSuchPatient, NoSuchDoctor, NoSuchService, ServiceInactive, DoctorInactive, DoctorNotAccepting,
    PatientInactive, TooManyActive, SlotTaken, SlotHeld, HoldMismatch, HoldExpired, PatientBusy, Unavailable,
)  # fmt: skip


def _filter(
    status: Annotated[list[Status] | None, Query(max_length=20)] = None,
    doctor_id: Annotated[list[UUID] | None, Query(max_length=50)] = None,
    patient_id: Annotated[list[UUID] | None, Query(max_length=50)] = None,
    service_id: Annotated[list[UUID] | None, Query(max_length=50)] = None,
    begins: Annotated[Instant | None, Query(alias="from")] = None,
    ends: Annotated[Instant | None, Query(alias="to", description="Not included.")] = None,
    sort: Annotated[Sort, Query(description="`refused` ones are listed only when their status is asked for.")] = "starts_at",
) -> Filter:
    people = tuple(doctor_id or ()), tuple(patient_id or ())
    return Filter(tuple(status or ()), *people, tuple(service_id or ()), begins, ends, sort)


def _act(appointment_id: UUID, caller: Account, expected: IfMatch, once: OperationId) -> Act:
    return Act(caller, appointment_id, expected, once.id)


UseBooking = Annotated[Booking, use_case(Booking)]
UseChanges = Annotated[Changes, use_case(Changes)]
UseRecords = Annotated[Records, use_case(Records)]
Filtered = Annotated[Filter, Depends(_filter)]
Acting = Annotated[Act, Depends(_act)]


def place(sort: Sort, appointment: Appointment) -> tuple[object, ...]:
    """Where an appointment stands in a sorted list."""
    at = appointment.starts_at if sort.endswith("starts_at") else appointment.created_at
    return (at - EPOCH) // timedelta(microseconds=1), appointment.id


@router.post("", response_model=AppointmentOut, status_code=201, responses=refusals(*BOOKING), summary="Book an appointment")
async def book_appointment(
    body: BookAppointment, caller: PatientOrStaff, once: OperationId, booking: UseBooking, response: Response
) -> Appointment:
    """201 when the time is granted; 202 with status `pending` when the calendar did not answer in time: settled within a minute."""
    return _answered(await booking.book(body.wish, caller, once.id), response)


@router.get("", response_model=Page[AppointmentOut], responses=refusals(BadCursor), summary="Appointments that one may see")
async def list_appointments(caller: Account, paging: Paged, wanted: Filtered, records: UseRecords) -> Page[Appointment]:
    """Patients see their own, doctors their patients' with them, staff all."""
    return paging.page(await records.listed(caller, wanted, paging.limit, paging.after), lambda one: place(wanted.sort, one))


@router.get("/{appointment_id}", response_model=AppointmentOut, responses=refusals(NoSuchAppointment), summary="One appointment")
async def get_appointment(appointment_id: UUID, caller: Account, records: UseRecords) -> Appointment:
    return await records.one(caller, appointment_id)


@router.get("/{appointment_id}/history", response_model=HistoryOut, responses=refusals(NoSuchAppointment), summary="What became of it")
async def get_appointment_history(appointment_id: UUID, caller: Account, records: UseRecords) -> HistoryOut:
    return HistoryOut.model_validate({"items": (await records.one(caller, appointment_id)).history})


@router.get("/{appointment_id}/calendar.ics", responses=refusals(NoSuchAppointment), summary="The appointment as an iCalendar file")
async def get_appointment_calendar(appointment_id: UUID, caller: Account, records: UseRecords) -> Response:
    return Response(as_calendar(await records.one(caller, appointment_id)), media_type="text/calendar; charset=utf-8")


@router.patch(
    "/{appointment_id}",
    response_model=AppointmentOut,
    responses=refusals(NoSuchAppointment, Stale, PreconditionRequired, Unavailable),
    summary="Change reason or intake",
)
async def amend_appointment(
    appointment_id: UUID, body: AmendAppointment, caller: Account, expected: RequireIfMatch, once: OperationId, changes: UseChanges
) -> Appointment:
    return await changes.amend(Act(caller, appointment_id, expected, once.id), body.changes)


def _answered(appointment: Appointment, response: Response) -> Appointment:
    response.status_code = STATUS_CODES.get(appointment.status, 201)
    return appointment
