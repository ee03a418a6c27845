"""What patient-service hears: what became of accounts, and who treats whom."""

from __future__ import annotations

from patient_svc.usecases import Patients
from shared.contracts.events import AccountChanged, AppointmentEvent
from shared.kit.bus import handlers_for
from shared.kit.service_runtime import ServiceRuntime


async def subscribe(runtime: ServiceRuntime, patients: Patients) -> None:
    await runtime.subscribe({AccountChanged: patients.note_account, **handlers_for(AppointmentEvent, patients.note_visit)})
