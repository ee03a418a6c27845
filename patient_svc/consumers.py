"""The events that patient-service consumes."""

from __future__ import annotations

from patient_svc.usecases.patients import Patients
from shared.contracts.events import AccountChanged, AppointmentEvent
from shared.kit.bus import handlers_for
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, patients: Patients) -> None:
    """Handle changes of accounts and of appointments."""
    await runtime.subscribe({AccountChanged: patients.apply_account_change, **handlers_for(AppointmentEvent, patients.record_visit)})
