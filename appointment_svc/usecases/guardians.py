"""Who a patient is now: whether others act for them, and whether they were merged.

patient-service is asked each time, so that a right ends at once on every instance.
"""

from __future__ import annotations

from uuid import UUID

from appointment_svc.domain import rules
from appointment_svc.domain.appointment import Appointment
from appointment_svc.ports import PatientLookup
from shared.contracts.identity import Caller
from shared.contracts.refusals import NotFound, Unavailable


async def require_visible(patients: PatientLookup, caller: Caller, appointment: Appointment) -> Appointment:
    """Return the appointment if the caller may see and change it: as patient, guardian, doctor or staff.

    Raise NoSuchAppointment otherwise, or Unavailable if patient-service, which knows the guardians, does not answer.
    """
    is_guardian = rules.could_be_guardian(caller, appointment.patient_id) and await _is_guardian(patients, caller, appointment)
    return rules.require_visible(caller, appointment, appointment.patient_id if is_guardian else None)


async def require_not_merged(patients: PatientLookup, patient_id: UUID) -> None:
    """Raise Unavailable if the patient of an appointment was merged into another one: the appointment follows within a minute."""
    current = await patients.find_current(patient_id)
    if current is not None and current.id != patient_id:
        raise Unavailable("The appointment is about to become that of the patient into whom its patient was merged.", retry_after=2)


async def _is_guardian(patients: PatientLookup, caller: Caller, appointment: Appointment) -> bool:
    try:
        return caller.id in (await patients.get_summary(appointment.patient_id)).guardian_ids
    except NotFound:
        return False
