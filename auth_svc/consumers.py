"""What auth-service hears: names, from those who own them."""

from __future__ import annotations

from auth_svc.usecases.accounts import Accounts
from shared.contracts.events import DoctorChanged, PatientChanged
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, accounts: Accounts) -> None:
    async def patient_changed(event: PatientChanged) -> None:
        await accounts.note_patient(event.patient_id, event.version, event.id)

    async def doctor_changed(event: DoctorChanged) -> None:
        await accounts.note_doctor(event.doctor_id, event.rules.full_name, event.version, event.id)

    await runtime.subscribe({PatientChanged: patient_changed, DoctorChanged: doctor_changed})
