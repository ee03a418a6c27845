"""Events that auth-service consumes: changed profiles, whose names it copies."""

from __future__ import annotations

from auth_svc.usecases.accounts import Accounts
from shared.contracts.events import DoctorChanged, PatientChanged
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, accounts: Accounts) -> None:
    """Consume the events of patient-service and doctor-service."""
    await runtime.subscribe({PatientChanged: accounts.update_patient_name, DoctorChanged: accounts.update_doctor_name})
