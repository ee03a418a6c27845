"""The events that appointment-service consumes."""

from __future__ import annotations

from appointment_svc.usecases.doctors import DoctorFollower
from appointment_svc.usecases.erasure import AppointmentErasure
from appointment_svc.usecases.leaves import LeaveFollower
from appointment_svc.usecases.merged_patients import MergeFollower
from shared.contracts.events import DoctorChanged, LeaveTaken, PatientErased, PatientMerged
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(
    runtime: ServiceRuntime, leaves: LeaveFollower, doctors: DoctorFollower, erasure: AppointmentErasure, merges: MergeFollower
) -> None:
    """Follow every leave that scheduling-service announces, every change of a doctor, and patients who are erased or merged."""
    await runtime.subscribe(
        {
            LeaveTaken: leaves.follow_leave,
            DoctorChanged: doctors.note_doctor,
            PatientErased: erasure.erase,
            PatientMerged: merges.note_merge,
        }
    )
