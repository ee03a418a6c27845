"""The events that appointment-service consumes."""

from __future__ import annotations

from appointment_svc.usecases.doctors import DoctorFollower
from appointment_svc.usecases.erasure import AppointmentErasure
from appointment_svc.usecases.leaves import LeaveFollower
from shared.contracts.events import DoctorChanged, LeaveTaken, PatientErased
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, leaves: LeaveFollower, doctors: DoctorFollower, erasure: AppointmentErasure) -> None:
    """Follow every leave that scheduling-service announces, every change of a doctor, and every patient who is erased."""
    await runtime.subscribe({LeaveTaken: leaves.follow_leave, DoctorChanged: doctors.note_doctor, PatientErased: erasure.erase})
