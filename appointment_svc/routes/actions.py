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
from appointment_svc.routes.appointments import Acting, UseChanges
from appointment_svc.schemas import AppointmentOut, CancelAppointment, Nothing, ReassignAppointment, RescheduleAppointment
from shared.contracts.refusals import Stale, Unavailable
from shared.kit import routes
from shared.kit.access import DoctorOrStaff, Staff
from shared.kit.problems import refusals

router = routes.service_router(prefix="/appointments/{appointment_id}", tags=["Appointments"])
STEP = (NoSuchAppointment, Stale, IllegalMove, Unavailable)
RETIMED = (*STEP, NotBookable, SlotTaken, SlotHeld, PatientBusy)
MOVED = (*RETIMED, NoSuchDoctor, DoctorInactive)
Empty = Nothing | None


@router.post("/reschedule", response_model=AppointmentOut, responses=refusals(*MOVED, TooLate), summary="Move it to another time")
async def reschedule_appointment(body: RescheduleAppointment, act: Acting, changes: UseChanges) -> Appointment:
    """The same id; the old time is freed in the transaction that takes the new one. The same time again changes nothing."""
    return await changes.reschedule(act, body.starts_at, body.doctor_id)


@router.post("/cancel", response_model=AppointmentOut, responses=refusals(*STEP, TooLate), summary="Cancel it")
async def cancel_appointment(act: Acting, changes: UseChanges, body: CancelAppointment | None = None) -> Appointment:
    """The row stays. A second cancel answers 200 and sends nothing."""
    return await changes.cancel(act, body.reason if body else None)


@router.post("/approve", response_model=AppointmentOut, responses=refusals(*STEP), summary="Approve a request")
async def approve_appointment(_by: DoctorOrStaff, act: Acting, changes: UseChanges, _body: Empty = None) -> Appointment:
    return await changes.approve(act)


@router.post("/decline", response_model=AppointmentOut, responses=refusals(*STEP), summary="Decline a request")
async def decline_appointment(_by: DoctorOrStaff, act: Acting, changes: UseChanges, body: CancelAppointment | None = None) -> Appointment:
    return await changes.decline(act, body.reason if body else None)


@router.post("/check-in", response_model=AppointmentOut, responses=refusals(*STEP), summary="The patient is here")
async def check_in_appointment(_by: DoctorOrStaff, act: Acting, changes: UseChanges, _body: Empty = None) -> Appointment:
    return await changes.check_in(act)


@router.post("/start", response_model=AppointmentOut, responses=refusals(*STEP), summary="The visit begins")
async def start_appointment(_by: DoctorOrStaff, act: Acting, changes: UseChanges, _body: Empty = None) -> Appointment:
    return await changes.start(act)


@router.post("/complete", response_model=AppointmentOut, responses=refusals(*STEP), summary="The visit is over")
async def complete_appointment(_by: DoctorOrStaff, act: Acting, changes: UseChanges, _body: Empty = None) -> Appointment:
    return await changes.complete(act)


@router.post("/no-show", response_model=AppointmentOut, responses=refusals(*STEP, TooEarly), summary="The patient did not come")
async def miss_appointment(_by: DoctorOrStaff, act: Acting, changes: UseChanges, _body: Empty = None) -> Appointment:
    return await changes.miss(act)


@router.post(
    "/restore", response_model=AppointmentOut, responses=refusals(*RETIMED), summary="Take a cancelled, declined or missed one back"
)
async def restore_appointment(_by: DoctorOrStaff, act: Acting, changes: UseChanges, _body: Empty = None) -> Appointment:
    """The time is checked again."""
    return await changes.restore(act)


@router.post("/reassign", response_model=AppointmentOut, responses=refusals(*MOVED), summary="Give it to another doctor at the same time")
async def reassign_appointment(_by: Staff, body: ReassignAppointment, act: Acting, changes: UseChanges) -> Appointment:
    return await changes.reschedule(act, None, body.doctor_id)
