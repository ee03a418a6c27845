"""What can be done with an appointment, one route per action; bodies may be empty."""

from __future__ import annotations

from appointment_svc.domain.appointment import Appointment
from appointment_svc.domain.refusals import (
    DoctorInactive,
    IllegalMove,
    NoSuchAppointment,
    NoSuchDoctor,
    NotBookable,
    PatientBusy,
    SlotHeld,
    SlotTaken,
    TooEarly,
    TooLate,
)
from appointment_svc.routes.appointments import Context, UseActions
from appointment_svc.schemas import AppointmentOut, CancelAppointment, EmptyBody, ReassignAppointment, RescheduleAppointment
from shared.contracts.refusals import Stale, Unavailable
from shared.kit import routes
from shared.kit.access import DoctorOrStaff, Staff
from shared.kit.problems import refusals

router = routes.service_router(prefix="/appointments/{appointment_id}", tags=["Appointments"])
STEP = (NoSuchAppointment, Stale, IllegalMove, Unavailable)
RETIMED = (*STEP, NotBookable, SlotTaken, SlotHeld, PatientBusy)
MOVED = (*RETIMED, NoSuchDoctor, DoctorInactive)
NoBody = EmptyBody | None


@router.post("/reschedule", response_model=AppointmentOut, responses=refusals(*MOVED, TooLate), summary="Move it to another time")
async def reschedule_appointment(body: RescheduleAppointment, context: Context, actions: UseActions) -> Appointment:
    """The same id; the old time is freed in the transaction that takes the new one. The same time again changes nothing."""
    return await actions.reschedule(context, starts_at=body.starts_at, doctor_id=body.doctor_id)


@router.post("/cancel", response_model=AppointmentOut, responses=refusals(*STEP, TooLate), summary="Cancel it")
async def cancel_appointment(context: Context, actions: UseActions, body: CancelAppointment | None = None) -> Appointment:
    """The row stays. A second cancel answers 200 and sends nothing."""
    return await actions.cancel(context, body.reason if body else None)


@router.post("/approve", response_model=AppointmentOut, responses=refusals(*STEP), summary="Approve a request")
async def approve_appointment(_by: DoctorOrStaff, context: Context, actions: UseActions, _body: NoBody = None) -> Appointment:
    return await actions.approve(context)


@router.post("/decline", response_model=AppointmentOut, responses=refusals(*STEP), summary="Decline a request")
async def decline_appointment(
    _by: DoctorOrStaff, context: Context, actions: UseActions, body: CancelAppointment | None = None
) -> Appointment:
    return await actions.decline(context, body.reason if body else None)


@router.post("/check-in", response_model=AppointmentOut, responses=refusals(*STEP), summary="The patient is here")
async def check_in_appointment(_by: DoctorOrStaff, context: Context, actions: UseActions, _body: NoBody = None) -> Appointment:
    return await actions.check_in(context)


@router.post("/start", response_model=AppointmentOut, responses=refusals(*STEP), summary="The visit begins")
async def start_appointment(_by: DoctorOrStaff, context: Context, actions: UseActions, _body: NoBody = None) -> Appointment:
    return await actions.start(context)


@router.post("/complete", response_model=AppointmentOut, responses=refusals(*STEP), summary="The visit is over")
async def complete_appointment(_by: DoctorOrStaff, context: Context, actions: UseActions, _body: NoBody = None) -> Appointment:
    return await actions.complete(context)


@router.post("/no-show", response_model=AppointmentOut, responses=refusals(*STEP, TooEarly), summary="The patient did not come")
async def miss_appointment(_by: DoctorOrStaff, context: Context, actions: UseActions, _body: NoBody = None) -> Appointment:
    return await actions.miss(context)


@router.post(
    "/restore", response_model=AppointmentOut, responses=refusals(*RETIMED), summary="Take a cancelled, declined or missed one back"
)
async def restore_appointment(_by: DoctorOrStaff, context: Context, actions: UseActions, _body: NoBody = None) -> Appointment:
    """The time is checked again."""
    return await actions.restore(context)


@router.post("/reassign", response_model=AppointmentOut, responses=refusals(*MOVED), summary="Give it to another doctor at the same time")
async def reassign_appointment(_by: Staff, body: ReassignAppointment, context: Context, actions: UseActions) -> Appointment:
    return await actions.reschedule(context, doctor_id=body.doctor_id)
