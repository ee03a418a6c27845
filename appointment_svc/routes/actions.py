"""What can be done with an appointment, one route per action. Bodies without required fields may be left out."""

from __future__ import annotations

from fastapi import Response

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import DoctorInactive, IllegalMove, NoSuchAppointment, PatientInactive, TooEarly, TooLate
from appointment_svc.routes.dependencies import ClinicCaller, Context, DeskCaller, UseActions
from appointment_svc.routes.replays import ACTION_REPLAY
from appointment_svc.schemas import AppointmentOut, CancelAppointment, EmptyBody, ReassignAppointment, RescheduleAppointment
from shared.contracts.refusals import Stale, Unavailable
from shared.contracts.relayed_refusals import NoSuchDoctor, NotBookable, PatientBusy, SlotHeld, SlotTaken
from shared.kit import routes
from shared.kit.examples import example_with
from shared.kit.problems import refusals
from shared.kit.response_headers import with_etag

router = routes.service_router(prefix="/appointments/{appointment_id}", tags=["Appointments"])
STATUS_REFUSALS = (NoSuchAppointment, Stale, IllegalMove, Unavailable)
TIME_REFUSALS = (*STATUS_REFUSALS, NotBookable, SlotTaken, SlotHeld, PatientBusy)
MOVE_REFUSALS = (*TIME_REFUSALS, NoSuchDoctor, DoctorInactive)
NoBody = EmptyBody | None


@router.post(
    "/reschedule",
    operation_id="reschedule_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, version=3) | refusals(*MOVE_REFUSALS, TooLate),
    summary="Move to another time or doctor",
    dependencies=ACTION_REPLAY,
)
async def reschedule_appointment(body: RescheduleAppointment, context: Context, actions: UseActions, response: Response) -> Appointment:
    """The id stays. The old time is freed in the transaction that reserves the new one. The same time again changes nothing."""
    return with_etag(response, await actions.reschedule(context, starts_at=body.starts_at, doctor_id=body.doctor_id))


@router.post(
    "/cancel",
    operation_id="cancel_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, status="cancelled", cancel_reason="Feeling better", version=3) | refusals(*STATUS_REFUSALS, TooLate),
    summary="Cancel",
    dependencies=ACTION_REPLAY,
)
async def cancel_appointment(
    context: Context, actions: UseActions, response: Response, body: CancelAppointment | None = None
) -> Appointment:
    """The appointment stays in the history. A second cancel answers 200 and sends nothing."""
    return with_etag(response, await actions.cancel(context, body.reason if body else None))


@router.post(
    "/approve",
    operation_id="approve_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, version=3) | refusals(*STATUS_REFUSALS),
    summary="Approve a request",
    dependencies=ACTION_REPLAY,
)
async def approve_appointment(
    _caller: ClinicCaller, context: Context, actions: UseActions, response: Response, _body: NoBody = None
) -> Appointment:
    """A requested appointment becomes booked."""
    return with_etag(response, await actions.approve(context))


@router.post(
    "/decline",
    operation_id="decline_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, status="declined", cancel_reason="Annual leave", version=3) | refusals(*STATUS_REFUSALS),
    summary="Decline a request",
    dependencies=ACTION_REPLAY,
)
async def decline_appointment(
    _caller: ClinicCaller, context: Context, actions: UseActions, response: Response, body: CancelAppointment | None = None
) -> Appointment:
    """A requested appointment becomes declined, and its time is free again."""
    return with_etag(response, await actions.decline(context, body.reason if body else None))


@router.post(
    "/check-in",
    operation_id="check_in_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, status="checked_in", version=3) | refusals(*STATUS_REFUSALS, TooEarly),
    summary="Record the patient's arrival",
    dependencies=ACTION_REPLAY,
)
async def check_in_appointment(
    _caller: ClinicCaller, context: Context, actions: UseActions, response: Response, _body: NoBody = None
) -> Appointment:
    """A booked appointment becomes checked in, from the doctor's local midnight before the start on."""
    return with_etag(response, await actions.check_in(context))


@router.post(
    "/start",
    operation_id="start_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, status="in_progress", version=4) | refusals(*STATUS_REFUSALS),
    summary="Start the visit",
    dependencies=ACTION_REPLAY,
)
async def start_appointment(
    _caller: ClinicCaller, context: Context, actions: UseActions, response: Response, _body: NoBody = None
) -> Appointment:
    """A checked-in appointment becomes one in progress."""
    return with_etag(response, await actions.start(context))


@router.post(
    "/complete",
    operation_id="complete_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, status="completed", version=5) | refusals(*STATUS_REFUSALS),
    summary="Complete the visit",
    dependencies=ACTION_REPLAY,
)
async def complete_appointment(
    _caller: ClinicCaller, context: Context, actions: UseActions, response: Response, _body: NoBody = None
) -> Appointment:
    """An appointment that was checked in or started becomes completed."""
    return with_etag(response, await actions.complete(context))


@router.post(
    "/no-show",
    operation_id="miss_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, status="missed", version=3) | refusals(*STATUS_REFUSALS, TooEarly),
    summary="Record that the patient did not come",
    dependencies=ACTION_REPLAY,
)
async def miss_appointment(
    _caller: ClinicCaller, context: Context, actions: UseActions, response: Response, _body: NoBody = None
) -> Appointment:
    """A booked appointment becomes missed, at the earliest when its start has passed."""
    return with_etag(response, await actions.miss(context))


@router.post(
    "/restore",
    operation_id="restore_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, version=4) | refusals(*TIME_REFUSALS, DoctorInactive, PatientInactive),
    summary="Book a cancelled, declined or missed appointment again, or undo a check-in",
    dependencies=ACTION_REPLAY,
)
async def restore_appointment(
    _caller: ClinicCaller, context: Context, actions: UseActions, response: Response, _body: NoBody = None
) -> Appointment:
    """The time must still be free, and patient and doctor must be active."""
    return with_etag(response, await actions.restore(context))


@router.post(
    "/reassign",
    operation_id="reassign_appointment",
    response_model=AppointmentOut,
    responses=example_with(200, version=3) | refusals(*MOVE_REFUSALS),
    summary="Give to another doctor, same time",
    dependencies=ACTION_REPLAY,
)
async def reassign_appointment(
    _caller: DeskCaller, body: ReassignAppointment, context: Context, actions: UseActions, response: Response
) -> Appointment:
    """The new doctor must be free at that time and offer the service."""
    return with_etag(response, await actions.reschedule(context, doctor_id=body.doctor_id))
