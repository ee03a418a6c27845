"""Booking, reading and amending appointments."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request, Response

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import (
    DoctorInactive,
    DoctorNotAccepting,
    NoSuchAppointment,
    PatientInactive,
    PatientRequired,
    ServiceInactive,
    TooManyActive,
)
from appointment_svc.domain.transitions import AppointmentStatus
from appointment_svc.routes.dependencies import BookingCaller, Filter, Reader, UseActions, UseBooking, UseClinic, UseQueries, Writer
from appointment_svc.routes.icalendar_file import to_icalendar
from appointment_svc.routes.replays import BOOKING_REPLAY
from appointment_svc.schemas import AmendAppointment, AppointmentOut, AppointmentPage, BookAppointment, HistoryOut
from appointment_svc.usecases.actions import ActionContext
from shared.contracts.ranges import RangeReversed
from shared.contracts.refusals import PreconditionRequired, Stale, Unavailable
from shared.contracts.relayed_refusals import (
    HoldExpired,
    HoldMismatch,
    NoSuchDoctor,
    NoSuchPatient,
    NoSuchService,
    NotBookable,
    OverrideNotAllowed,
    PatientBusy,
    PatientWasMerged,
    SlotHeld,
    SlotTaken,
)
from shared.kit import routes
from shared.kit.examples import CHANGED_FIELDS, example_with
from shared.kit.idempotency import OperationId
from shared.kit.paging import BadCursor, Paged
from shared.kit.preconditions import RequireIfMatch
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag, with_location, with_next_link

router = routes.service_router(prefix="/appointments", tags=["Appointments"])
BOOKING_REFUSALS = (
    PatientRequired, NotBookable, NoSuchPatient, PatientWasMerged, NoSuchDoctor, NoSuchService, ServiceInactive, DoctorInactive,
    DoctorNotAccepting, PatientInactive, TooManyActive, SlotTaken, SlotHeld, HoldMismatch, HoldExpired, PatientBusy, Unavailable,
    OverrideNotAllowed,
)  # fmt: skip
PENDING_RESPONSE: dict[int | str, dict[str, Any]] = {
    202: {
        "model": AppointmentOut,
        "description": "Pending: the calendar did not answer in time. It is settled within a minute.",
        CHANGED_FIELDS: {"status": "pending", "version": 1},
    }
}
ICALENDAR_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"description": "iCalendar (RFC 5545)", "content": {"text/calendar": {"schema": {"type": "string"}}}}
}


@router.post(
    "",
    operation_id="book_appointment",
    response_model=AppointmentOut,
    status_code=201,
    responses=PENDING_RESPONSE | refusals(*BOOKING_REFUSALS),
    summary="Book an appointment",
    dependencies=BOOKING_REPLAY,
)
async def book_appointment(
    body: BookAppointment, caller: BookingCaller, operation: OperationId, booking: UseBooking, response: Response
) -> Appointment:
    """Patients book for themselves or for a dependant, whose other visits and limits count then; staff name the patient.

    Staff may lift one rule of the calendar with `override` and a reason: admins every rule, the reception those that the clinic leaves to
    them. Everything else still refuses; a full group and another visit of the patient always do.

    201 when the time is granted. 202 with status `pending` when the calendar did not answer in time; it is completed within a minute.
    """
    appointment = await booking.book(body, caller, operation.id)
    response.status_code = 202 if appointment.status is AppointmentStatus.PENDING else 201
    return with_location(response, appointment, f"/appointments/{appointment.id}")


@router.get(
    "",
    operation_id="list_appointments",
    response_model=AppointmentPage,
    responses=refusals(BadCursor, RangeReversed),
    summary="List the appointments that one may see",
)
async def list_appointments(
    caller: Reader, paging: Paged, wanted: Filter, queries: UseQueries, request: Request, response: Response
) -> AppointmentPage:
    """Patients see their own and those of their dependants, doctors their own, staff all.

    For a patient who was merged into another one, staff get the appointments of the other one.
    """
    appointments = await queries.list_matching(caller, wanted, paging.limit, paging.after)
    page = with_next_link(request, response, paging.page(appointments.rows, wanted.sort_key))
    return AppointmentPage.model_validate({"items": page.items, "next": page.next, "complete": appointments.complete})


@router.get(
    "/{appointment_id}",
    operation_id="get_appointment",
    response_model=AppointmentOut,
    responses=refusals(NoSuchAppointment, Unavailable),
    summary="Get an appointment",
)
async def get_appointment(appointment_id: UUID, caller: Reader, queries: UseQueries, response: Response) -> Appointment:
    """Patients see their own and those of their dependants, doctors their own, staff all; others get 404."""
    return with_etag(response, await queries.get(caller, appointment_id))


@router.get(
    "/{appointment_id}/history",
    operation_id="get_appointment_history",
    response_model=HistoryOut,
    responses=refusals(NoSuchAppointment, Unavailable),
    summary="List what changed and who did it",
)
async def get_appointment_history(appointment_id: UUID, caller: Reader, queries: UseQueries) -> HistoryOut:
    """Every change with its actor, the earliest first."""
    return HistoryOut.model_validate({"items": (await queries.get(caller, appointment_id)).history})


@router.get(
    "/{appointment_id}/calendar.ics",
    operation_id="get_appointment_calendar",
    response_class=Response,
    responses=ICALENDAR_RESPONSE | refusals(NoSuchAppointment, Unavailable),
    summary="Get the appointment as an iCalendar file",
)
async def get_appointment_calendar(appointment_id: UUID, caller: Reader, queries: UseQueries, clinic: UseClinic) -> Response:
    """One event, for import into a calendar program."""
    return Response(to_icalendar(await queries.get(caller, appointment_id), clinic()), media_type="text/calendar; charset=utf-8")


@router.patch(
    "/{appointment_id}",
    operation_id="amend_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, version=3) | refusals(NoSuchAppointment, Stale, PreconditionRequired, Unavailable),
    summary="Change reason or intake",
)
async def amend_appointment(
    appointment_id: UUID,
    body: AmendAppointment,
    caller: Writer,
    expected_version: RequireIfMatch,
    operation: OperationId,
    actions: UseActions,
    response: Response,
) -> Appointment:
    """Never changes time or status. Fields that are left out stay as they are; null deletes them."""
    context = ActionContext(caller, appointment_id, expected_version, operation.id)
    return with_etag(response, await actions.amend(context, body.fields))
